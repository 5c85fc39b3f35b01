//! What the tests of stores share: short ways to make checkpoints, and a place for files.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use millstream_core::Result;
use millstream_graph::{
    Change, Checkpoint, CheckpointMetadata, CheckpointSource, Checkpointer, NewCheckpoint, NewWrites, Stored,
    TaskWrite, WriteKind,
};
use uuid::Uuid;

/// Runs a test of a store.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(test)
}

/// The id with a number: ids are ordered as their numbers are.
pub(crate) fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(number, 7)
}

/// The task with a number.
pub(crate) fn task(number: u64) -> Uuid {
    Uuid::from_u64_pair(0, number)
}

/// A checkpoint of the thread "thread".
pub(crate) fn new(number: u64, parent: Option<u64>, changes: Vec<(&str, Change)>) -> NewCheckpoint {
    NewCheckpoint {
        thread: "thread".into(),
        namespace: "".into(),
        id: id(number),
        parent: parent.map(id),
        metadata: CheckpointMetadata {
            source: CheckpointSource::Loop,
            step: number as i64 - 1,
            parents: Default::default(),
            run: Default::default(),
        },
        created_at: 1_800_000_000_000 + number as i64,
        changes: changes.into_iter().map(|(name, change)| (name.into(), change)).collect(),
        next: format!("next {number}").into(),
        writes: Vec::new(),
    }
}

/// Another value.
pub(crate) fn whole(json: &str) -> Change {
    Change::Whole(json.into())
}

/// Another end of a list.
pub(crate) fn list(keep: usize, elements: &[&str]) -> Change {
    Change::List { keep, elements: texts(elements) }
}

/// What a task did.
pub(crate) fn write(number: u64, kind: WriteKind, value: &str) -> TaskWrite {
    TaskWrite { task: task(number), kind, value: value.into() }
}

/// Writes after a checkpoint of the thread "thread".
pub(crate) fn writes(checkpoint: u64, writes: Vec<TaskWrite>) -> NewWrites {
    NewWrites { thread: "thread".into(), namespace: "".into(), checkpoint: id(checkpoint), writes }
}

/// What a list is that was saved.
pub(crate) fn stored(elements: &[&str]) -> Stored {
    Stored::List(texts(elements))
}

/// A checkpoint of the thread "thread" that must be there.
pub(crate) async fn get(store: &dyn Checkpointer, number: u64) -> Result<Checkpoint> {
    Ok(store.get("thread", "", Some(id(number))).await?.expect("the checkpoint is there"))
}

/// The value of a channel.
pub(crate) fn value<'a>(checkpoint: &'a Checkpoint, channel: &str) -> Option<&'a Stored> {
    checkpoint.values.iter().find(|(name, _)| &**name == channel).map(|(_, value)| value)
}

fn texts(elements: &[&str]) -> Vec<Arc<str>> {
    elements.iter().map(|element| (*element).into()).collect()
}

/// A directory that is deleted in the end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
