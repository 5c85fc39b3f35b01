//! What a node answers: changes of the state, and where to go.

use std::fmt;
use std::sync::Arc;

use millstream_core::ToolCall;
use serde_json::Value;

use crate::state::{State, Update};

/// A node's answer.
pub struct Command<S: State> {
    pub(crate) updates: Vec<S::Update>,
    pub(crate) goto: Vec<Target<S>>,
    pub(crate) parent: bool,
    pub(crate) shown: Option<Value>,
}

/// Where to go next.
pub enum Target<S: State> {
    /// To a node, with the graph's state.
    Node(Arc<str>),
    /// To a node, with a state of its own.
    Send(Send<S>),
    /// To a node that runs tools, for one call, with the graph's state.
    Call {
        /// The node.
        node: Arc<str>,
        /// The call.
        call: ToolCall,
    },
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
        Self { updates: Vec::new(), goto: Vec::new(), parent: false, shown: None }
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

    /// Says what events show as the node's output, where that is not what the command says: for nodes that are defined by data.
    #[must_use]
    pub fn shown_as(mut self, output: Value) -> Self {
        self.shown = Some(output);
        self
    }

    /// Speaks to the graph around this one: the node there that this graph is.
    #[must_use]
    pub fn parent(mut self) -> Self {
        self.parent = true;
        self
    }
}

impl<S: State> Clone for Command<S> {
    fn clone(&self) -> Self {
        let Self { updates, goto, parent, shown } = self;
        Self { updates: updates.clone(), goto: goto.clone(), parent: *parent, shown: shown.clone() }
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
            Self::Call { node, call } => Self::Call { node: node.clone(), call: call.clone() },
        }
    }
}

impl<S: State> fmt::Debug for Target<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "{node:?}"),
            Self::Send(send) => write!(f, "a send to {:?}", send.node),
            Self::Call { node, call } => write!(f, "the call {:?} for {node:?}", call.id),
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
