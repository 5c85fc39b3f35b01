//! Checkpoints: what a graph saves after every superstep, and where.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use millstream_core::{Error, ErrorKind, Metadata, Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::channel::Dirty;

mod memory;

pub use memory::Memory;

/// Keeps the checkpoints of threads. [`Memory`] is one, and `millstream-store` has others.
///
/// A graph in a thread has a chain of checkpoints, each the parent of the next; a fork makes it a tree. A checkpoint is saved as what changed since its
/// parent (R37): an implementation shares everything else between the two. What is saved are JSON texts, which it need not understand.
///
/// Calls for a thread take effect in the order in which they are made: a caller may make the next before the last has completed. A future
/// that has completed with success has made its data as durable as the store makes anything.
pub trait Checkpointer: std::fmt::Debug + Send + Sync + 'static {
    /// The checkpoint `id` of a graph in a thread; the newest, which is the one with the greatest id, if `id` is not given.
    ///
    /// # Errors
    /// If the store cannot be read. A thread, a graph or a checkpoint that is not there is `None`.
    fn get<'a>(
        &'a self,
        thread: &'a str,
        namespace: &'a str,
        id: Option<Uuid>,
    ) -> BoxFuture<'a, Result<Option<Checkpoint>>>;

    /// The checkpoints of a graph in a thread, newest first: those older than `before`, and `limit` of them at most.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn list<'a>(
        &'a self,
        thread: &'a str,
        namespace: &'a str,
        before: Option<Uuid>,
        limit: Option<usize>,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>>>;

    /// Saves a checkpoint, and the last writes of the tasks of its parent, both or neither.
    ///
    /// # Errors
    /// If the store cannot be written, or the parent is not there.
    fn put(&self, checkpoint: NewCheckpoint) -> BoxFuture<'static, Result<()>>;

    /// Saves what tasks did that run after a checkpoint. A write replaces an earlier one of the same task and kind.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn put_writes(&self, writes: NewWrites) -> BoxFuture<'static, Result<()>>;

    /// Forgets a thread with everything in it. A thread that is not there is no error.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<()>>;
}

/// A checkpoint that is to be saved.
#[derive(Clone, Debug)]
pub struct NewCheckpoint {
    /// The thread.
    pub thread: Arc<str>,
    /// The graph in the thread: the tasks around it, outermost first, joined by `|`; empty for the outermost graph.
    pub namespace: Arc<str>,
    /// Its id, greater than those of all checkpoints that were made before.
    pub id: Uuid,
    /// The checkpoint that it follows, of which `changes` speaks.
    pub parent: Option<Uuid>,
    /// How it came about.
    pub metadata: CheckpointMetadata,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// What is different in the parent; the channels that are not named are the same.
    pub changes: Vec<(Arc<str>, Change)>,
    /// What runs next, as the engine writes it.
    pub next: Arc<str>,
    /// What the tasks of the parent did last.
    pub writes: Vec<TaskWrite>,
}

/// Writes of tasks that are to be saved.
#[derive(Clone, Debug)]
pub struct NewWrites {
    /// The thread.
    pub thread: Arc<str>,
    /// The graph in the thread.
    pub namespace: Arc<str>,
    /// The checkpoint after which the tasks run.
    pub checkpoint: Uuid,
    /// The writes.
    pub writes: Vec<TaskWrite>,
}

/// A checkpoint that was saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Its id.
    pub id: Uuid,
    /// The checkpoint that it follows.
    pub parent: Option<Uuid>,
    /// How it came about.
    pub metadata: CheckpointMetadata,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// The channels that have a value, by their names.
    pub values: Vec<(Arc<str>, Stored)>,
    /// What runs next, as the engine wrote it.
    pub next: Arc<str>,
    /// What tasks did after it, in the order in which each was first saved.
    pub writes: Vec<TaskWrite>,
}

/// How a checkpoint came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointMetadata {
    /// What made it.
    pub source: CheckpointSource,
    /// The superstep after which it was made; -1 for the first input of a thread.
    pub step: i64,
    /// The checkpoints of the graphs around, by their namespaces.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parents: BTreeMap<String, Uuid>,
    /// The metadata of the run that made it, as far as it is texts, numbers and booleans.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub run: Metadata,
}

/// What makes a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointSource {
    /// An input, which the graph is to begin with.
    Input,
    /// A superstep.
    Loop,
    /// [`Graph::update`](crate::Graph::update).
    Update,
    /// A run that goes on from a checkpoint that is not the newest.
    Fork,
}

impl CheckpointSource {
    /// Its name, as LangGraph writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Loop => "loop",
            Self::Update => "update",
            Self::Fork => "fork",
        }
    }
}

/// How a channel differs from what it was at the parent. Values are JSON texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It has another value.
    Whole(Arc<str>),
    /// It is a list: the first `keep` elements of what it was, and then these.
    List {
        /// How many elements are as they were.
        keep: usize,
        /// The elements behind them, a text for each.
        elements: Vec<Arc<str>>,
    },
    /// It has no value any more.
    Gone,
}

impl Change {
    /// Another value.
    pub(crate) fn whole(value: &impl Serialize) -> Result<Self> {
        json(value).map(Self::Whole)
    }

    /// A list of which `dirty` says what happened to it.
    pub(crate) fn list<T: Serialize>(list: &[T], dirty: Dirty) -> Result<Self> {
        let keep = match dirty {
            Dirty::Grown(keep) => keep.min(list.len()),
            _ => 0,
        };
        let elements = list[keep..].iter().map(json).collect::<Result<_>>()?;
        Ok(Self::List { keep, elements })
    }
}

/// The value of a channel, as it was saved. Values are JSON texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// The value.
    Whole(Arc<str>),
    /// The elements of a list.
    List(Vec<Arc<str>>),
}

impl Stored {
    /// Writes the value as JSON behind `text`.
    pub(crate) fn write_json(&self, text: &mut String) {
        match self {
            Self::Whole(value) => text.push_str(value),
            Self::List(elements) => {
                text.push('[');
                for (number, element) in elements.iter().enumerate() {
                    if number > 0 {
                        text.push(',');
                    }
                    text.push_str(element);
                }
                text.push(']');
            }
        }
    }
}

/// What a task did after a checkpoint, before the next one was made.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskWrite {
    /// The task; nil for what came from outside, with the run.
    pub task: Uuid,
    /// What kind of thing it did: there is one write of each kind for a task.
    pub kind: WriteKind,
    /// What it did, as the engine writes it: a JSON text.
    pub value: Arc<str>,
}

/// Kinds of [`TaskWrite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteKind {
    /// It returned this.
    Output,
    /// It waits for answers to these.
    Interrupt,
    /// It was given these answers.
    Resume,
    /// It failed.
    Error,
}

impl WriteKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Output, Self::Interrupt, Self::Resume, Self::Error];

    /// Its name: what a store calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Interrupt => "interrupt",
            Self::Resume => "resume",
            Self::Error => "error",
        }
    }
}

/// When a run waits for its checkpoints to be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Before the next superstep begins.
    Sync,
    /// While the next supersteps run, up to 16 saves behind; a crash may lose those steps.
    #[default]
    Async,
    /// At the end of the run, which saves its last checkpoint only.
    Exit,
}

/// A value as the JSON text that is saved.
pub(crate) fn json(value: &impl Serialize) -> Result<Arc<str>> {
    serde_json::to_string(value).map(Arc::from).map_err(|error| {
        let message = format!("the state cannot be saved, since something in it cannot be JSON: {error}");
        Error::new(ErrorKind::InvalidInput, message).with_source(error)
    })
}
