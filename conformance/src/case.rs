//! The file of a case, as types. A field or a construct that is not known here is an error of reading, so that it is skipped with a
//! reason and never misunderstood.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

mod chain;
mod graph;
mod messages;
mod op;
mod order;
mod part;

pub use chain::{Branch as ChainBranch, ChainStep, Documents, PromptItem, Spec};
pub use graph::{
    At, Branch, Checkpointer, Command, Durability, Graph, GraphRun, GraphStep, Node, NodeBody, NodeNames, OneOrMany,
    Prebuilt, PrebuiltKind, Retry, Shape, Version,
};
pub use messages::{
    BufferOptions, FilterOptions, Format, MessagesStep, OpenAiOptions, OpenAiTexts, RunOptions, Strategy, ToolCallsOut,
    TrimCounter, TrimOptions,
};
pub use op::{FailureKind, Op, Via};
pub use order::read_in_order;
pub use part::{ArgumentKind, ArgumentType, Config, ModelScript, ScriptItem, Tool};

/// A case: what there is, and what is done with it.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Case {
    /// Graphs that run, stream, stop and go on.
    Graph(GraphCase),
    /// A chain that runs and streams.
    Chain(ChainCase),
    /// Functions on messages.
    Messages(MessagesCase),
}

/// What every case says of itself.
#[derive(Debug, Deserialize)]
pub struct About {
    /// The case's name.
    pub name: String,
    /// What it shows.
    #[serde(default)]
    pub about: String,
    /// The features that it touches.
    #[serde(default)]
    pub covers: Vec<String>,
}

/// A case of graphs.
#[derive(Debug, Deserialize)]
pub struct GraphCase {
    /// What the case says of itself.
    #[serde(flatten)]
    pub about: About,
    /// Whether parallel work is timed with sleeps, and the recorded order is required.
    #[serde(default)]
    pub order: Option<Order>,
    /// What models, tools, graphs and chains there are.
    #[serde(flatten)]
    pub parts: Parts,
    /// What is done.
    pub steps: Vec<GraphStep>,
}

/// A case of one chain.
#[derive(Debug, Deserialize)]
pub struct ChainCase {
    /// What the case says of itself.
    #[serde(flatten)]
    pub about: About,
    /// Whether parallel work is timed with sleeps, and the recorded order is required.
    #[serde(default)]
    pub order: Option<Order>,
    /// What models, tools, graphs and further chains there are.
    #[serde(flatten)]
    pub parts: Parts,
    /// The chain.
    pub chain: Spec,
    /// What is done.
    pub steps: Vec<ChainStep>,
}

/// A case of functions on messages.
#[derive(Debug, Deserialize)]
pub struct MessagesCase {
    /// What the case says of itself.
    #[serde(flatten)]
    pub about: About,
    /// What is done.
    pub steps: Vec<MessagesStep>,
}

/// Whether the order of parallel work is part of the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// It is: sleeps decide it.
    Strict,
}

/// The named things of a case. They live as long as the case.
#[derive(Debug, Default, Deserialize)]
pub struct Parts {
    /// Scripted models.
    #[serde(default)]
    pub models: BTreeMap<String, ModelScript>,
    /// Tools.
    #[serde(default)]
    pub tools: BTreeMap<String, Tool>,
    /// Graphs; the one that the steps use is `main`.
    #[serde(default)]
    pub graphs: BTreeMap<String, Graph>,
    /// Runnables for the `chain` op.
    #[serde(default)]
    pub chains: BTreeMap<String, Spec>,
}

const CASE_FIELDS: [&str; 11] =
    ["name", "kind", "about", "covers", "order", "models", "tools", "graphs", "chains", "chain", "steps"];

const GRAPH_STEP_FIELDS: [&str; 18] = [
    "do",
    "thread",
    "config",
    "at",
    "input",
    "command",
    "interrupt_before",
    "interrupt_after",
    "durability",
    "output_keys",
    "modes",
    "subgraphs",
    "version",
    "filter",
    "limit",
    "values",
    "as_node",
    "mask",
];

impl Case {
    /// Reads a case.
    ///
    /// # Errors
    /// A sentence that says which construct is not understood.
    pub fn read(document: Value) -> Result<Self, String> {
        let unknown =
            document.as_object().and_then(|fields| fields.keys().find(|name| !CASE_FIELDS.contains(&name.as_str())));
        if let Some(name) = unknown {
            return Err(format!("a case has no field {name:?} here"));
        }
        if document.get("kind").and_then(Value::as_str) == Some("graph") {
            let steps = document.get("steps").and_then(Value::as_array).into_iter().flatten();
            let mut names = steps.filter_map(Value::as_object).flat_map(|step| step.keys());
            if let Some(name) = names.find(|name| !GRAPH_STEP_FIELDS.contains(&name.as_str())) {
                return Err(format!("a step has no field {name:?} here"));
            }
        }
        serde_json::from_value(document).map_err(|error| format!("the case is not understood: {error}"))
    }

    /// The case's name, also of one that cannot be read.
    pub fn name_of(document: &Value) -> String {
        document.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// What the case says of itself.
    pub fn about(&self) -> &About {
        match self {
            Self::Graph(case) => &case.about,
            Self::Chain(case) => &case.about,
            Self::Messages(case) => &case.about,
        }
    }
}
