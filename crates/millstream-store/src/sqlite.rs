//! Checkpoints, conversations and answers in an SQLite file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use millstream_core::Result;
use millstream_graph::{Checkpoint, Checkpointer, NewCheckpoint, NewWrites};
use uuid::Uuid;

mod answers;
mod channels;
mod database;
mod failure;
mod full_text;
mod graph;
mod history;
mod list;
mod open;
mod read;
mod save;
mod writer;

pub use answers::SqliteCache;
pub use full_text::FullText;

use database::Database;
use writer::Writer;

/// Keeps checkpoints of graphs and conversations of chains in one SQLite file, and [answers](Self::answers) of models. Clones share it.
///
/// What is in the file is what changed: the value of a channel is saved once, however many checkpoints have it, and a list that grows is never
/// written again. A thousand steps of a conversation cost little more than what was said in it.
///
/// One thread of its own writes the file. Calls that come while it is busy are saved together, in one transaction, and answered when it is
/// complete; then they survive the end of the process. A crash of the machine may lose the last transactions, and never a
/// part of one. A call is queued when it is made rather than when its future is polled. So calls are done in the order in which they were made, and
/// one is done even if its future is dropped. Dropping the last clone waits for the queue.
///
/// Other programs may read the file meanwhile, and write it too.
#[derive(Clone)]
pub struct Sqlite {
    writer: Arc<Writer>,
    name: Arc<str>,
}

impl Sqlite {
    /// Opens the file at `path`, which is created if it is not there, and brings it up to date if an older version wrote it.
    ///
    /// # Errors
    /// With the kind [`InvalidInput`](millstream_core::ErrorKind::InvalidInput) if the file cannot be created or written, is no database, is that of another
    /// program, or was written by a newer version; with [`StoreFailed`](millstream_core::ErrorKind::StoreFailed) if it is locked or damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let connection = open::file(path)?;
        Self::start(connection, path.display().to_string())
    }

    /// A database in memory, which is gone with its last clone.
    ///
    /// # Errors
    /// With the kind [`StoreFailed`](millstream_core::ErrorKind::StoreFailed) if there is no memory or no thread for it.
    pub fn in_memory() -> Result<Self> {
        Self::start(open::memory()?, "the database in memory".to_owned())
    }

    fn start(connection: rusqlite::Connection, name: String) -> Result<Self> {
        let shown = name.as_str().into();
        Ok(Self { writer: Arc::new(Writer::start(Database::new(connection, name))?), name: shown })
    }
}

impl Checkpointer for Sqlite {
    fn get<'a>(
        &'a self,
        thread: &'a str,
        namespace: &'a str,
        id: Option<Uuid>,
    ) -> BoxFuture<'a, Result<Option<Checkpoint>>> {
        let (thread, namespace) = (thread.to_owned(), namespace.to_owned());
        self.writer.read(move |database| database.get(&thread, &namespace, id))
    }

    fn list<'a>(
        &'a self,
        thread: &'a str,
        namespace: &'a str,
        before: Option<Uuid>,
        limit: Option<usize>,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>>> {
        let (thread, namespace) = (thread.to_owned(), namespace.to_owned());
        self.writer.read(move |database| database.list(&thread, &namespace, before, limit))
    }

    fn put(&self, checkpoint: NewCheckpoint) -> BoxFuture<'static, Result<()>> {
        self.writer.write(move |database| database.put(&checkpoint))
    }

    fn put_writes(&self, writes: NewWrites) -> BoxFuture<'static, Result<()>> {
        self.writer.write(move |database| database.put_writes(&writes))
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<()>> {
        let thread = thread.to_owned();
        self.writer.write(move |database| database.delete_thread(&thread))
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sqlite({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use millstream_core::ErrorKind;
    use millstream_graph::{Change, CheckpointMetadata, CheckpointSource};

    use super::*;

    fn checkpoint(number: u128, text: &str) -> NewCheckpoint {
        NewCheckpoint {
            thread: "thread".into(),
            namespace: "".into(),
            id: Uuid::from_u128(number),
            parent: None,
            metadata: CheckpointMetadata {
                source: CheckpointSource::Input,
                step: -1,
                parents: Default::default(),
                run: Default::default(),
            },
            created_at: 0,
            changes: vec![("channel".into(), Change::Whole(text.into()))],
            next: "".into(),
            writes: Vec::new(),
        }
    }

    /// A disk that is full, as SQLite tells of it.
    #[test]
    fn a_full_disk_is_told_and_what_fits_is_saved() {
        let connection = open::memory().unwrap();
        connection.pragma_update(None, "max_page_count", 40).unwrap();
        let store = Sqlite::start(connection, "chat.db".to_owned()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let calls = [
                store.put(checkpoint(1, "1")),
                store.put(checkpoint(2, &"2".repeat(1 << 20))),
                store.put(checkpoint(3, "3")),
            ];
            let [first, second, third] = futures_util::future::join_all(calls).await.try_into().unwrap();
            let error = second.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StoreFailed);
            assert_eq!(
                error.to_string(),
                "chat.db cannot be written, since the disk is full; make room, then try again"
            );
            assert!(first.is_ok() && third.is_ok());
            assert_eq!(store.list("thread", "", None, None).await.unwrap().len(), 2);
        });
    }
}
