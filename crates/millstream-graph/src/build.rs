//! Building a graph: nodes, edges, branches; and `compile`, which finds every mistake at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millstream_core::{Error, ErrorKind, Metadata, Payload, Result, Retry};
use serde_json::Value;

use crate::answer::Goto;
use crate::breakpoints::{Breakpoints, Nodes};
use crate::check;
use crate::command::Target;
use crate::graph::Graph;
use crate::nested::{Inner, Nested};
use crate::node::{AnyNode, Node};
use crate::state::{Schema, State, Typed};

/// Where a graph begins: the source of its first edges.
pub const START: &str = "__start__";
/// Where a graph ends: the target of its last edges.
pub const END: &str = "__end__";

/// What a node sees of the state.
type View = Arc<dyn Fn(&Payload) -> Payload + Send + Sync>;

/// Where a branch goes with a state.
type Route = Arc<dyn Fn(&Payload) -> Result<Vec<Goto>> + Send + Sync>;

/// A graph that is being built.
#[must_use = "a graph is built by `compile`"]
pub struct StateGraph<S: State> {
    pub(crate) schema: Schema<S>,
    pub(crate) name: Arc<str>,
    pub(crate) metadata: Metadata,
    pub(crate) nodes: BTreeMap<Arc<str>, NodeSpec>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) branches: Vec<Branch>,
    pub(crate) breakpoints: Breakpoints,
    /// Mistakes that were already seen, in the order in which they were made.
    pub(crate) mistakes: Vec<String>,
}

/// A node and how it is run.
pub(crate) struct NodeSpec {
    pub(crate) node: AnyNode,
    /// The number of the node, in the order in which they were added.
    pub(crate) number: usize,
    /// The graph that the node is, if it is one.
    pub(crate) inner: Option<Inner>,
    pub(crate) deferred: bool,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) metadata: Metadata,
    pub(crate) sees: Option<View>,
}

/// From one or several nodes, which are all waited for, to another.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) from: Vec<Arc<str>>,
    pub(crate) to: Arc<str>,
    /// Whether all of them are waited for, also if it is only one.
    pub(crate) waits: bool,
}

/// A conditional edge.
pub(crate) struct Branch {
    /// For events.
    pub(crate) name: Arc<str>,
    pub(crate) from: Arc<str>,
    pub(crate) route: Route,
    /// Where it may go, if that was said: for checks and drawings.
    pub(crate) targets: Option<Vec<Arc<str>>>,
    /// The nodes that its answers mean, if they are no nodes.
    pub(crate) labels: Option<BTreeMap<Arc<str>, Arc<str>>>,
    /// Whether taking it is told in events.
    pub(crate) told: bool,
}

impl<S: Typed> StateGraph<S> {
    /// A graph without nodes on a state with `#[derive(State)]`.
    pub fn new() -> Self {
        Self::with_schema(S::schema())
    }
}

impl<S: Typed> Default for StateGraph<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: State> StateGraph<S> {
    /// A graph without nodes on a state with `schema`.
    pub fn with_schema(schema: Schema<S>) -> Self {
        Self {
            schema,
            name: "LangGraph".into(),
            metadata: Metadata::new(),
            nodes: BTreeMap::new(),
            edges: Vec::new(),
            branches: Vec::new(),
            breakpoints: Breakpoints::default(),
            mistakes: Vec::new(),
        }
    }

    /// Names the graph, for events.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds metadata to the events of the graph, and of everything inside.
    pub fn graph_metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Adds a node.
    pub fn node(self, name: impl Into<Arc<str>>, node: impl Node<S>) -> Self {
        self.add_node(name.into(), AnyNode::new(node), None)
    }

    /// Adds a graph on the same state as a node: it is given the state as its input, and what it gives in the end is written as if a function had
    /// returned it. So a list that both append to gets what was in it a second time, unless it is no [`input`](Schema::input) of the inner graph, or the graph
    /// has a state of its own: see [`graph_with`](Self::graph_with). What is no [`output`](Schema::output) of the inner graph is not written.
    pub fn graph(self, name: impl Into<Arc<str>>, graph: Graph<S>) -> Self {
        let schema = graph.schema.clone();
        let back = move |end: S| schema.given_back(end.into_update());
        self.graph_with(name, graph, |state: &S| state.clone().into_update(), back)
    }

    /// Adds a graph on another state as a node: `into` makes its input of this graph's state, and `back` an update of what it gives in the end.
    pub fn graph_with<T: State>(
        self,
        name: impl Into<Arc<str>>,
        graph: Graph<T>,
        into: impl Fn(&S) -> T::Update + Send + Sync + 'static,
        back: impl Fn(T) -> S::Update + Send + Sync + 'static,
    ) -> Self {
        let inner = graph.inner();
        let node = Nested { graph, into, back };
        self.add_node(name.into(), AnyNode::new::<S>(node), Some(inner))
    }

    fn add_node(mut self, name: Arc<str>, node: AnyNode, inner: Option<Inner>) -> Self {
        let spec = NodeSpec {
            node,
            number: self.nodes.len(),
            inner,
            deferred: false,
            retry: None,
            timeout: None,
            metadata: Metadata::new(),
            sees: None,
        };
        if self.nodes.contains_key(&name) {
            self.mistakes.push(format!("there are two nodes {name:?}"));
        }
        self.nodes.insert(name, spec);
        self
    }

    /// Stops every run before these nodes: it waits until [`go_on`](Graph::go_on) is called. Needs a checkpointer.
    pub fn interrupt_before(mut self, nodes: impl Into<Nodes>) -> Self {
        self.breakpoints.before = nodes.into();
        self
    }

    /// Stops every run after these nodes. Needs a checkpointer.
    pub fn interrupt_after(mut self, nodes: impl Into<Nodes>) -> Self {
        self.breakpoints.after = nodes.into();
        self
    }

    /// Runs the node `name`, which is there already, only when nothing else is left to run.
    pub fn deferred(self, name: &str) -> Self {
        self.edit(name, |node| node.deferred = true)
    }

    /// Runs the node `name`, which is there already, again when it fails.
    pub fn retry(self, name: &str, retry: Retry) -> Self {
        self.edit(name, |node| node.retry = Some(retry))
    }

    /// Fails the node `name`, which is there already, when it takes longer than `limit`, each attempt for itself.
    pub fn timeout(self, name: &str, limit: Duration) -> Self {
        self.edit(name, |node| node.timeout = Some(limit))
    }

    /// Shows the node `name`, which is there already, and the branches that leave it only what `view` makes of the state. What is sent to the
    /// node it sees as it is.
    pub fn sees(self, name: &str, view: impl Fn(&S) -> S + Send + Sync + 'static) -> Self {
        let view = move |state: &Payload| match state.downcast::<S>() {
            Some(state) => Payload::new(view(state)),
            None => state.clone(),
        };
        self.edit(name, |node| node.sees = Some(Arc::new(view)))
    }

    /// Adds metadata to the events of the node `name`, which is there already.
    pub fn metadata(self, name: &str, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.edit(name, |node| {
            node.metadata.insert(key, value);
        })
    }

    fn edit(mut self, name: &str, change: impl FnOnce(&mut NodeSpec)) -> Self {
        match self.nodes.get_mut(name) {
            Some(node) => change(node),
            None => self.mistakes.push(format!("there is no node {name:?} to change; add it first")),
        }
        self
    }

    /// When `from` has run, `to` runs.
    pub fn edge(mut self, from: &str, to: &str) -> Self {
        self.edges.push(Edge { from: vec![from.into()], to: to.into(), waits: false });
        self
    }

    /// When all of `from` have run, in the same step or one after the other, `to` runs.
    pub fn join<const N: usize>(self, from: [&str; N], to: &str) -> Self {
        self.join_all(&from, to)
    }

    /// [`join`](Self::join) for a list that is not known when the program is written.
    pub fn join_all(mut self, from: &[&str], to: &str) -> Self {
        let from = from.iter().map(|from| (*from).into()).collect();
        self.edges.push(Edge { from, to: to.into(), waits: true });
        self
    }

    /// When `from` has run, `route` says where to go. It sees the state with what `from` wrote.
    pub fn branch<R, T>(self, from: &str, route: R) -> Self
    where
        R: Fn(&S) -> T + Send + Sync + 'static,
        T: IntoTargets<S>,
    {
        self.add_branch(from, move |state| Ok(route(state).into_targets()), None)
    }

    /// A branch that may fail.
    pub fn try_branch<R>(self, from: &str, route: R) -> Self
    where
        R: Fn(&S) -> Result<Vec<Target<S>>> + Send + Sync + 'static,
    {
        self.add_branch(from, route, None)
    }

    /// A branch that may fail, and that says where it may go.
    pub fn branch_to<R>(self, from: &str, targets: &[&str], route: R) -> Self
    where
        R: Fn(&S) -> Result<Vec<Target<S>>> + Send + Sync + 'static,
    {
        let targets = targets.iter().map(|target| Arc::from(*target)).collect();
        self.add_branch(from, route, Some(targets))
    }

    /// A branch that may fail, and whose answers are labels: `labels` says which node each of them means. A label that it does not have is an error.
    pub fn branch_map<R>(self, from: &str, labels: &[(&str, &str)], route: R) -> Self
    where
        R: Fn(&S) -> Result<Vec<Target<S>>> + Send + Sync + 'static,
    {
        let labels: BTreeMap<Arc<str>, Arc<str>> =
            labels.iter().map(|(label, node)| (Arc::from(*label), Arc::from(*node))).collect();
        let targets = labels.values().cloned().collect();
        let mut graph = self.add_branch(from, route, Some(targets));
        if let Some(branch) = graph.branches.last_mut() {
            branch.labels = Some(labels);
        }
        graph
    }

    /// Names the branch that was added last, for events; `route` unless named.
    pub fn branch_name(mut self, name: impl Into<Arc<str>>) -> Self {
        match self.branches.last_mut() {
            Some(branch) => branch.name = name.into(),
            None => self.mistakes.push("there is no branch to name; add it first".to_owned()),
        }
        self
    }

    /// Keeps the branch that was added last out of events.
    pub fn branch_untold(mut self) -> Self {
        match self.branches.last_mut() {
            Some(branch) => branch.told = false,
            None => self.mistakes.push("there is no branch to keep out of events; add it first".to_owned()),
        }
        self
    }

    fn add_branch(
        mut self,
        from: &str,
        route: impl Fn(&S) -> Result<Vec<Target<S>>> + Send + Sync + 'static,
        targets: Option<Vec<Arc<str>>>,
    ) -> Self {
        let route = move |state: &Payload| {
            let wrong = || Error::new(ErrorKind::Internal, "a branch met a state of another type than its own");
            let targets = route(state.downcast::<S>().ok_or_else(wrong)?)?;
            Ok(targets.into_iter().map(Goto::from).collect())
        };
        self.branches.push(Branch {
            name: "route".into(),
            from: from.into(),
            route: Arc::new(route),
            targets,
            labels: None,
            told: true,
        });
        self
    }

    /// Checks the graph, and makes it ready to run.
    ///
    /// # Errors
    /// `invalid_input` with every mistake that was found, one a line.
    pub fn compile(self) -> Result<Graph<S>> {
        let mistakes = check::mistakes(&self);
        if mistakes.is_empty() {
            return Ok(Graph::new(self));
        }
        Err(Error::new(ErrorKind::InvalidInput, format!("the graph cannot be built:\n- {}", mistakes.join("\n- "))))
    }
}

/// Anything that a branch may answer with.
pub trait IntoTargets<S: State> {
    /// The answer as targets.
    fn into_targets(self) -> Vec<Target<S>>;
}

impl<S: State, T: Into<Target<S>>> IntoTargets<S> for T {
    fn into_targets(self) -> Vec<Target<S>> {
        vec![self.into()]
    }
}

impl<S: State, T: Into<Target<S>>> IntoTargets<S> for Vec<T> {
    fn into_targets(self) -> Vec<Target<S>> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<S: State> fmt::Debug for StateGraph<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.nodes.keys().collect();
        f.debug_struct("StateGraph").field("nodes", &nodes).field("edges", &self.edges).finish_non_exhaustive()
    }
}
