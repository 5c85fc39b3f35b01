//! Stream modes: what to watch of a graph.

use std::marker::PhantomData;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use millstream_core::{
    Body, Channels, CheckpointEvent, Chunk, Error, ErrorKind, Event, Events, Interrupt, Message, Payload, Result,
    Scope, ShownMessages, Streamed, Task, TaskError,
};
use serde_json::Value;

use crate::state::State;

/// What to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// The whole state, after the input and after each superstep that changed it.
    Values,
    /// What each node changed.
    Updates,
    /// Chunks of the messages that models say inside nodes, and whole messages that nodes return and no model said.
    Messages,
    /// What nodes write with `cx.write`.
    Custom,
    /// Start and end of each task.
    Tasks,
    /// Where the graph is, before each superstep and at the end; of graphs with a checkpointer.
    Checkpoints,
    /// Tasks and checkpoints, in their order.
    Debug,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 7] =
        [Self::Values, Self::Updates, Self::Messages, Self::Custom, Self::Tasks, Self::Checkpoints, Self::Debug];

    /// Its name in LangGraph: `values`, `updates`, `messages`, `custom`, `tasks`, `checkpoints` or `debug`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Updates => "updates",
            Self::Messages => "messages",
            Self::Custom => "custom",
            Self::Tasks => "tasks",
            Self::Checkpoints => "checkpoints",
            Self::Debug => "debug",
        }
    }

    /// What has to be watched of a run for this mode: see [`GraphRun::events_of`](crate::GraphRun::events_of).
    #[must_use]
    pub fn channels(self) -> Channels {
        match self {
            Self::Values => Channels::VALUES,
            Self::Updates => Channels::UPDATES,
            Self::Messages => Channels::MESSAGES,
            Self::Custom => Channels::CUSTOM,
            Self::Tasks => Channels::TASKS,
            Self::Checkpoints => Channels::CHECKPOINTS,
            Self::Debug => Channels::TASKS | Channels::CHECKPOINTS,
        }
    }
}

/// Reads a [name](Mode::name).
///
/// # Errors
/// [`ErrorKind::InvalidInput`] for any other text.
impl FromStr for Mode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::InvalidInput, format!("{name:?} is no stream mode: there are {names}"))
        })
    }
}

/// Something that was watched, and where it happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Item<S: State> {
    /// The graph has a new state.
    Values {
        /// The whole state.
        state: Arc<S>,
    },
    /// A node has returned.
    Updates {
        /// The node.
        node: Arc<str>,
        /// What it changes; none if nothing.
        updates: Vec<S::Update>,
        /// Whether it returned in an earlier run.
        cached: bool,
    },
    /// The graph waits for a person. In the modes values and updates.
    Interrupted {
        /// The questions; none at a breakpoint.
        interrupts: Vec<Interrupt>,
    },
    /// A model inside a node goes on, or a node returns a message: that is one chunk.
    Message {
        /// By how much.
        chunk: Chunk,
        /// Which model, inside which node.
        scope: Arc<Scope>,
    },
    /// A node says something.
    Custom {
        /// What.
        value: Value,
        /// Which node.
        scope: Arc<Scope>,
    },
    /// A task begins.
    TaskStarted {
        /// Which.
        task: Arc<Task>,
        /// What it is given: a state, or a tool call.
        input: Payload,
    },
    /// A task is over.
    TaskFinished {
        /// Which.
        task: Arc<Task>,
        /// What it changes.
        updates: Vec<S::Update>,
        /// Why it failed.
        error: Option<TaskError>,
        /// What it asked.
        interrupts: Vec<Interrupt>,
    },
    /// The graph is at a checkpoint.
    Checkpoint(Box<CheckpointEvent>),
    /// Something of a graph inside this one, whose state is of another type.
    Inside(Box<Event>),
}

/// What is watched of a run, in order. Drop it to stop the run.
#[must_use = "a run does nothing until it is polled"]
pub struct Items<S: State> {
    events: Events,
    modes: Vec<Mode>,
    subgraphs: bool,
    shown: ShownMessages,
    state: PhantomData<fn() -> S>,
}

impl<S: State> Items<S> {
    pub(crate) fn new(events: Events, modes: Vec<Mode>, subgraphs: bool) -> Self {
        Self { events, modes, subgraphs, shown: ShownMessages::default(), state: PhantomData }
    }

    pub(crate) fn include_subgraphs(&mut self) {
        self.subgraphs = true;
    }

    fn item(&mut self, event: Event) -> Option<Item<S>> {
        let modes: &[Mode] = match &event.body {
            Body::Values { .. } => &[Mode::Values],
            Body::Updates { .. } => &[Mode::Updates],
            Body::Interrupted { interrupts, .. } if interrupts.is_empty() => &[Mode::Updates],
            Body::Interrupted { .. } => &[Mode::Values, Mode::Updates],
            Body::Message { .. } | Body::MessageReturned { .. } => &[Mode::Messages],
            Body::Custom { .. } => &[Mode::Custom],
            Body::TaskStarted { .. } | Body::TaskFinished { .. } => &[Mode::Tasks, Mode::Debug],
            Body::Checkpoint(_) => &[Mode::Checkpoints, Mode::Debug],
            _ => return None,
        };
        if !modes.iter().any(|mode| self.modes.contains(mode)) {
            return None;
        }
        let inside = !event.scope.namespace.is_empty();
        if (inside && !self.subgraphs) || (modes.contains(&Mode::Messages) && !self.shown.shows(&event)) {
            return None;
        }
        if inside {
            return Some(Item::Inside(Box::new(event)));
        }
        let scope = event.scope;
        Some(match event.body {
            Body::Values { state } => Item::Values { state: state.into_shared()? },
            Body::Updates { node, updates, cached } => Item::Updates { node, updates: owned(updates)?, cached },
            Body::Interrupted { interrupts, .. } => Item::Interrupted { interrupts },
            Body::Message { chunk } => Item::Message { chunk, scope },
            Body::MessageReturned { message } => Item::Message { chunk: whole(&message)?, scope },
            Body::Custom { value } => Item::Custom { value, scope },
            Body::TaskStarted { task, input } => Item::TaskStarted { task, input },
            Body::TaskFinished { task, result, error, interrupts } => {
                Item::TaskFinished { task, updates: owned(result)?, error: error.map(|error| *error), interrupts }
            }
            Body::Checkpoint(checkpoint) => Item::Checkpoint(checkpoint),
            _ => return None,
        })
    }
}

/// A message that was not streamed, as one chunk.
fn whole(message: &Payload) -> Option<Chunk> {
    serde_json::from_value::<Message>(message.json()).ok()?.into_chunks().pop()
}

/// In process a payload is the value itself.
fn owned<T: Clone + std::marker::Send + Sync + 'static>(payloads: Vec<Payload>) -> Option<Vec<T>> {
    payloads.into_iter().map(|payload| payload.into_shared().map(Arc::unwrap_or_clone)).collect()
}

impl<S: State> Stream for Items<S> {
    type Item = Result<Item<S>>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let event = match std::task::ready!(Pin::new(&mut self.events).poll_next(task)) {
                Some(Ok(event)) => event,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            if let Some(item) = self.item(event) {
                return Poll::Ready(Some(Ok(item)));
            }
        }
    }
}
