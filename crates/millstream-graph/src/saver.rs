//! Saves the checkpoints of one execution of a graph, one after the other, while the graph goes on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream_core::{Error, Result};
use uuid::Uuid;

use crate::checkpoint::{
    Change, Checkpoint, CheckpointMetadata, Checkpointer, Durability, NewCheckpoint, NewWrites, TaskWrite,
};

/// How many saves may wait: a graph that is faster than its store is slowed down.
const WAITING: usize = 16;

/// Where the checkpoints of a graph go.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) checkpointer: Arc<dyn Checkpointer>,
    pub(crate) thread: Arc<str>,
    pub(crate) namespace: Arc<str>,
}

impl Place {
    pub(crate) async fn get(&self, id: Option<Uuid>) -> Result<Option<Checkpoint>> {
        self.checkpointer.get(&self.thread, &self.namespace, id).await
    }

    /// The newest checkpoint that is older than `before`.
    pub(crate) async fn newest_before(&self, before: Uuid) -> Result<Option<Checkpoint>> {
        let mut found = self.checkpointer.list(&self.thread, &self.namespace, Some(before), Some(1)).await?;
        Ok(found.pop())
    }
}

/// Saves, in order.
pub(crate) struct Saver {
    pub(crate) place: Place,
    pub(crate) durability: Durability,
    queue: VecDeque<BoxFuture<'static, Result<()>>>,
    /// The checkpoint that was saved last, or will be.
    pub(crate) saved: Option<Uuid>,
    /// The newest checkpoint that is known of.
    newest: Option<Uuid>,
    /// What tasks did after it that is not on its way yet.
    held: Vec<TaskWrite>,
    /// Whether a save has failed: what would follow it builds on it, and is not saved either.
    pub(crate) has_failed: bool,
}

impl Saver {
    pub(crate) fn new(place: Place, durability: Durability, saved: Option<Uuid>) -> Self {
        Self { place, durability, queue: VecDeque::new(), saved, newest: saved, held: Vec::new(), has_failed: false }
    }

    /// Takes note of a checkpoint that is there.
    pub(crate) fn know(&mut self, checkpoint: Uuid) {
        self.newest = self.newest.max(Some(checkpoint));
    }

    /// An id for a checkpoint that is made now, greater than those of all that are known of, whatever the clock says.
    pub(crate) fn next_id(&mut self) -> Uuid {
        let id = Uuid::now_v7();
        let id = match self.newest {
            Some(newest) if id <= newest => Uuid::from_u128(newest.as_u128() + 1),
            _ => id,
        };
        self.know(id);
        id
    }

    /// Saves a checkpoint, with what is held, behind everything that is on its way.
    pub(crate) async fn put(
        &mut self,
        id: Uuid,
        metadata: CheckpointMetadata,
        changes: Vec<(Arc<str>, Change)>,
        next: Arc<str>,
    ) -> Result<()> {
        let Place { checkpointer, thread, namespace } = &self.place;
        self.queue.push_back(checkpointer.put(NewCheckpoint {
            thread: thread.clone(),
            namespace: namespace.clone(),
            id,
            parent: self.saved,
            metadata,
            created_at: now(),
            changes,
            next,
            writes: std::mem::take(&mut self.held),
        }));
        self.saved = Some(id);
        match self.durability {
            Durability::Sync => self.settle().await,
            _ => self.settle_to(WAITING).await,
        }
    }

    /// Keeps what a task did until the next checkpoint is saved, or until [`flush`](Self::flush).
    pub(crate) fn hold(&mut self, write: TaskWrite) {
        self.held.push(write);
    }

    /// Gives back what is held.
    pub(crate) fn take_held(&mut self) -> Vec<TaskWrite> {
        std::mem::take(&mut self.held)
    }

    /// Saves what is held.
    pub(crate) fn flush(&mut self) {
        let (Some(checkpoint), false) = (self.saved, self.held.is_empty()) else { return };
        let Place { checkpointer, thread, namespace } = &self.place;
        let (thread, namespace, writes) = (thread.clone(), namespace.clone(), std::mem::take(&mut self.held));
        self.queue.push_back(checkpointer.put_writes(NewWrites { thread, namespace, checkpoint, writes }));
    }

    /// Saves what is held, unless that is left for the end, and goes on with what is on its way; ready when a save has failed.
    pub(crate) fn flush_and_poll(&mut self, task: &mut Context<'_>) -> Poll<millstream_core::Error> {
        if self.durability != Durability::Exit {
            self.flush();
        }
        self.poll(task)
    }

    /// Comes back when everything is saved.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        self.settle_to(0).await
    }

    async fn settle_to(&mut self, waiting: usize) -> Result<()> {
        while self.queue.len() > waiting {
            if let Some(first) = self.queue.front_mut() {
                let done = first.await;
                self.queue.pop_front();
                done.map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    fn failed(&mut self, error: Error) -> Error {
        self.queue.clear();
        self.has_failed = true;
        error
    }

    /// Goes on with what is on its way; ready when a save has failed.
    pub(crate) fn poll(&mut self, task: &mut Context<'_>) -> Poll<Error> {
        while let Some(first) = self.queue.front_mut() {
            match first.poll_unpin(task) {
                Poll::Ready(Ok(())) => drop(self.queue.pop_front()),
                Poll::Ready(Err(error)) => return Poll::Ready(self.failed(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
