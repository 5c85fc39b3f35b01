//! Checkpoints in memory, for as long as the process lives.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use millstream_core::{Error, ErrorKind, History, MemoryHistory, Messages, Result};
use uuid::Uuid;

use super::{Change, Checkpoint, CheckpointMetadata, Checkpointer, NewCheckpoint, NewWrites, Stored, TaskWrite};

/// Keeps checkpoints in memory, and conversations of chains. Clones share them.
///
/// A list that grows is kept once, however many checkpoints see a part of it. Conversations have the bound of a [`MemoryHistory`]; checkpoints have none.
#[derive(Clone, Default)]
pub struct Memory {
    threads: Arc<Mutex<HashMap<Arc<str>, Thread>>>,
    conversations: MemoryHistory,
}

/// The graphs of a thread, by their namespaces.
type Thread = HashMap<Arc<str>, BTreeMap<Uuid, Kept>>;

struct Kept {
    parent: Option<Uuid>,
    metadata: CheckpointMetadata,
    created_at: i64,
    values: BTreeMap<Arc<str>, Value>,
    next: Arc<str>,
    writes: Vec<TaskWrite>,
}

#[derive(Clone)]
enum Value {
    Whole(Arc<str>),
    List(List),
}

/// The beginning of a list that may have grown since.
#[derive(Clone)]
struct List {
    elements: Arc<Mutex<Vec<Arc<str>>>>,
    len: usize,
}

impl List {
    fn read(&self) -> Vec<Arc<str>> {
        self.lock()[..self.len].to_vec()
    }

    /// The first `keep` elements, and more behind them: in place if nobody has put anything there yet.
    fn grown(&self, keep: usize, more: Vec<Arc<str>>) -> Self {
        let keep = keep.min(self.len);
        let len = keep + more.len();
        let mut elements = self.lock();
        if elements.len() == keep {
            elements.extend(more);
            drop(elements);
            return Self { elements: self.elements.clone(), len };
        }
        Self::new(elements[..keep].iter().cloned().chain(more).collect())
    }

    fn new(elements: Vec<Arc<str>>) -> Self {
        let len = elements.len();
        Self { elements: Arc::new(Mutex::new(elements)), len }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<str>>> {
        self.elements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn read(&self, id: Uuid) -> Checkpoint {
        let values = self.values.iter().map(|(name, value)| {
            let stored = match value {
                Value::Whole(text) => Stored::Whole(text.clone()),
                Value::List(list) => Stored::List(list.read()),
            };
            (name.clone(), stored)
        });
        Checkpoint {
            id,
            parent: self.parent,
            metadata: self.metadata.clone(),
            created_at: self.created_at,
            values: values.collect(),
            next: self.next.clone(),
            writes: self.writes.clone(),
        }
    }

    fn write(&mut self, writes: Vec<TaskWrite>) {
        for write in writes {
            match self.writes.iter_mut().find(|known| known.task == write.task && known.kind == write.kind) {
                Some(known) => *known = write,
                None => self.writes.push(write),
            }
        }
    }
}

impl Memory {
    /// A store without checkpoints.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_now(&self, new: NewCheckpoint) -> Result<()> {
        let NewCheckpoint { thread, namespace, id, parent, metadata, created_at, changes, next, writes } = new;
        let mut threads = self.lock();
        let graph = threads.entry(thread).or_default().entry(namespace).or_default();
        let mut values = match parent {
            None => BTreeMap::new(),
            Some(parent) => {
                let before = graph.get_mut(&parent).ok_or_else(|| missing(parent))?;
                before.write(writes);
                before.values.clone()
            }
        };
        for (name, change) in changes {
            let value = match change {
                Change::Gone => {
                    values.remove(&name);
                    continue;
                }
                Change::Whole(text) => Value::Whole(text),
                Change::List { keep, elements } => match values.get(&name) {
                    Some(Value::List(before)) => Value::List(before.grown(keep, elements)),
                    _ => Value::List(List::new(elements)),
                },
            };
            values.insert(name, value);
        }
        graph.insert(id, Kept { parent, metadata, created_at, values, next, writes: Vec::new() });
        Ok(())
    }

    fn put_writes_now(&self, new: NewWrites) -> Result<()> {
        let mut threads = self.lock();
        let graph = threads.get_mut(&new.thread).and_then(|thread| thread.get_mut(&new.namespace));
        let kept = graph.and_then(|graph| graph.get_mut(&new.checkpoint)).ok_or_else(|| missing(new.checkpoint))?;
        kept.write(new.writes);
        Ok(())
    }
}

fn missing(checkpoint: Uuid) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("the checkpoint {checkpoint} is not there; its thread may have been deleted"),
    )
}

impl Checkpointer for Memory {
    fn get<'a>(
        &'a self,
        thread: &'a str,
        namespace: &'a str,
        id: Option<Uuid>,
    ) -> BoxFuture<'a, Result<Option<Checkpoint>>> {
        let threads = self.lock();
        let graph = threads.get(thread).and_then(|thread| thread.get(namespace));
        let found = graph.and_then(|graph| match id {
            Some(id) => graph.get(&id).map(|kept| kept.read(id)),
            None => graph.last_key_value().map(|(id, kept)| kept.read(*id)),
        });
        future::ready(Ok(found)).boxed()
    }

    fn list<'a>(
        &'a self,
        thread: &'a str,
        namespace: &'a str,
        before: Option<Uuid>,
        limit: Option<usize>,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>>> {
        let threads = self.lock();
        let graph = threads.get(thread).and_then(|thread| thread.get(namespace));
        let all = graph.into_iter().flatten().rev();
        let older = all.filter(|(id, _)| before.is_none_or(|before| **id < before));
        let found = older.take(limit.unwrap_or(usize::MAX)).map(|(id, kept)| kept.read(*id)).collect();
        future::ready(Ok(found)).boxed()
    }

    fn put(&self, checkpoint: NewCheckpoint) -> BoxFuture<'static, Result<()>> {
        future::ready(self.put_now(checkpoint)).boxed()
    }

    fn put_writes(&self, writes: NewWrites) -> BoxFuture<'static, Result<()>> {
        future::ready(self.put_writes_now(writes)).boxed()
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<()>> {
        self.lock().remove(thread);
        future::ready(Ok(())).boxed()
    }
}

impl History for Memory {
    fn load(&self, session: &str) -> BoxFuture<'static, Result<Messages>> {
        self.conversations.load(session)
    }

    fn append(&self, session: &str, messages: Messages) -> BoxFuture<'static, Result<()>> {
        self.conversations.append(session, messages)
    }

    fn clear(&self, session: &str) -> BoxFuture<'static, Result<()>> {
        self.conversations.clear(session)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} threads)", self.lock().len())
    }
}
