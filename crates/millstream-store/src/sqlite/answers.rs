//! Answers of models, kept by their requests.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream_core::{Chunk, Error, ErrorKind, ResponseCache, Result};
use rusqlite::{OptionalExtension, params};

use super::Sqlite;
use super::database::Database;
use super::failure::Failure;

/// Keeps answers of models in the file of a [`Sqlite`], for [`Model::cached`](millstream_core::Model::cached): up to a number of bytes, requests included; the one that was not
/// needed for the longest time goes first. Clones, other caches of the same file and other programs share what is kept.
///
/// ```
/// use millstream_core::{Demo, Model, Runnable};
/// use millstream_store::Sqlite;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = Sqlite::in_memory()?;
/// let model = Model::from(Demo::says(["One.", "Two."])).cached(store.answers(64 << 20));
/// assert_eq!(model.run("Count").await?.text(), "One.");
/// assert_eq!(model.run("Count").await?.text(), "One.");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct SqliteCache {
    store: Sqlite,
    limit: u64,
    time_to_live: Option<Duration>,
}

/// An answer that was found.
struct Found {
    id: i64,
    chunks: String,
    created_at: i64,
}

impl Sqlite {
    /// A cache of answers in this file, of at most `limit` bytes. An answer that is larger is not kept.
    pub fn answers(&self, limit: u64) -> SqliteCache {
        SqliteCache { store: self.clone(), limit, time_to_live: None }
    }
}

impl SqliteCache {
    /// An answer is not given again when it is older than that. Its place is free when another one needs it.
    #[must_use]
    pub fn time_to_live(self, age: Duration) -> Self {
        Self { time_to_live: Some(age), ..self }
    }

    fn is_fresh(&self, created_at: i64) -> bool {
        let Some(oldest) = self.time_to_live else { return true };
        // One from the future was kept by a clock that was wrong.
        let age = u128::try_from(now().saturating_sub(created_at));
        age.is_ok_and(|age| age < oldest.as_millis())
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl ResponseCache for SqliteCache {
    fn get(&self, key: Arc<str>) -> BoxFuture<'_, Result<Option<Arc<[Chunk]>>>> {
        let writer = &self.store.writer;
        let found = writer.read(move |database| database.answer(&key));
        async move {
            let Some(found) = found.await?.filter(|found| self.is_fresh(found.created_at)) else { return Ok(None) };
            let chunks: Vec<Chunk> = serde_json::from_str(&found.chunks).map_err(|error| {
                let message =
                    format!("{} is damaged: an answer cannot be read, and is asked for again", self.store.name);
                Error::new(ErrorKind::StoreFailed, message).with_source(error)
            })?;
            // Nobody need wait for that.
            drop(writer.write(move |database| database.needed(found.id)));
            Ok(Some(chunks.into()))
        }
        .boxed()
    }

    fn put(&self, key: Arc<str>, answer: Arc<[Chunk]>) -> BoxFuture<'_, Result<()>> {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        async move {
            let chunks = serde_json::to_string(&*answer).map_err(Error::failed)?;
            self.store.writer.write(move |database| database.keep(&key, &chunks, now(), limit)).await
        }
        .boxed()
    }
}

impl Database {
    fn answer(&mut self, request: &str) -> Result<Option<Found>, Failure> {
        let mut select = self
            .connection
            .prepare_cached("SELECT id, chunks, created_at FROM answer WHERE hash = ? AND request = ?")?;
        let found = select.query_row(params![hash(request), request], |row| {
            Ok(Found { id: row.get(0)?, chunks: row.get(1)?, created_at: row.get(2)? })
        });
        Ok(found.optional()?)
    }

    /// Takes note that an answer was needed now. It may be gone already.
    fn needed(&mut self, id: i64) -> Result<(), Failure> {
        let now = self.next_use()?;
        self.connection.prepare_cached("UPDATE answer SET used = ? WHERE id = ?")?.execute([now, id])?;
        Ok(())
    }

    fn keep(&mut self, request: &str, chunks: &str, now: i64, limit: i64) -> Result<(), Failure> {
        let hash = hash(request);
        let mut old =
            self.connection.prepare_cached("DELETE FROM answer WHERE hash = ? AND request = ? RETURNING bytes")?;
        let old: Option<i64> = old.query_row(params![hash, request], |row| row.get(0)).optional()?;
        let mut total: i64 = self.connection.query_row("SELECT bytes FROM answers", [], |row| row.get(0))?;
        total -= old.unwrap_or(0);
        // SQLite keeps nothing that is as large as this could overflow.
        let bytes = (request.len() + chunks.len()) as i64;
        if bytes <= limit {
            let mut oldest = self.connection.prepare_cached(
                "DELETE FROM answer WHERE id = (SELECT id FROM answer ORDER BY used LIMIT 1) RETURNING bytes",
            )?;
            while total + bytes > limit
                && let Some(freed) = oldest.query_row([], |row| row.get::<_, i64>(0)).optional()?
            {
                total -= freed;
            }
            drop(oldest);
            let used = self.next_use()?;
            let mut insert = self.connection.prepare_cached(
                "INSERT INTO answer (hash, request, chunks, bytes, created_at, used) VALUES (?, ?, ?, ?, ?, ?)",
            )?;
            insert.execute(params![hash, request, chunks, bytes, now, used])?;
            total += bytes;
        }
        self.connection.prepare_cached("UPDATE answers SET bytes = ?")?.execute([total])?;
        Ok(())
    }

    fn next_use(&self) -> Result<i64, Failure> {
        let mut next = self.connection.prepare_cached("UPDATE answers SET uses = uses + 1 RETURNING uses")?;
        Ok(next.query_row([], |row| row.get(0))?)
    }
}

/// FNV-1a: the same in every version of this program, and only there to find what is then compared.
fn hash(request: &str) -> i64 {
    let hash = request
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash.cast_signed()
}

impl fmt::Debug for SqliteCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteCache({}, at most {} bytes)", self.store.name, self.limit)
    }
}
