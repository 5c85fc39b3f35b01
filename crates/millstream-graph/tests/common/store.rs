//! A store that writes down what it is asked, and can be slow and fail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream_core::{Error, ErrorKind, Result};
use millstream_graph::{Checkpoint, Checkpointer, Memory, NewCheckpoint, NewWrites};
use tokio::task::yield_now;
use uuid::Uuid;

use super::Journal;

/// What a store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Get,
    List,
    Put,
    PutWrites,
}

/// [`Memory`], with its calls in a journal, that is never ready at once, takes its time and fails when it is told to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) memory: Memory,
    pub(crate) journal: Journal,
    /// How many milliseconds each call takes.
    takes: Arc<AtomicU64>,
    /// Which call fails: the so-manieth of this kind from now on.
    fails: Arc<Mutex<Option<(Call, usize)>>>,
}

impl Store {
    /// A store that takes so many milliseconds for each call that writes.
    pub(crate) fn slow(takes: u64) -> Self {
        let store = Self::default();
        store.takes.store(takes, Ordering::Relaxed);
        store
    }

    /// Fails the call `number` of this kind, counted from 0 and from now on.
    pub(crate) fn fail(&self, call: Call, number: usize) {
        *self.fails.lock().unwrap() = Some((call, number));
    }

    /// Whether the call that was to fail has not come yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.fails.lock().unwrap().is_some()
    }

    /// The same checkpoints, as somebody else sees them.
    pub(crate) fn without_faults(&self) -> Self {
        Self { memory: self.memory.clone(), ..Self::default() }
    }

    fn check(&self, call: Call) -> Result<()> {
        let mut fails = self.fails.lock().unwrap();
        match &mut *fails {
            Some((kind, 0)) if *kind == call => {
                *fails = None;
                Err(Error::new(ErrorKind::Failed, "the disk is full"))
            }
            Some((kind, number)) if *kind == call => {
                *number -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn write(
        self,
        call: Call,
        what: String,
        done: impl FnOnce(&Memory) -> BoxFuture<'static, Result<()>>,
    ) -> Result<()> {
        self.journal.note(format!("saving {what}"));
        tokio::time::sleep(Duration::from_millis(self.takes.load(Ordering::Relaxed))).await;
        yield_now().await;
        self.check(call)?;
        done(&self.memory).await?;
        yield_now().await;
        self.journal.note(format!("saved {what}"));
        Ok(())
    }
}

impl Checkpointer for Store {
    fn get<'a>(
        &'a self,
        thread: &'a str,
        namespace: &'a str,
        id: Option<Uuid>,
    ) -> BoxFuture<'a, Result<Option<Checkpoint>>> {
        async move {
            yield_now().await;
            self.check(Call::Get)?;
            self.memory.get(thread, namespace, id).await
        }
        .boxed()
    }

    fn list<'a>(
        &'a self,
        thread: &'a str,
        namespace: &'a str,
        before: Option<Uuid>,
        limit: Option<usize>,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>>> {
        async move {
            yield_now().await;
            self.check(Call::List)?;
            self.memory.list(thread, namespace, before, limit).await
        }
        .boxed()
    }

    fn put(&self, new: NewCheckpoint) -> BoxFuture<'static, Result<()>> {
        let what = format!("{} {}", new.metadata.source.name(), new.metadata.step);
        self.clone().write(Call::Put, what, move |memory| memory.put(new)).boxed()
    }

    fn put_writes(&self, new: NewWrites) -> BoxFuture<'static, Result<()>> {
        let kinds: Vec<&str> = new.writes.iter().map(|write| write.kind.name()).collect();
        let what = kinds.join("+");
        self.clone().write(Call::PutWrites, what, move |memory| memory.put_writes(new)).boxed()
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<()>> {
        self.memory.delete_thread(thread)
    }
}
