//! What a node answers: changes of the state, and where to go.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;

use millstream_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::state::{State, Update};

/// A node's answer.
pub struct Command<S: State> {
    pub(crate) updates: Vec<S::Update>,
    pub(crate) goto: Vec<Target<S>>,
    pub(crate) parent: bool,
}

/// Where to go next.
pub enum Target<S: State> {
    /// To a node, with the graph's state.
    Node(Arc<str>),
    /// To a node, with a state of its own.
    Send(Send<S>),
}

/// A task of its own for a node: in the next step it runs once for each `Send`, with the state that it is sent.
pub struct Send<S: State> {
    pub(crate) node: Arc<str>,
    pub(crate) state: Arc<S>,
}

impl<S: State> Send<S> {
    /// Runs `node` with `state`.
    pub fn new(node: impl Into<Arc<str>>, state: S) -> Self {
        Self { node: node.into(), state: Arc::new(state) }
    }
}

impl<S: State> Command<S> {
    /// Changes nothing and goes nowhere but along the edges.
    pub fn none() -> Self {
        Self { updates: Vec::new(), goto: Vec::new(), parent: false }
    }

    /// Goes to `target`, besides along the edges.
    pub fn goto(target: impl Into<Target<S>>) -> Self {
        Self::none().and_goto(target)
    }

    /// Goes to `target` as well.
    #[must_use]
    pub fn and_goto(mut self, target: impl Into<Target<S>>) -> Self {
        self.goto.push(target.into());
        self
    }

    /// Changes the state.
    #[must_use]
    pub fn update(mut self, update: S::Update) -> Self {
        self.updates.push(update);
        self
    }

    /// Speaks to the graph around this one: the node there that this graph is.
    #[must_use]
    pub fn parent(mut self) -> Self {
        self.parent = true;
        self
    }
}

/// The answer of a node to the graph around its own, on its way there: an error for everything in between, so that a graph that is run
/// inside a node by a function passes it on with `?`.
pub(crate) struct ForParent<S: State>(pub(crate) Command<S>);

impl<S: State> ForParent<S> {
    pub(crate) fn into_error(self, node: &str) -> Error {
        let message =
            format!("the node {node:?} speaks to the graph around its own, and there is none on the same state");
        Error::new(ErrorKind::InvalidInput, message).with_name("ParentCommand").with_source(self)
    }

    /// The answer that `error` is, as one to this graph.
    pub(crate) fn from_error(error: Error) -> Result<Command<S>> {
        match error.source().and_then(|source| source.downcast_ref::<Self>()) {
            Some(Self(command)) => Ok(Command { parent: false, ..command.clone() }),
            None => Err(error),
        }
    }
}

impl<S: State> fmt::Debug for ForParent<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: State> fmt::Display for ForParent<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer to the graph around this one")
    }
}

impl<S: State> std::error::Error for ForParent<S> {}

impl<S: State> Clone for Command<S> {
    fn clone(&self) -> Self {
        Self { updates: self.updates.clone(), goto: self.goto.clone(), parent: self.parent }
    }
}

/// Anything that a node may answer with.
#[diagnostic::on_unimplemented(
    message = "a node cannot answer with `{Self}`",
    note = "answer with the update of the state, with a `Command`, with `()` for no change, or with an `Option` of an update"
)]
pub trait IntoCommand<S: State> {
    /// The answer as a command.
    fn into_command(self) -> Command<S>;
}

impl<S: State> IntoCommand<S> for Command<S> {
    fn into_command(self) -> Self {
        self
    }
}

impl<S: State> IntoCommand<S> for () {
    fn into_command(self) -> Command<S> {
        Command::none()
    }
}

impl<U: Update> IntoCommand<U::State> for U {
    fn into_command(self) -> Command<U::State> {
        Command::none().update(self)
    }
}

impl<U: Update> IntoCommand<U::State> for Option<U> {
    fn into_command(self) -> Command<U::State> {
        self.map_or_else(Command::none, IntoCommand::into_command)
    }
}

/// Several commands as one: all their changes, and everywhere they go.
impl<S: State, C: IntoCommand<S>> IntoCommand<S> for Vec<C> {
    fn into_command(self) -> Command<S> {
        let mut all = Command::none();
        for command in self.into_iter().map(IntoCommand::into_command) {
            all.updates.extend(command.updates);
            all.goto.extend(command.goto);
            all.parent |= command.parent;
        }
        all
    }
}

impl<S: State> Target<S> {
    /// A node's name, or a send as outputs of LangGraph are written.
    pub(crate) fn json(&self) -> Result<Value> {
        Ok(match self {
            Self::Node(node) => json!(**node),
            Self::Send(Send { node, state }) => {
                let state = serde_json::to_value(state).map_err(Error::failed)?;
                json!({ "$send": { "node": **node, "arg": state } })
            }
        })
    }
}

impl<S: State> From<&str> for Target<S> {
    fn from(node: &str) -> Self {
        Self::Node(node.into())
    }
}

impl<S: State> From<String> for Target<S> {
    fn from(node: String) -> Self {
        Self::Node(node.into())
    }
}

impl<S: State> From<Send<S>> for Target<S> {
    fn from(send: Send<S>) -> Self {
        Self::Send(send)
    }
}

impl<S: State> Clone for Target<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Node(node) => Self::Node(node.clone()),
            Self::Send(Send { node, state }) => Self::Send(Send { node: node.clone(), state: state.clone() }),
        }
    }
}

impl<S: State> fmt::Debug for Target<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "{node:?}"),
            Self::Send(send) => write!(f, "a send to {:?}", send.node),
        }
    }
}

impl<S: State> fmt::Debug for Command<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("goto", &self.goto)
            .field("updates", &self.updates.len())
            .finish_non_exhaustive()
    }
}
