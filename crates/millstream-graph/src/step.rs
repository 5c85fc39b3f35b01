//! A graph as a step of a chain.

use futures_util::{StreamExt, stream};
use millstream_core::{Chunks, Cx, Input, Json, Label, Runnable};

use crate::graph::Graph;
use crate::state::State;

/// A graph as a step of a chain: it takes an update of its state, and gives the state at its end. Made by [`Graph::step`].
#[derive(Clone)]
pub struct GraphStep<S: State>(Graph<S>);

impl<S: State> GraphStep<S> {
    pub(crate) fn new(graph: Graph<S>) -> Self {
        Self(graph)
    }
}

impl<S: State> Runnable for GraphStep<S> {
    type Input = Json<S::Update>;
    type Output = Json<S>;

    fn label(&self) -> Label {
        self.0.label().telling_itself()
    }

    fn transform(&self, input: Input<Json<S::Update>>, cx: Cx) -> Chunks<Json<S>> {
        let graph = self.0.clone();
        let end = async move {
            let Json(update) = input.unannounced().await?;
            Ok(Json(graph.execute(update, cx).await?))
        };
        stream::once(end).boxed()
    }
}
