//! What happens in a run, as one closed set of events. Everything that anybody sees of a run is a view of these.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, PublicError};
use crate::message::{Message, ToolCall};
use crate::part::Chunk;
use crate::payload::Payload;
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
}

/// What happened. Serialised as `{"event": name, ...}`.
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
    },
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
        error: Option<TaskError>,
    },
    /// A tool begins.
    ToolStarted {
        /// What the model asked for.
        call: ToolCall,
    },
    /// A tool is over.
    ToolFinished {
        /// What it says to the model.
        result: Message,
    },
    /// A runnable begins.
    RunnableStarted {
        /// Its input, if it takes it whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Value>,
    },
    /// A runnable gave a piece of its output; models do so in `Message`.
    RunnableChunk {
        /// The piece.
        chunk: Value,
    },
    /// A runnable has given all its output.
    RunnableFinished {
        /// The output.
        output: Value,
    },
    /// The run is over: always the last event, always there.
    Finished(Box<Finished>),
}

/// One execution of one node in one superstep of a graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// Its id; also the last segment of the namespace of what runs inside.
    pub id: Uuid,
    /// The node.
    pub name: Arc<str>,
    /// The channels that can start the node.
    pub triggers: Arc<[String]>,
}

impl Task {
    /// A task with a new id.
    pub fn new(name: Arc<str>, triggers: Arc<[String]>) -> Self {
        Self { id: Uuid::new_v4(), name, triggers }
    }
}

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
pub struct Channels(u8);

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
    /// Everything.
    pub const ALL: Self = Self(127);

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
