//! What a node answers: changes of the state, and where to go.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use millstream_core::{Payload, ToolCall};
use serde_json::Value;

use crate::answer::{Answer, Goto};
use crate::state::{State, Update};

/// A node's answer.
pub struct Command<S: State> {
    pub(crate) answer: Answer,
    state: PhantomData<fn() -> S>,
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
        Self::untyped(Answer::default())
    }

    /// An answer as it is: to a graph around this one, whose state may be another.
    pub(crate) fn untyped(answer: Answer) -> Self {
        Self { answer, state: PhantomData }
    }

    /// Goes to `target`, besides along the edges.
    pub fn goto(target: impl Into<Target<S>>) -> Self {
        Self::none().and_goto(target)
    }

    /// Goes to `target` as well.
    #[must_use]
    pub fn and_goto(mut self, target: impl Into<Target<S>>) -> Self {
        self.answer.goto.push(Goto::from(target.into()));
        self
    }

    /// Changes the state.
    #[must_use]
    pub fn update(mut self, update: S::Update) -> Self {
        self.answer.updates.push(Payload::new(update));
        self
    }

    /// Says what events show as the node's output, where that is not what the command says: for nodes that are defined by data.
    #[must_use]
    pub fn shown_as(mut self, output: Value) -> Self {
        self.answer.shown = Some(output);
        self
    }

    /// Speaks to the graph around this one: the node there that this graph is.
    #[must_use]
    pub fn parent(mut self) -> Self {
        self.answer.parent = true;
        self
    }
}

impl<S: State> Clone for Command<S> {
    fn clone(&self) -> Self {
        Self::untyped(self.answer.clone())
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
        let mut all = Answer::default();
        for Command { answer, .. } in self.into_iter().map(IntoCommand::into_command) {
            all.updates.extend(answer.updates);
            all.goto.extend(answer.goto);
            all.parent |= answer.parent;
        }
        Command::untyped(all)
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
        let Answer { updates, goto, parent, .. } = &self.answer;
        let mut shown = f.debug_struct("Command");
        shown.field("goto", goto).field("updates", &updates.len()).field("parent", parent).finish()
    }
}
