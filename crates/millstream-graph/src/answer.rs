//! What a node answers, without the type of the state: what the engine goes by.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;

use millstream_core::{Error, ErrorKind, Payload, Result, ToolCall};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::command::{Command, Send, Target};
use crate::shape::Shape;
use crate::state::State;

/// A node's answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) updates: Vec<Payload>,
    pub(crate) goto: Vec<Goto>,
    pub(crate) parent: bool,
    /// What events show of it, if not itself.
    pub(crate) shown: Option<Value>,
    /// Whether it is what a graph inside the node said to the graph around it, so that the node itself has not returned.
    pub(crate) from_inside: bool,
}

/// Where to go next.
#[derive(Clone, Debug)]
pub(crate) enum Goto {
    Node(Arc<str>),
    Send(Arc<str>, Sent),
}

/// What a task is given that something was sent to.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    /// A state of its own.
    State(Payload),
    /// The graph's state, and a tool call.
    Call(ToolCall),
}

/// [`Sent`], as it is saved.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedSent {
    State(Value),
    Call(ToolCall),
}

impl Sent {
    pub(crate) fn save(&self, shape: &dyn Shape) -> Result<SavedSent> {
        Ok(match self {
            Self::State(state) => SavedSent::State(shape.save_json(state)?),
            Self::Call(call) => SavedSent::Call(call.clone()),
        })
    }

    pub(crate) fn load(saved: SavedSent, shape: &dyn Shape) -> Result<Self> {
        Ok(match saved {
            SavedSent::State(json) => Self::State(shape.read_state(json)?),
            SavedSent::Call(call) => Self::Call(call),
        })
    }
}

impl<S: State> From<Command<S>> for Answer {
    fn from(command: Command<S>) -> Self {
        command.answer
    }
}

impl<S: State> From<Target<S>> for Goto {
    fn from(target: Target<S>) -> Self {
        match target {
            Target::Node(node) => Self::Node(node),
            Target::Send(Send { node, state }) => Self::Send(node, Sent::State(Payload::shared(state))),
            Target::Call { node, call } => Self::Send(node, Sent::Call(call)),
        }
    }
}

impl Goto {
    /// A node's name, or a send as outputs of LangGraph are written.
    pub(crate) fn json(&self) -> Result<Value> {
        Ok(match self {
            Self::Node(node) => json!(**node),
            Self::Send(node, Sent::State(state)) => {
                let state = state.try_json().map_err(Error::failed)?;
                json!({ "$send": { "node": **node, "arg": state } })
            }
            Self::Send(node, Sent::Call(call)) => {
                json!({ "$send": { "node": **node, "arg": { "__type": "tool_call_with_context", "tool_call": call } } })
            }
        })
    }
}

/// The answer of a node to the graph around its own, on its way there: an error for everything in between, so that a graph that is run
/// inside a node by a function passes it on with `?`.
#[derive(Debug)]
pub(crate) struct ForParent(Answer);

impl ForParent {
    /// The error that carries the answer of `node`.
    pub(crate) fn error(answer: Answer, node: &str) -> Error {
        let message = format!("the node {node:?} speaks to the graph around its own, and there is none");
        Error::new(ErrorKind::InvalidInput, message).with_name("ParentCommand").with_source(Self(answer))
    }

    /// The answer that `error` is, as one to the graph of `shape`.
    pub(crate) fn answer(error: Error, shape: &dyn Shape) -> Result<Answer> {
        let Some(Self(answer)) = error.source().and_then(|source| source.downcast_ref()) else { return Err(error) };
        let update = |update: &Payload| match shape.is_update(update) {
            true => Ok(update.clone()),
            // The graph that speaks has another state.
            false => shape.read_update(update.try_json().map_err(Error::failed)?),
        };
        let goto = |goto: &Goto| match goto {
            Goto::Send(node, Sent::State(state)) if !shape.is_state(state) => {
                let state = shape.read_state(state.try_json().map_err(Error::failed)?)?;
                Ok(Goto::Send(node.clone(), Sent::State(state)))
            }
            other => Ok(other.clone()),
        };
        Ok(Answer {
            updates: answer.updates.iter().map(update).collect::<Result<_>>()?,
            goto: answer.goto.iter().map(goto).collect::<Result<_>>()?,
            parent: false,
            shown: None,
            from_inside: true,
        })
    }

    /// Whether `error` carries an answer.
    pub(crate) fn is(error: &Error) -> bool {
        error.source().is_some_and(|source| source.is::<Self>())
    }
}

impl fmt::Display for ForParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer to the graph around this one")
    }
}

impl std::error::Error for ForParent {}
