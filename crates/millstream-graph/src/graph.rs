//! A graph that is ready: run it, and watch it in whatever way.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt, future, stream};
use millstream_core::{Channels, Chunk, Cx, Error, Events, Kind, Label, Result, Run, Scope, Streamed, WholeFold};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::engine::Engine;
use crate::mode::{Item, Items, Mode};
use crate::plan::Plan;
use crate::state::State;

/// How many supersteps a run may have unless it says otherwise.
const STEPS: u64 = 10_000;

/// A compiled graph. Cloning is cheap.
pub struct Graph<S: State> {
    pub(crate) plan: Arc<Plan<S>>,
}

impl<S: State> Graph<S> {
    pub(crate) fn new(plan: Plan<S>) -> Self {
        Self { plan: Arc::new(plan) }
    }

    /// Describes a run that begins with `state`: nothing starts until it is awaited or watched.
    pub fn run(&self, state: S) -> GraphRun<S> {
        self.run_with(state, Vec::new())
    }

    /// Describes a run that begins with `state`, to which `input` is applied as if a node had written it.
    pub fn run_with(&self, state: S, input: Vec<S::Update>) -> GraphRun<S> {
        let limit = STEPS;
        let (plan, state, label) = (self.plan.clone(), Arc::new(state), self.label());
        GraphRun { plan, state, input, label, limit, at_once: usize::MAX, id: Uuid::new_v4(), cancel: None }
    }

    /// Runs the graph inside a node of another: its events have a namespace one segment deeper.
    ///
    /// # Errors
    /// What the graph fails with. A [`Command`](crate::Command) that one of its nodes has for the parent is an error too, for the node around
    /// it to pass on with `?`: it becomes that node's answer.
    pub async fn invoke(&self, state: S, cx: &Cx) -> Result<S> {
        self.invoke_with(state, Vec::new(), cx).await
    }

    /// [`invoke`](Self::invoke), with `input` applied to `state` as if a node had written it.
    ///
    /// # Errors
    /// As [`invoke`](Self::invoke).
    pub async fn invoke_with(&self, state: S, input: Vec<S::Update>, cx: &Cx) -> Result<S> {
        let engine = Engine::new(self.plan.clone(), cx.graph(self.label()), Arc::new(state), STEPS);
        engine.run(input).await.map(Arc::unwrap_or_clone)
    }

    fn label(&self) -> Label {
        Label::new(Kind::Chain, self.plan.name.clone())
    }
}

impl<S: State> Clone for Graph<S> {
    fn clone(&self) -> Self {
        Self { plan: self.plan.clone() }
    }
}

impl<S: State> fmt::Debug for Graph<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.plan.nodes.iter().map(|node| &node.name).collect();
        f.debug_struct("Graph").field("name", &self.plan.name).field("nodes", &nodes).finish()
    }
}

/// The state at the end of a run.
#[derive(Clone, Serialize)]
#[serde(bound = "", transparent)]
struct Ended<S: State>(Arc<S>);

impl<S: State> Streamed for Ended<S> {
    type Chunk = Self;
    type Fold = WholeFold<Self>;

    fn into_chunks(self) -> Vec<Self> {
        vec![self]
    }
}

/// A run that has been described and not yet started: await it for the last state, or watch it.
#[must_use = "a run does nothing until it is awaited or watched"]
pub struct GraphRun<S: State> {
    plan: Arc<Plan<S>>,
    state: Arc<S>,
    input: Vec<S::Update>,
    label: Label,
    limit: u64,
    at_once: usize,
    id: Uuid,
    cancel: Option<CancellationToken>,
}

impl<S: State> GraphRun<S> {
    /// Another name than the graph's, for this run.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.label.name = name.into();
        self
    }

    /// A tag more, for this run and what runs inside.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.label.tags.push(tag.into());
        self
    }

    /// A metadata value more, for this run and what runs inside.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.label.metadata.insert(key.into(), value.into());
        self
    }

    /// Before how many supersteps the run has to end, as LangGraph's `recursion_limit`: when so many have run it fails, even if nothing is left.
    pub fn limit(mut self, steps: u64) -> Self {
        self.limit = steps;
        self
    }

    /// How many nodes of this graph may run at the same time; all that are ready unless set.
    pub fn max_concurrency(mut self, nodes: usize) -> Self {
        self.at_once = nodes;
        self
    }

    /// The run's id; random unless set.
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = id;
        self
    }

    /// Stops the run when `token` is cancelled.
    pub fn cancel_with(mut self, token: CancellationToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// Everything that happens.
    pub fn events(self) -> Events {
        self.watching(Channels::ALL)
    }

    fn watching(self, channels: Channels) -> Events {
        self.into_run().channels(channels).events()
    }

    /// What happens, of the kinds in `modes`, in the order in which it happens; of this graph alone.
    pub fn watch(self, modes: impl IntoIterator<Item = Mode>) -> Items<S> {
        let modes: Vec<Mode> = modes.into_iter().collect();
        let channels = modes.iter().fold(Channels::NONE, |all, mode| all | mode.channels());
        Items::new(self.watching(channels), modes, false)
    }

    /// [`watch`](Self::watch), with what happens inside the graphs that are nodes here.
    pub fn watch_all(self, modes: impl IntoIterator<Item = Mode>) -> Items<S> {
        let mut items = self.watch(modes);
        items.include_subgraphs();
        items
    }

    /// The whole state, after the input and after each superstep that changed it.
    pub fn values(self) -> impl Stream<Item = Result<Arc<S>>> + std::marker::Send + Unpin {
        self.only(Mode::Values, |item| match item {
            Item::Values { state } => Some(state),
            _ => None,
        })
    }

    /// What each node changed, and which node it was.
    pub fn updates(self) -> impl Stream<Item = Result<(Arc<str>, Vec<S::Update>)>> + std::marker::Send + Unpin {
        self.only(Mode::Updates, |item| match item {
            Item::Updates { node, updates } => Some((node, updates)),
            _ => None,
        })
    }

    /// Chunks of the messages that models say inside nodes, and which model in which node it is.
    pub fn messages(self) -> impl Stream<Item = Result<(Chunk, Arc<Scope>)>> + std::marker::Send + Unpin {
        self.only(Mode::Messages, |item| match item {
            Item::Message { chunk, scope } => Some((chunk, scope)),
            _ => None,
        })
    }

    /// What nodes write, and which node it was.
    pub fn custom(self) -> impl Stream<Item = Result<(Value, Arc<Scope>)>> + std::marker::Send + Unpin {
        self.only(Mode::Custom, |item| match item {
            Item::Custom { value, scope } => Some((value, scope)),
            _ => None,
        })
    }

    fn only<T>(
        self,
        mode: Mode,
        pick: fn(Item<S>) -> Option<T>,
    ) -> impl Stream<Item = Result<T>> + std::marker::Send + Unpin
    where
        T: std::marker::Send,
    {
        self.watch([mode]).filter_map(move |item| future::ready(item.map(pick).transpose()))
    }

    fn into_run(self) -> Run<Ended<S>> {
        let Self { plan, state, input, label, limit, at_once, id, cancel } = self;
        let start = move |cx: Cx| {
            let engine = Engine::new(plan, cx, state, limit).at_once(at_once);
            stream::once(async move { engine.run(input).await.map(Ended) }).boxed()
        };
        let run = Run::of(label, start).id(id);
        match cancel {
            Some(token) => run.cancel_with(token),
            None => run,
        }
    }
}

/// The state at the end.
impl<S: State> IntoFuture for GraphRun<S> {
    type Output = Result<S, Error>;
    type IntoFuture = BoxFuture<'static, Result<S, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        self.into_run().into_future().map(|ended| ended.map(|Ended(state)| Arc::unwrap_or_clone(state))).boxed()
    }
}
