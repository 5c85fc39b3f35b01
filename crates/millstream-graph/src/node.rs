//! Nodes: asynchronous functions of the state, or types that have one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream_core::{Cx, Error, ErrorKind, Payload, Result};

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

/// How often a node that fails is run again, and after how long.
#[derive(Clone)]
pub struct Retry {
    /// How often it runs at most, the first time included; 3 unless set.
    pub attempts: u32,
    /// How long to wait before the second time; half a second unless set.
    pub initial: Duration,
    /// By how much each wait is longer than the one before; 2 unless set.
    pub factor: f64,
    /// How long to wait at most; 128 seconds unless set.
    pub longest: Duration,
    /// Which failures are worth another time; the retryable ones unless set.
    pub when: Arc<dyn Fn(&Error) -> bool + Send + Sync>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            initial: Duration::from_millis(500),
            factor: 2.0,
            longest: Duration::from_secs(128),
            when: Arc::new(Error::is_retryable),
        }
    }
}

impl Retry {
    /// Runs the node again until it succeeds, fails for good, or has had its attempts.
    pub(crate) async fn run<C, T, F: Future<Output = (C, Result<T>)>>(
        &self,
        mut attempt: impl FnMut() -> F,
    ) -> (C, Result<T>) {
        let mut wait = self.initial;
        for _ in 1..self.attempts {
            match attempt().await {
                // A question to a person, or a word to the graph around, is no failure.
                (_, Err(error))
                    if error.kind() != ErrorKind::Interrupted && !ForParent::is(&error) && (self.when)(&error) => {}
                ended => return ended,
            }
            tokio::time::sleep(wait).await;
            wait = wait.mul_f64(self.factor).min(self.longest);
        }
        attempt().await
    }
}
