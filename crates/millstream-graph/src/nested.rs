//! A graph as a node of another.

use std::sync::Arc;

use millstream_core::{Cx, Result};

use crate::command::Command;
use crate::graph::{Graph, Keeping};
use crate::node::Node;
use crate::plan::Plan;
use crate::state::State;

/// A graph inside another, as far as somebody who looks at the outer one's checkpoints has to know it.
#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) plan: Arc<Plan>,
    pub(crate) keeping: Keeping,
}

impl Inner {
    /// Whether it keeps any state.
    pub(crate) fn keeps_state(&self) -> bool {
        !matches!(self.keeping, Keeping::Nowhere)
    }
}

/// A graph as a node: what its input is, and what its end is to the graph around it.
pub(crate) struct Nested<T: State, I, B> {
    pub(crate) graph: Graph<T>,
    pub(crate) into: I,
    pub(crate) back: B,
}

impl<S, T, I, B> Node<S> for Nested<T, I, B>
where
    S: State,
    T: State,
    I: Fn(&S) -> T::Update + Send + Sync + 'static,
    B: Fn(T) -> S::Update + Send + Sync + 'static,
{
    async fn run(&self, state: Arc<S>, cx: Cx) -> Result<Command<S>> {
        let input = (self.into)(&state);
        drop(state);
        let end = self.graph.invoke_update(input, &cx).await?;
        Ok(Command::none().update((self.back)(end)))
    }
}
