//! A run of a graph: described, then awaited or watched in whatever way.

use std::sync::Arc;
use std::task::{Poll, ready};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use millstream_core::{
    Channels, Chunk, Cx, Error, Events, Interrupt, Label, Payload, Piece, Result, Run, Scope, Streamed, WholeFold,
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::breakpoints::Nodes;
use crate::checkpoint::Durability;
use crate::command::Command;
use crate::engine::{Begin, Engine, Settings};
use crate::graph::Graph;
use crate::mode::{Item, Items, Mode};
use crate::shape::typed;
use crate::state::State;

/// How a run ended that did not fail.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome<S> {
    /// The state at the end.
    pub state: S,
    /// If the run waits for a person: the questions; none at a breakpoint.
    pub interrupts: Option<Vec<Interrupt>>,
}

/// [`Outcome`] while it is an output of a [`Run`].
#[derive(Clone)]
struct Ended<S: State>(Arc<S>, Option<Vec<Interrupt>>);

impl<S: State> Ended<S> {
    /// For readers of events: a run that waits has not completed, and its last event says so.
    fn or_waits(self) -> Result<Self> {
        match self.1 {
            Some(interrupts) => Err(Interrupt::error(interrupts)),
            None => Ok(self),
        }
    }
}

impl<S: State> Serialize for Ended<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        self.0.serialize(serializer)
    }
}

impl<S: State> Streamed for Ended<S> {
    type Chunk = Self;
    type Fold = WholeFold<Self>;

    fn into_chunks(self) -> Vec<Self> {
        vec![self]
    }

    fn piece(chunk: &Self) -> Piece {
        Piece::Whole(Payload::shared(chunk.0.clone()))
    }
}

/// A run that has been described and not yet started: await it for the last state, or watch it.
#[must_use = "a run does nothing until it is awaited or watched"]
pub struct GraphRun<S: State> {
    graph: Graph<S>,
    begin: Begin,
    label: Label,
    thread: Option<Arc<str>>,
    settings: Settings,
    id: Uuid,
    cancel: Option<CancellationToken>,
}

impl<S: State> GraphRun<S> {
    pub(crate) fn new(graph: Graph<S>, begin: Begin, settings: Settings) -> Self {
        let label = graph.label();
        Self { graph, begin, label, thread: None, settings, id: Uuid::new_v4(), cancel: None }
    }

    /// The thread whose state the run goes on with; the graph needs a [`checkpointer`](Graph::checkpointer).
    pub fn thread(mut self, thread: impl Into<Arc<str>>) -> Self {
        let thread = thread.into();
        self.label.metadata.insert("thread_id".to_owned(), Value::from(&*thread));
        self.thread = Some(thread);
        self
    }

    /// Goes on from this checkpoint of the thread, not from its newest: what comes is a branch of its own, and the newest from then on.
    pub fn at(mut self, checkpoint: Uuid) -> Self {
        self.settings.at = Some(checkpoint);
        self
    }

    /// Also changes the state, or says where to go, before it goes on.
    pub fn and(mut self, command: Command<S>) -> Self {
        if let Begin::Orders(orders) = &mut self.begin {
            let more = crate::answer::Answer::from(command);
            orders.also.updates.extend(more.updates);
            orders.also.goto.extend(more.goto);
        }
        self
    }

    /// When the run waits for its checkpoints to be saved.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// Stops this run before these nodes, besides those that the graph stops before.
    pub fn interrupt_before(mut self, nodes: impl Into<Nodes>) -> Self {
        self.settings.breakpoints.before = nodes.into();
        self
    }

    /// Stops this run after these nodes, besides those that the graph stops after.
    pub fn interrupt_after(mut self, nodes: impl Into<Nodes>) -> Self {
        self.settings.breakpoints.after = nodes.into();
        self
    }

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
        self.settings.limit = steps;
        self
    }

    /// How many nodes of this graph may run at the same time; all that are ready unless set.
    pub fn max_concurrency(mut self, nodes: usize) -> Self {
        self.settings.at_once = nodes.max(1);
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

    /// What happens in `channels`, besides the start and the end. What is left out is not made, and costs nothing.
    pub fn events_of(self, channels: Channels) -> Events {
        self.watching(channels)
    }

    fn watching(self, channels: Channels) -> Events {
        self.into_run(Ended::or_waits).channels(channels).events()
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
            Item::Updates { node, updates, .. } => Some((node, updates)),
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
        let mut items = self.watch([mode]);
        stream::poll_fn(move |task| {
            loop {
                match ready!(items.poll_next_unpin(task)) {
                    Some(Ok(item)) => match pick(item) {
                        Some(picked) => return Poll::Ready(Some(Ok(picked))),
                        None => continue,
                    },
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                }
            }
        })
    }

    /// Runs to the end, or until a person is waited for: the state, and the questions.
    ///
    /// # Errors
    /// What the graph fails with.
    pub async fn outcome(self) -> Result<Outcome<S>> {
        let Ended(state, interrupts) = self.into_run(Ok).await?;
        Ok(Outcome { state: Arc::unwrap_or_clone(state), interrupts })
    }

    fn into_run(self, close: fn(Ended<S>) -> Result<Ended<S>>) -> Run<Ended<S>> {
        let Self { graph, begin, label, thread, settings, id, cancel } = self;
        let start = move |cx: Cx| {
            let engine = Engine::new(graph.plan.clone(), &graph.keeping, cx, None, thread, settings);
            let run = async move {
                let ended = engine.run(begin).await?;
                close(Ended(typed(ended.state)?, ended.interrupts))
            };
            stream::once(run).boxed()
        };
        let run = Run::of(label, start).id(id);
        match cancel {
            Some(token) => run.cancel_with(token),
            None => run,
        }
    }
}

/// The state at the end. A run that waits for a person has not come to its end: that is an error, of which [`Interrupt::of`] gives the questions, so that nobody
/// takes half a state for the whole; [`GraphRun::outcome`] gives both.
impl<S: State> IntoFuture for GraphRun<S> {
    type Output = Result<S, Error>;
    type IntoFuture = BoxFuture<'static, Result<S, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            match self.outcome().await? {
                Outcome { state, interrupts: None } => Ok(state),
                Outcome { interrupts: Some(interrupts), .. } => Err(Interrupt::error(interrupts)),
            }
        }
        .boxed()
    }
}
