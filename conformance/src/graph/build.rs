//! From the shape of a graph to the graph.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use millstream::graph::{
    Command, Graph, Json, JsonKind, JsonUpdate, Node, Nodes, Retry, Schema, State, StateGraph, Target, ToolNode,
};
use millstream::{Chunks, Cx, Error, Input, Label, Payload, Piece, Result, Runnable};
use millstream_protocol::stream_modes::StateKeys;
use serde_json::{Map, Value};

use super::answer::{invalid_update, target, update};
use super::script::{StateOnly, answer};
use super::world::World;
use super::{prebuilt, tool};
use crate::case::{self, Branch, Checkpointer, NodeBody, NodeNames, OneOrMany, Retry as RetrySpec, Shape};
use crate::chain::AnyChain;
use crate::expression::Expression;
use crate::outcome::{Skip, unsupported};

/// How deep graphs are inside each other at most; a graph that is its own node has no bottom.
const DEPTH: usize = 16;

/// A graph of the case.
#[derive(Clone)]
pub(super) struct Built {
    pub(super) graph: Graph<Json>,
    channels: Arc<BTreeMap<String, JsonKind>>,
    /// The keys that it gives in the end, if not all.
    outputs: Option<Vec<String>>,
    saves: bool,
}

impl Built {
    /// The graph `name` of the case.
    pub(super) fn new(world: &Arc<World>, name: &str) -> Result<Self, Skip> {
        Self::inside(world, name, DEPTH)
    }

    fn inside(world: &Arc<World>, name: &str, depth: usize) -> Result<Self, Skip> {
        let depth = depth.checked_sub(1).ok_or_else(|| unsupported("graphs that are inside themselves"))?;
        let shape = match world.graph(name)? {
            case::Graph::Shape(shape) => shape,
            case::Graph::Prebuilt(agent) => return Self::prebuilt(world, name, agent),
        };
        let channels: Arc<BTreeMap<String, JsonKind>> =
            Arc::new(shape.channels.iter().map(|(key, kind)| (key.clone(), *kind)).collect());
        let mut schema = Schema::json(channels.iter().map(|(key, kind)| (key.as_str(), *kind)));
        if let Some(keys) = &shape.input_keys {
            schema = schema.input(keys.iter().map(String::as_str));
        }
        if let Some(keys) = &shape.output_keys {
            schema = schema.output(keys.iter().map(String::as_str));
        }
        let mut graph = StateGraph::with_schema(schema);
        if let Some(name) = &shape.name {
            graph = graph.named(name.as_str());
        }
        for (number, node) in shape.nodes.iter().enumerate() {
            graph = match &node.body {
                NodeBody::Function(_) => {
                    let function = Function {
                        world: world.clone(),
                        graph: name.to_owned(),
                        node: number,
                        channels: channels.clone(),
                    };
                    graph.node(node.name.as_str(), function)
                }
                NodeBody::Graph(inner) => {
                    let Self { graph: inner, channels, .. } = Self::inside(world, inner, depth)?;
                    let into = move |state: &Json| known_keys(&state.to_value(), &channels);
                    graph.graph_with(node.name.as_str(), inner, into, Json::into_update)
                }
                NodeBody::Tools { tools, handle_tool_errors } => {
                    let tools = ToolNode::new(tool::tools(world, tools)?);
                    graph.node(node.name.as_str(), tools.failures(tool::failures(handle_tool_errors.as_ref())))
                }
            };
            for (key, value) in &node.metadata {
                graph = graph.metadata(&node.name, key.as_str(), value.clone());
            }
            if node.defer {
                graph = graph.deferred(&node.name);
            }
            if let Some(keys) = node.reads.clone() {
                graph = graph.sees(&node.name, move |state| state.only(&keys));
            }
            if let Some(spec) = &node.retry {
                graph = graph.retry(&node.name, retry(spec));
            }
        }
        let graph = branches(edges(graph, shape), shape)
            .interrupt_before(breakpoints(&shape.interrupt_before))
            .interrupt_after(breakpoints(&shape.interrupt_after));
        let built = Self::compiled(world, name, graph, channels, shape.checkpointer)?;
        Ok(Self { outputs: shape.output_keys.clone(), ..built })
    }

    fn prebuilt(world: &Arc<World>, name: &str, agent: &case::Prebuilt) -> Result<Self, Skip> {
        let channels = prebuilt::channels(agent);
        let schema = Schema::json(channels.iter().map(|(key, kind)| (key.as_str(), *kind)));
        let graph = prebuilt::graph(world, agent, schema)?
            .interrupt_before(breakpoints(&agent.interrupt_before))
            .interrupt_after(breakpoints(&agent.interrupt_after));
        Self::compiled(world, name, graph, Arc::new(channels), agent.checkpointer)
    }

    fn compiled(
        world: &World,
        name: &str,
        graph: StateGraph<Json>,
        channels: Arc<BTreeMap<String, JsonKind>>,
        checkpointer: Checkpointer,
    ) -> Result<Self, Skip> {
        let graph = graph.compile().map_err(|error| unsupported(error.to_string()))?;
        let graph = match checkpointer {
            Checkpointer::Own if name == "main" => graph.checkpointer(world.checkpointer()),
            Checkpointer::Own => graph.keeping_one_state(),
            Checkpointer::None => graph.keeping_nothing(),
            Checkpointer::Inherited => graph,
        };
        let saves = name == "main" && checkpointer == Checkpointer::Own;
        Ok(Self { graph, channels, outputs: None, saves })
    }

    /// An input as what it writes.
    pub(super) fn input(&self, input: &Value) -> Result<JsonUpdate> {
        if !input.is_object() {
            return Err(invalid_update(input));
        }
        Ok(known_keys(input, &self.channels))
    }

    /// Whether the graph keeps the states of its threads.
    pub(super) fn saves(&self) -> bool {
        self.saves
    }

    /// Whether the graph has a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.channels.contains_key(key)
    }

    /// The keys that a stream tells.
    pub(super) fn keys(&self, wanted: Option<&OneOrMany<String>>) -> StateKeys {
        match wanted {
            Some(OneOrMany::One(key)) => StateKeys::One(key.clone()),
            Some(OneOrMany::Many(keys)) => StateKeys::Some(keys.clone()),
            None => StateKeys::All,
        }
    }

    /// What of a state the graph gives in the end.
    pub(super) fn given(&self, mut state: Value) -> Value {
        if let (Some(keys), Some(fields)) = (&self.outputs, state.as_object_mut()) {
            fields.retain(|key, _| keys.contains(key));
        }
        state
    }

    /// The keys that the graph returns.
    pub(super) fn returned(&self, wanted: Option<&OneOrMany<String>>) -> StateKeys {
        match (wanted, &self.outputs) {
            (None, Some(keys)) => StateKeys::Some(keys.clone()),
            _ => self.keys(wanted),
        }
    }

    /// Runs the graph inside a node.
    pub(super) async fn invoke(&self, input: &Value, cx: &Cx) -> Result<Value> {
        let state = self.graph.invoke(self.input(input)?, cx).await?;
        Ok(state.to_value())
    }
}

/// What of an object a graph knows.
fn known_keys(object: &Value, channels: &BTreeMap<String, JsonKind>) -> JsonUpdate {
    update(object.as_object().unwrap_or(&Map::new()), &|key| channels.contains_key(key))
}

/// Breakpoints as the engine takes them.
pub(super) fn breakpoints(names: &NodeNames) -> Nodes {
    match names {
        NodeNames::All => Nodes::All,
        NodeNames::Some(names) => Nodes::Some(names.iter().map(|name| name.as_str().into()).collect()),
    }
}

fn edges(graph: StateGraph<Json>, shape: &Shape) -> StateGraph<Json> {
    shape.edges.iter().fold(graph, |graph, (from, to)| match from {
        OneOrMany::One(from) => graph.edge(from, to),
        OneOrMany::Many(many) => graph.join_all(&many.iter().map(String::as_str).collect::<Vec<_>>(), to),
    })
}

fn branches(graph: StateGraph<Json>, shape: &Shape) -> StateGraph<Json> {
    shape.branches.iter().fold(graph, |graph, branch| {
        let Branch { from, path, map, name } = branch.clone();
        let route = move |state: &Json| route(&path, state);
        let graph = match &map {
            Some(map) if !map.is_empty() => {
                let labels: Vec<_> = map.iter().map(|(label, node)| (label.as_str(), node.as_str())).collect();
                graph.branch_map(&from, &labels, route)
            }
            _ => graph.try_branch(&from, route),
        };
        graph.branch_name(name.as_deref().unwrap_or("route"))
    })
}

fn route(path: &Expression, state: &Json) -> Result<Vec<Target<Json>>> {
    let items = match path.evaluate(&StateOnly(state))? {
        Value::Array(items) => items,
        one => vec![one],
    };
    items.iter().map(|item| target(&label(item))).collect()
}

/// A label that is no text as the text that stands for it in a map.
fn label(item: &Value) -> Value {
    match item {
        Value::Bool(_) | Value::Number(_) => item.to_string().into(),
        other => other.clone(),
    }
}

fn retry(spec: &RetrySpec) -> Retry {
    let named = spec.retry_on.clone();
    Retry {
        attempts: spec.max_attempts,
        initial: Duration::from_secs_f64(spec.initial_interval.max(0.0)),
        factor: spec.backoff_factor,
        when: Arc::new(move |error| match &named {
            Some(names) => names.iter().any(|name| error.name() == Some(name)),
            None => matches!(error.name(), Some("ConnectionError" | "ToolException")),
        }),
        ..Retry::default()
    }
}

/// A node that does what the case says.
struct Function {
    world: Arc<World>,
    graph: String,
    node: usize,
    channels: Arc<BTreeMap<String, JsonKind>>,
}

impl Node<Json> for Function {
    async fn run(&self, state: Arc<Json>, cx: Cx) -> Result<Command<Json>> {
        let shape = self.world.shape(&self.graph).map_err(|skip| self.world.skip(skip))?;
        match shape.nodes.get(self.node).map(|node| &node.body) {
            Some(NodeBody::Function(ops)) => {
                answer(&self.world, ops, &|key| self.channels.contains_key(key), &state, &cx).await
            }
            _ => Err(self.world.lacks("this node")),
        }
    }
}

/// A graph of the case as a step of a chain.
pub(crate) fn graph_step(world: &Arc<World>, name: &str) -> Result<AnyChain, Skip> {
    Ok(GraphOfCase(Built::new(world, name)?).dynamic())
}

struct GraphOfCase(Built);

impl Runnable for GraphOfCase {
    type Input = Payload;
    type Output = Payload;

    fn label(&self) -> Label {
        self.0.graph.step().label()
    }

    fn transform(&self, input: Input<Payload>, cx: Cx) -> Chunks<Payload> {
        let built = self.0.clone();
        let end = async move {
            let update = built.input(&input.unannounced().await?.json())?;
            let end = built.graph.step().transform(Input::from_whole(millstream::Json(update)), cx);
            Ok::<_, Error>(end.map_ok(|millstream::Json(state)| Piece::whole(state.to_value())))
        };
        stream::once(end).try_flatten().boxed()
    }
}
