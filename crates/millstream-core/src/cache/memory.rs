//! Answers in memory, for as long as the process lives.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};

use super::ResponseCache;
use crate::error::{Error, Result};
use crate::part::Chunk;

/// Keeps answers in memory, up to a number of bytes; the one that was not needed for the longest time goes first. Clones share it.
///
/// ```
/// use millstream_core::{Demo, MemoryCache, Model, Runnable};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let model = Model::from(Demo::says(["One.", "Two."])).cached(MemoryCache::default());
/// assert_eq!(model.run("Count").await?.text(), "One.");
/// let again = model.run("Count").await?;
/// assert_eq!((again.text(), again.usage.map(|usage| usage.total_tokens)), ("One.".to_owned(), Some(0)));
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryCache {
    limit: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    answers: HashMap<Arc<str>, Answer>,
    /// The keys, by when they were needed last.
    order: BTreeMap<u64, Arc<str>>,
    /// The time, counted in calls.
    now: u64,
    bytes: usize,
}

struct Answer {
    chunks: Arc<[Chunk]>,
    bytes: usize,
    needed: u64,
}

impl MemoryCache {
    /// A cache of at most `limit` bytes, requests included. An answer that is larger is not kept.
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: Arc::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 64 MiB.
impl Default for MemoryCache {
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl Kept {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    fn get(&mut self, key: &Arc<str>) -> Option<Arc<[Chunk]>> {
        let now = self.tick();
        let answer = self.answers.get_mut(key)?;
        self.order.remove(&std::mem::replace(&mut answer.needed, now));
        self.order.insert(now, key.clone());
        Some(answer.chunks.clone())
    }

    fn put(&mut self, key: Arc<str>, chunks: Arc<[Chunk]>, bytes: usize, limit: usize) {
        self.forget(&key);
        if bytes > limit {
            return;
        }
        while self.bytes + bytes > limit
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.forget(&oldest);
        }
        let needed = self.tick();
        self.bytes += bytes;
        self.order.insert(needed, key.clone());
        self.answers.insert(key, Answer { chunks, bytes, needed });
    }

    fn forget(&mut self, key: &str) {
        if let Some(answer) = self.answers.remove(key) {
            self.order.remove(&answer.needed);
            self.bytes -= answer.bytes;
        }
    }
}

impl ResponseCache for MemoryCache {
    fn get(&self, key: Arc<str>) -> BoxFuture<'_, Result<Option<Arc<[Chunk]>>>> {
        future::ready(Ok(self.kept().get(&key))).boxed()
    }

    fn put(&self, key: Arc<str>, answer: Arc<[Chunk]>) -> BoxFuture<'_, Result<()>> {
        // As JSON it is about as large as in memory.
        let size = serde_json::to_vec(&*answer).map_err(Error::failed);
        let kept = size.map(|json| {
            let bytes = json.len() + key.len();
            self.kept().put(key, answer, bytes, self.limit);
        });
        future::ready(kept).boxed()
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept();
        write!(f, "MemoryCache({} answers, {} of {} bytes)", kept.answers.len(), kept.bytes, self.limit)
    }
}
