//! Nodes: asynchronous functions of the state, or types that have one.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream_core::{Cx, Payload, Result, Retry};

use crate::answer::{Answer, ForParent};
use crate::command::{Command, IntoCommand};
use crate::shape::typed;
use crate::state::State;

/// Something that reads the state and answers with a change of it.
///
/// Any `async fn(Arc<S>, Cx) -> Result<Update>` is a node; a type that holds something (a model, a client) implements this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a node of a graph on `{S}`",
    note = "a node is an `async fn(Arc<{S}>, Cx) -> Result<...>`, or a type that implements `Node<{S}>`"
)]
pub trait Node<S: State>: Send + Sync + 'static {
    /// What the node does with `state`, executed as `cx`. The future is dropped when the run is stopped.
    fn run(&self, state: Arc<S>, cx: Cx) -> impl Future<Output = Result<Command<S>>> + Send;
}

impl<S, F, W, A> Node<S> for F
where
    S: State,
    F: Fn(Arc<S>, Cx) -> W + Send + Sync + 'static,
    W: Future<Output = Result<A>> + Send,
    A: IntoCommand<S>,
{
    async fn run(&self, state: Arc<S>, cx: Cx) -> Result<Command<S>> {
        self(state, cx).await.map(IntoCommand::into_command)
    }
}

type Run = dyn Fn(Payload, Cx) -> BoxFuture<'static, Result<Answer>> + Send + Sync;

/// A node whose type, and the type of whose state, nobody needs to know.
#[derive(Clone)]
pub(crate) struct AnyNode(Arc<Run>);

impl AnyNode {
    pub(crate) fn new<S: State>(node: impl Node<S>) -> Self {
        let node = Arc::new(node);
        Self(Arc::new(move |state, cx| {
            let node = node.clone();
            async move { node.run(typed::<S>(state)?, cx).await.map(Answer::from) }.boxed()
        }))
    }

    pub(crate) fn run(&self, state: Payload, cx: Cx) -> BoxFuture<'static, Result<Answer>> {
        (self.0)(state, cx)
    }
}

/// Runs a node again until it succeeds, fails for good, or has had its attempts.
pub(crate) async fn run_again<C, T, F: Future<Output = (C, Result<T>)>>(
    retry: &Retry,
    mut run: impl FnMut() -> F,
) -> (C, Result<T>) {
    let mut attempt = 1;
    loop {
        let (context, ended) = run().await;
        // A word to the graph around is no failure.
        let wait =
            ended.as_ref().err().filter(|error| !ForParent::is(error)).and_then(|error| retry.wait(attempt, error));
        let Some(wait) = wait else { return (context, ended) };
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}
