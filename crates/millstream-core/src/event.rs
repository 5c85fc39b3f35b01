//! What happens in a run, as one closed set of events. Everything that anybody sees of a run is a view of these.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, PublicError};
use crate::message::{Message, ToolCall};
use crate::part::Chunk;
use crate::payload::Payload;
use crate::piece::Piece;
use crate::usage::Usage;

/// Something that happened, and in which part of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Which runnable of the run said it. Shared by all events of that runnable.
    pub scope: Arc<Scope>,
    /// What happened.
    pub body: Body,
}

impl Event {
    /// Something that happened in `scope`.
    pub fn new(scope: Arc<Scope>, body: Body) -> Self {
        Self { scope, body }
    }
}

/// One execution of one runnable: who speaks in an event (R19 of the requirements).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scope {
    /// This execution.
    pub run_id: Uuid,
    /// The executions around it, outermost first; empty for the run itself.
    pub parent_ids: Arc<[Uuid]>,
    /// What kind of runnable it is.
    pub kind: Kind,
    /// Its name.
    pub name: Arc<str>,
    /// Labels to filter by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What else is known of it, for example the model's name.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// The graphs around it, outermost first; empty outside subgraphs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespace: Vec<String>,
    /// The graph's node that it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Arc<str>>,
    /// The task of that node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Uuid>,
    /// Whether its output is waited for, rather than read piece by piece: then nobody is told of pieces, but of those of models.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invoked: bool,
}

impl Scope {
    /// The tags that what runs inside has too: not those that say where in a sequence, a map or a graph this execution is.
    pub fn inherited_tags(&self) -> impl Iterator<Item = &String> {
        self.tags.iter().filter(|tag| !is_place(tag))
    }
}

/// Whether a tag says where in what is around it an execution is.
fn is_place(tag: &str) -> bool {
    let Some((kind, place)) = tag.rsplit_once(':') else { return false };
    match kind {
        "seq:step" | "graph:step" | "condition" | "retry:attempt" => is_number(place),
        "branch" => place == "default" || is_number(place),
        _ => tag.starts_with("map:key:"),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Named JSON values that travel with a runnable.
pub type Metadata = serde_json::Map<String, Value>;

/// What a runnable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A sequence, or anything without a kind of its own.
    Chain,
    /// A prompt.
    Prompt,
    /// A chat model.
    ChatModel,
    /// An output parser.
    Parser,
    /// A tool.
    Tool,
    /// Finds documents.
    Retriever,
}

impl Kind {
    /// Its name, as filters and events v2 write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Prompt => "prompt",
            Self::ChatModel => "chat_model",
            Self::Parser => "parser",
            Self::Tool => "tool",
            Self::Retriever => "retriever",
        }
    }
}

/// What happened. Serialised as `{"event": name, ...}`.
///
/// What is large and rare is boxed: an event is moved several times on its way, and nearly all events are pieces of messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Body {
    /// The run begins: always the first event.
    Started,
    /// A model's message goes on.
    Message {
        /// By how much.
        chunk: Chunk,
    },
    /// An answer begins again: what was told of it so far is void (R06). Told where that is asked for, by
    /// [`Fallbacks::restarting`](crate::Fallbacks::restarting) and [`Retried::restarting`](crate::Retried::restarting).
    Restarted {
        /// The execution whose answer, as far as it had come, is void.
        superseded: Uuid,
        /// Which attempt begins, counted from 1.
        attempt: u32,
    },
    /// A graph's node has returned a message that was not in its input. Whoever shows messages shows it if no model has told it before.
    MessageReturned {
        /// The message.
        message: Payload,
    },
    /// User code says something, by [`Cx::write`](crate::Cx::write).
    Custom {
        /// What.
        value: Value,
    },
    /// User code says something under a name, by [`Cx::dispatch`](crate::Cx::dispatch).
    Dispatched {
        /// The name.
        name: String,
        /// What.
        data: Value,
    },
    /// A graph has a new state: after its input, and after each superstep that changed it.
    Values {
        /// The whole state.
        state: Payload,
    },
    /// A node has returned.
    Updates {
        /// The node.
        node: Arc<str>,
        /// What it changes; none if nothing.
        updates: Vec<Payload>,
        /// Whether it returned in an earlier run, and what it gave then is taken over.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cached: bool,
    },
    /// A graph waits for a person: a task asked something, or the graph has come to a breakpoint.
    Interrupted {
        /// What was asked; nothing at a breakpoint.
        interrupts: Vec<Interrupt>,
        /// The state as it was at the beginning of the step.
        state: Payload,
    },
    /// A graph with a checkpointer is about to run a superstep, or has come to its end: where it is.
    Checkpoint(Box<CheckpointEvent>),
    /// A task of a superstep begins.
    TaskStarted {
        /// Which.
        task: Arc<Task>,
        /// The state that it is given.
        input: Payload,
    },
    /// A task of a superstep is over.
    TaskFinished {
        /// Which.
        task: Arc<Task>,
        /// What it changes.
        result: Vec<Payload>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Box<TaskError>>,
        /// What it asked and has no answer to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        interrupts: Vec<Interrupt>,
    },
    /// A tool begins.
    ToolStarted {
        /// What the model asked for.
        call: Box<ToolCall>,
    },
    /// A tool is over.
    ToolFinished {
        /// What it says to the model.
        result: Box<Message>,
    },
    /// A runnable begins.
    RunnableStarted {
        /// Its input, if it takes it whole.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "told")]
        input: Option<Payload>,
    },
    /// A runnable gave a piece of its output; models do so in `Message`.
    RunnableChunk {
        /// The piece.
        chunk: Piece,
    },
    /// A runnable has given all its output.
    RunnableFinished {
        /// Its input, if it was not told when it began.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "told")]
        input: Option<Payload>,
        /// The output.
        output: Payload,
    },
    /// A runnable has failed. Told of tools, whose failure need not be that of what is around them.
    RunnableFailed {
        /// Its input.
        input: Payload,
        /// Why.
        error: Box<TaskError>,
    },
    /// The run is over: always the last event, always there.
    Finished(Box<Finished>),
}

/// A value that is there, null included.
fn told<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Payload>, D::Error> {
    Payload::deserialize(deserializer).map(Some)
}

/// One execution of one node in one superstep of a graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id; also the last segment of the namespace of what runs inside. The same in every run that goes on from the same checkpoint.
    pub id: Uuid,
    /// The node.
    pub name: Arc<str>,
    /// The channels that can start the node.
    pub triggers: Arc<[String]>,
    /// The superstep.
    pub step: i64,
    /// The metadata of the node.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

/// Where a graph with a checkpointer is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointEvent {
    /// The checkpoint.
    pub at: CheckpointPlace,
    /// The one before it.
    pub parent: Option<CheckpointPlace>,
    /// What made it: `input`, `loop`, `update` or `fork`.
    pub source: String,
    /// The superstep after which it was made; -1 for the input.
    pub step: i64,
    /// The checkpoints of the graphs around this one, by their namespaces.
    pub parents: BTreeMap<String, Uuid>,
    /// The state.
    pub state: Payload,
    /// What runs next.
    pub tasks: Vec<CheckpointTask>,
}

/// The address of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointPlace {
    /// The thread.
    pub thread: Arc<str>,
    /// The graph in the thread: the tasks around it, outermost first, joined by `|`; empty for the outermost graph.
    pub namespace: Arc<str>,
    /// The checkpoint.
    pub id: Uuid,
}

/// A task that is to run after a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointTask {
    /// Its id.
    pub id: Uuid,
    /// The node.
    pub name: Arc<str>,
    /// Why it failed the last time.
    pub error: Option<TaskError>,
    /// What it has asked.
    pub interrupts: Vec<Interrupt>,
    /// What it changes, if it has already run.
    pub result: Option<Vec<Payload>>,
    /// The namespace of the graph that the node is, if it is one.
    pub graph: Option<Arc<str>>,
}

/// A question to a person, for whose answer a graph waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interrupt {
    /// Its id, 32 hexadecimal digits: what an answer names.
    pub id: Arc<str>,
    /// What is asked.
    pub value: Value,
}

impl Interrupt {
    /// What the run waits for that ended with `error`; nothing if it failed for another reason, or has come to a breakpoint.
    pub fn of(error: &Error) -> &[Self] {
        let asked = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Asked>());
        asked.map(|Asked(interrupts)| interrupts.as_slice()).unwrap_or_default()
    }

    /// The error with which an execution ends that waits for answers to these.
    pub fn error(interrupts: Vec<Self>) -> Error {
        let message = match interrupts.as_slice() {
            [] => "the graph has come to a breakpoint".to_owned(),
            [one] => format!("the graph waits for an answer to {}", one.value),
            many => format!("the graph waits for {} answers", many.len()),
        };
        Error::new(ErrorKind::Interrupted, message).with_source(Asked(interrupts))
    }
}

/// The cause of an error that is an interrupt.
#[derive(Debug, thiserror::Error)]
#[error("{} questions have no answer yet", .0.len())]
struct Asked(Vec<Interrupt>);

/// Why a task failed, in full: for whoever runs the graph, not for its clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskError {
    /// The stable code of the error.
    pub code: String,
    /// The name of the error, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What went wrong.
    pub message: String,
}

impl From<&Error> for TaskError {
    fn from(error: &Error) -> Self {
        let name = error.name().map(str::to_owned);
        Self { code: error.code().to_owned(), name, message: error.to_string() }
    }
}

/// The last event of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finished {
    /// How the run ended.
    pub outcome: Outcome,
    /// Why it did not complete, as far as a client may know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<PublicError>,
    /// What all its model calls cost together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

impl Finished {
    /// A run that ended with `error`, or completed without one.
    pub fn new(error: Option<&Error>, usage: Option<Usage>) -> Self {
        let outcome = error.map_or(Outcome::Completed, Outcome::of);
        Self { outcome, error: error.map(Error::public), usage }
    }
}

/// How a run ends: the closed set of R04.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did everything it had to do.
    Completed,
    /// Something went wrong.
    Failed,
    /// It was stopped.
    Cancelled,
    /// It waits for a person.
    Interrupted,
    /// The model's stream ended without evidence that the answer was complete.
    Truncated,
}

impl Outcome {
    /// The outcome of a run that ended with `error`.
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Interrupted => Self::Interrupted,
            ErrorKind::Truncated => Self::Truncated,
            _ => Self::Failed,
        }
    }
}

/// Which events somebody may read. What nobody may read is not made.
///
/// ```
/// use millstream_core::Channels;
///
/// let some = Channels::MESSAGES | Channels::CUSTOM;
/// assert!(some.contains(Channels::CUSTOM) && !some.contains(Channels::RUNNABLES));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channels(u16);

impl Channels {
    /// Only the start and the end of the run.
    pub const NONE: Self = Self(0);
    /// Messages of models, chunk by chunk.
    pub const MESSAGES: Self = Self(1);
    /// What user code writes.
    pub const CUSTOM: Self = Self(2);
    /// Start, pieces and end of every runnable.
    pub const RUNNABLES: Self = Self(4);
    /// States of graphs.
    pub const VALUES: Self = Self(8);
    /// What nodes change.
    pub const UPDATES: Self = Self(16);
    /// Start and end of each task of a superstep.
    pub const TASKS: Self = Self(32);
    /// Tools that run: what they were asked, what they say.
    pub const TOOLS: Self = Self(64);
    /// Where graphs are.
    pub const CHECKPOINTS: Self = Self(128);
    /// Everything.
    pub const ALL: Self = Self(255);

    /// Whether all of `other` is in `self`.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Channels {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
