//! A graph that is ready: run it, and keep its state.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use millstream_core::{Cx, Kind, Label, Payload, Result};
use serde::Serialize;
use serde_json::Value;

use crate::breakpoints::Breakpoints;
use crate::build::StateGraph;
use crate::checkpoint::{Checkpointer, Durability};
use crate::command::Command;
use crate::engine::{Begin, Engine, Orders, Settings};
use crate::host::Host;
use crate::nested::Inner;
use crate::plan::Plan;
use crate::run::GraphRun;
use crate::shape::typed;
use crate::state::{IntoInput, Schema, State};
use crate::step::GraphStep;

/// How many supersteps a run may have unless it says otherwise: as many as in LangGraph.
const STEPS: u64 = 10_007;

/// A compiled graph. Cloning is cheap.
pub struct Graph<S: State> {
    pub(crate) plan: Arc<Plan>,
    pub(crate) keeping: Keeping,
    pub(crate) schema: Schema<S>,
}

/// Where a graph keeps its state.
#[derive(Clone, Debug)]
pub(crate) enum Keeping {
    /// Where the graph around it does; nowhere if there is none.
    Inherited,
    /// Where the graph around it does, all its runs in a thread going on with one state.
    One,
    /// Nowhere.
    Nowhere,
    /// Here.
    In(Arc<dyn Checkpointer>),
}

impl<S: State> Graph<S> {
    pub(crate) fn new(graph: StateGraph<S>) -> Self {
        let schema = graph.schema.clone();
        Self { plan: Arc::new(Plan::new(graph)), keeping: Keeping::Inherited, schema }
    }

    fn kept(self, keeping: Keeping) -> Self {
        Self { keeping, ..self }
    }

    /// Keeps the state of each thread in `checkpointer`, after every superstep: a run with the same [`thread`](GraphRun::thread) goes on with it,
    /// also in another process. Graphs inside keep theirs there too.
    #[must_use]
    pub fn checkpointer(self, checkpointer: impl Checkpointer) -> Self {
        self.kept(Keeping::In(Arc::new(checkpointer)))
    }

    /// As a node of another graph: keeps one state for all its runs in a thread, where the graph around it keeps its own. Otherwise every run of a
    /// graph inside another begins anew, unless the run was interrupted.
    ///
    /// A crash may leave that state ahead of the graph around it, whose step is then repeated on it, unless the run has the durability
    /// [`Sync`](Durability::Sync).
    #[must_use]
    pub fn keeping_one_state(self) -> Self {
        self.kept(Keeping::One)
    }

    /// As a node of another graph: keeps no state. When something inside it asks a person, it begins anew with the answer.
    #[must_use]
    pub fn keeping_nothing(self) -> Self {
        self.kept(Keeping::Nowhere)
    }

    /// Describes a run that begins with `input`, a state or an update: nothing starts until it is awaited or watched. In a thread, the input is
    /// written to the state that the thread has.
    pub fn run(&self, input: impl IntoInput<S>) -> GraphRun<S> {
        self.described(Begin::Input(Payload::new(input.into_input())))
    }

    /// Describes a run that goes on in `thread` where the last one stopped: at a breakpoint, at a failure, or because its process ended.
    pub fn go_on(&self, thread: impl Into<Arc<str>>) -> GraphRun<S> {
        self.described(Begin::GoOn).thread(thread)
    }

    /// Describes a run that goes on in `thread` with the answer to the question that it waits for.
    ///
    /// The run fails with `invalid_input` if several questions wait; then [`resume_by_id`](Self::resume_by_id) says which one is meant. An answer that
    /// cannot be JSON is taken as null.
    pub fn resume(&self, thread: impl Into<Arc<str>>, answer: impl Serialize) -> GraphRun<S> {
        let answer = Some(serde_json::to_value(answer).unwrap_or_default());
        self.described(Begin::Orders(Orders { answer, ..Orders::default() })).thread(thread)
    }

    /// Describes a run that goes on in `thread` with answers to some of the questions that it waits for, by their ids.
    pub fn resume_by_id<K: Into<String>, A: Into<Value>>(
        &self,
        thread: impl Into<Arc<str>>,
        answers: impl IntoIterator<Item = (K, A)>,
    ) -> GraphRun<S> {
        let answers: HashMap<String, Value> =
            answers.into_iter().map(|(id, answer)| (id.into(), answer.into())).collect();
        self.described(Begin::Orders(Orders { answers: Some(answers), ..Orders::default() })).thread(thread)
    }

    /// Describes a run that goes on in `thread` after `command` has changed the state, or said where to go.
    pub fn command(&self, thread: impl Into<Arc<str>>, command: Command<S>) -> GraphRun<S> {
        self.described(Begin::Orders(Orders { also: command.into(), ..Orders::default() })).thread(thread)
    }

    /// Runs the graph inside a node of another: its events have a namespace one segment deeper.
    ///
    /// # Errors
    /// What the graph fails with. A [`Command`] that one of its nodes has for the parent is an error too, and so is a question to a person, both for the node around
    /// it to pass on with `?`.
    pub async fn invoke(&self, input: impl IntoInput<S>, cx: &Cx) -> Result<S> {
        self.invoke_update(input.into_input(), cx).await
    }

    pub(crate) async fn invoke_update(&self, input: S::Update, cx: &Cx) -> Result<S> {
        self.execute(input, cx.child(self.label()).waited_for()).await
    }

    /// Runs the graph as the execution `cx` inside something.
    pub(crate) async fn execute(&self, input: S::Update, cx: Cx) -> Result<S> {
        let outer = cx.host::<Host>();
        let cx = cx.into_graph(matches!(self.keeping, Keeping::One));
        let engine = Engine::new(self.plan.clone(), &self.keeping, cx, outer.as_deref(), None, Self::settings());
        let ended = engine.run(Begin::Input(Payload::new(input))).await?;
        typed(ended.state).map(Arc::unwrap_or_clone)
    }

    /// The graph as a step of a chain: it takes an update of the state, and gives the state at the end.
    pub fn step(&self) -> GraphStep<S> {
        GraphStep::new(self.clone())
    }

    fn described(&self, begin: Begin) -> GraphRun<S> {
        GraphRun::new(self.clone(), begin, Self::settings())
    }

    fn settings() -> Settings {
        Settings {
            limit: STEPS,
            at_once: usize::MAX,
            durability: Durability::default(),
            breakpoints: Breakpoints::default(),
            at: None,
        }
    }

    pub(crate) fn label(&self) -> Label {
        let label = Label::new(Kind::Chain, self.plan.name.clone());
        let known = self.plan.metadata.clone().into_iter();
        known.fold(label, |label, (key, value)| label.with_metadata(key, value))
    }

    pub(crate) fn inner(&self) -> Inner {
        Inner { plan: self.plan.clone(), keeping: self.keeping.clone() }
    }
}

impl<S: State> Clone for Graph<S> {
    fn clone(&self) -> Self {
        Self { plan: self.plan.clone(), keeping: self.keeping.clone(), schema: self.schema.clone() }
    }
}

impl<S: State> fmt::Debug for Graph<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.plan.nodes.iter().map(|node| &node.name).collect();
        f.debug_struct("Graph").field("name", &self.plan.name).field("nodes", &nodes).finish()
    }
}
