//! Graphs and what is done with them.

use std::collections::BTreeMap;

use millstream::EventFilter;
use millstream::graph::JsonKind;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::op::Op;
use super::part::Config;
use crate::expression::Expression;

/// One thing or a list of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Nodes to stop at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "OneOrMany<String>")]
pub enum NodeNames {
    /// All of them: `"*"`.
    All,
    /// These.
    Some(Vec<String>),
}

impl Default for NodeNames {
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

impl From<OneOrMany<String>> for NodeNames {
    fn from(names: OneOrMany<String>) -> Self {
        match names {
            OneOrMany::One(star) if star == "*" => Self::All,
            OneOrMany::One(name) => Self::Some(vec![name]),
            OneOrMany::Many(names) => Self::Some(names),
        }
    }
}

/// A graph: of nodes and edges, or a prebuilt agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub enum Graph {
    /// A prebuilt agent.
    Prebuilt(Box<Prebuilt>),
    /// Nodes and edges.
    Shape(Box<Shape>),
}

impl TryFrom<Value> for Graph {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        if value.get("prebuilt").is_some() {
            return serde_json::from_value(value).map(Self::Prebuilt);
        }
        serde_json::from_value(value).map(Self::Shape)
    }
}

/// Where a graph keeps its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "bool")]
pub enum Checkpointer {
    /// As the graph around it does.
    #[default]
    Inherited,
    /// In a store of its own; a graph inside another in a namespace of its own.
    Own,
    /// Nowhere.
    None,
}

impl From<bool> for Checkpointer {
    fn from(own: bool) -> Self {
        if own { Self::Own } else { Self::None }
    }
}

/// A graph of nodes and edges.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shape {
    /// The state.
    pub channels: BTreeMap<String, JsonKind>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// From where to where; several sources make one waiting edge.
    pub edges: Vec<(OneOrMany<String>, String)>,
    /// Conditional edges.
    pub branches: Vec<Branch>,
    /// The graph's name.
    pub name: Option<String>,
    /// The keys of the input, if not all.
    pub input_keys: Option<Vec<String>>,
    /// The keys of the output, if not all.
    pub output_keys: Option<Vec<String>>,
    /// Where it keeps its state.
    pub checkpointer: Checkpointer,
    /// Nodes to stop before.
    pub interrupt_before: NodeNames,
    /// Nodes to stop after.
    pub interrupt_after: NodeNames,
}

/// A conditional edge.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// From which node.
    pub from: String,
    /// Where to: a target, a send, or a list of them.
    pub path: Expression,
    /// What its answers mean, if they are not nodes.
    #[serde(default)]
    pub map: Option<BTreeMap<String, String>>,
    /// Its name, `route` if not given.
    #[serde(default)]
    pub name: Option<String>,
}

/// A node.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "NodeFields")]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it waits until nothing else is to do.
    pub defer: bool,
    /// Metadata of its runs.
    pub metadata: Map<String, Value>,
    /// The keys that it sees, if not all.
    pub reads: Option<Vec<String>>,
    /// Whether it is tried again.
    pub retry: Option<Retry>,
    /// What it is.
    pub body: NodeBody,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum NodeBody {
    /// A function, which does this.
    Function(Vec<Op>),
    /// A graph of the case.
    Graph(String),
    /// What runs the tool calls of the last message.
    Tools {
        /// Which tools of the case.
        tools: Vec<String>,
        /// Whether (or with which text) a failing tool is an answer to the model.
        handle_tool_errors: Option<Value>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFields {
    name: String,
    #[serde(default)]
    defer: bool,
    #[serde(default)]
    metadata: Map<String, Value>,
    reads: Option<Vec<String>>,
    retry: Option<Retry>,
    ops: Option<Vec<Op>>,
    graph: Option<String>,
    tools: Option<Vec<String>>,
    handle_tool_errors: Option<Value>,
}

impl TryFrom<NodeFields> for Node {
    type Error = String;

    fn try_from(fields: NodeFields) -> Result<Self, String> {
        let NodeFields { name, defer, metadata, reads, retry, ops, graph, tools, handle_tool_errors } = fields;
        let body = match (ops, graph, tools) {
            (Some(ops), None, None) => NodeBody::Function(ops),
            (None, Some(graph), None) => NodeBody::Graph(graph),
            (None, None, Some(tools)) => NodeBody::Tools { tools, handle_tool_errors },
            _ => return Err(format!("the node {name:?} has to have one of ops, graph and tools")),
        };
        Ok(Self { name, defer, metadata, reads, retry, body })
    }
}

/// How a node is tried again.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// At most so many times, the first included.
    pub max_attempts: u32,
    /// Seconds before the second time.
    pub initial_interval: f64,
    /// By how much the wait grows.
    pub backoff_factor: f64,
    /// Which failures; without it those that the default policy names.
    pub retry_on: Option<Vec<String>>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 3, initial_interval: 0.01, backoff_factor: 1.0, retry_on: None }
    }
}

/// Which agent is prebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrebuiltKind {
    /// LangGraph's.
    CreateReactAgent,
    /// LangChain's.
    CreateAgent,
}

/// A prebuilt agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prebuilt {
    /// Which one.
    pub prebuilt: PrebuiltKind,
    /// Its model.
    pub model: String,
    /// Its tools.
    #[serde(default)]
    pub tools: Vec<String>,
    /// The system prompt.
    #[serde(default)]
    pub prompt: Option<Value>,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// `v1` runs all calls in one tools task, `v2` each in one of its own.
    #[serde(default)]
    pub version: Option<Version>,
    /// Whether (or with which text) a failing tool is an answer to the model.
    #[serde(default)]
    pub handle_tool_errors: Option<Value>,
    /// Where it keeps its state.
    #[serde(default)]
    pub checkpointer: Checkpointer,
    /// Nodes to stop before.
    #[serde(default)]
    pub interrupt_before: NodeNames,
    /// Nodes to stop after.
    #[serde(default)]
    pub interrupt_after: NodeNames,
}

/// A version of an agent, of stream parts or of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// The first.
    V1,
    /// The second.
    V2,
    /// The third.
    V3,
}

/// When checkpoints are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Before the next superstep starts.
    Sync,
    /// While it runs.
    Async,
    /// At the end of the run.
    Exit,
}

/// A checkpoint by its place in the history of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// 0 is the newest.
    pub history: usize,
}

/// What a run goes on with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Command {
    /// The answer to the interrupt.
    #[serde(deserialize_with = "present")]
    pub resume: Option<Value>,
    /// Answers, by the values of the interrupts.
    pub resume_by: Option<Vec<(Value, Value)>>,
    /// What to write.
    pub update: Option<Value>,
    /// Where to go.
    pub goto: Option<Expression>,
}

/// Keeps null apart from absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What every step of a graph case may say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GraphRun {
    /// The thread, `t1` if not given.
    pub thread: Option<String>,
    /// The run's configuration.
    pub config: Config,
    /// From which checkpoint.
    pub at: Option<At>,
    /// The input; null goes on.
    pub input: Value,
    /// What it goes on with instead.
    pub command: Option<Command>,
    /// Nodes to stop before.
    pub interrupt_before: Option<NodeNames>,
    /// Nodes to stop after.
    pub interrupt_after: Option<NodeNames>,
    /// When checkpoints are written.
    pub durability: Option<Durability>,
    /// Which keys are told.
    pub output_keys: Option<OneOrMany<String>>,
}

/// A step of a graph case.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum GraphStep {
    /// Streams a run.
    Stream {
        /// In which modes.
        modes: OneOrMany<String>,
        /// Whether graphs inside are told too.
        #[serde(default)]
        subgraphs: bool,
        /// The form of the parts.
        #[serde(default)]
        version: Option<Version>,
        /// The run.
        #[serde(flatten)]
        run: GraphRun,
    },
    /// The events of a run.
    Events {
        /// Which ones.
        #[serde(default)]
        filter: EventFilter,
        /// Their form.
        #[serde(default)]
        version: Option<Version>,
        /// The run.
        #[serde(flatten)]
        run: GraphRun,
    },
    /// Runs and returns the state.
    Invoke {
        /// The run.
        #[serde(flatten)]
        run: GraphRun,
    },
    /// Reads the state of a thread.
    State {
        /// Whether the states of graphs inside are in it.
        #[serde(default)]
        subgraphs: bool,
        /// The thread, `t1` if not given.
        #[serde(default)]
        thread: Option<String>,
        /// Which checkpoint.
        #[serde(default)]
        at: Option<At>,
        /// The configuration.
        #[serde(default)]
        config: Config,
    },
    /// Reads the history of a thread, newest first.
    History {
        /// At most so many.
        #[serde(default)]
        limit: Option<usize>,
        /// By their metadata.
        #[serde(default)]
        filter: Option<Map<String, Value>>,
        /// The thread, `t1` if not given.
        #[serde(default)]
        thread: Option<String>,
        /// Only those before this one.
        #[serde(default)]
        at: Option<At>,
        /// The configuration.
        #[serde(default)]
        config: Config,
    },
    /// Writes to the state of a thread.
    Update {
        /// What.
        values: Expression,
        /// As which node.
        #[serde(default)]
        as_node: Option<String>,
        /// The thread, `t1` if not given.
        #[serde(default)]
        thread: Option<String>,
        /// Onto which checkpoint.
        #[serde(default)]
        at: Option<At>,
        /// The configuration.
        #[serde(default)]
        config: Config,
    },
}
