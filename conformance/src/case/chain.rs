//! Chains and what is done with them.

use millstream::EventFilter;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::graph::OneOrMany;
use super::op::Op;
use super::part::Config;
use crate::expression::Expression;

/// A runnable.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case", deny_unknown_fields)]
pub enum Spec {
    /// Steps, one after the other.
    Seq {
        /// The steps.
        steps: Vec<Spec>,
        /// Its name.
        #[serde(default)]
        name: Option<String>,
    },
    /// A prompt of messages.
    Prompt {
        /// What it is made of.
        messages: Vec<PromptItem>,
        /// Variables that are already known.
        #[serde(default)]
        partial: Option<Map<String, Value>>,
        /// `mustache`, or braces.
        #[serde(default)]
        format: Option<String>,
    },
    /// A prompt that is one text.
    StringPrompt {
        /// The template.
        template: String,
    },
    /// A model of the case.
    Model {
        /// Which one.
        model: String,
    },
    /// The parser that takes the text.
    Str,
    /// The parser of JSON.
    Json,
    /// The parser of lists separated by commas.
    List,
    /// Several runnables on one input.
    Parallel {
        /// The keys and what each runs, in the order of the case.
        steps: Vec<(String, Spec)>,
    },
    /// What comes goes.
    Passthrough,
    /// Adds keys to an object.
    Assign {
        /// The keys and what each runs, in the order of the case.
        steps: Vec<(String, Spec)>,
    },
    /// Takes keys out of an object.
    Pick {
        /// One gives its value, a list an object.
        keys: OneOrMany<String>,
    },
    /// A function.
    Lambda {
        /// What it gives.
        #[serde(rename = "do")]
        body: Expression,
        /// What it does before.
        #[serde(default)]
        ops: Vec<Op>,
        /// Its name.
        #[serde(default)]
        name: Option<String>,
    },
    /// A function of each chunk.
    Gen {
        /// What it gives for a chunk.
        #[serde(rename = "do")]
        body: Expression,
        /// Its name.
        #[serde(default)]
        name: Option<String>,
    },
    /// The first branch whose condition holds.
    Branch {
        /// Conditions and runnables.
        branches: Vec<Branch>,
        /// What runs if none holds.
        default: Box<Spec>,
    },
    /// A runnable, and what runs when it fails.
    Fallbacks {
        /// The runnable.
        main: Box<Spec>,
        /// What runs instead, in order.
        fallbacks: Vec<Spec>,
        /// For which failures; without it for all.
        #[serde(default)]
        on: Option<Vec<String>>,
        /// The input's key that tells a fallback of the failure.
        #[serde(default)]
        exception_key: Option<String>,
    },
    /// A runnable that is tried again.
    Retry {
        /// The runnable.
        main: Box<Spec>,
        /// At most so many times, the first included.
        #[serde(default)]
        attempts: Option<u32>,
        /// For which failures; without it for all.
        #[serde(default)]
        on: Option<Vec<String>>,
    },
    /// A runnable with arguments.
    Bind {
        /// The runnable.
        main: Box<Spec>,
        /// The arguments.
        kwargs: Map<String, Value>,
    },
    /// A runnable with a configuration.
    Config {
        /// The runnable.
        main: Box<Spec>,
        /// The configuration.
        config: Config,
    },
    /// Finds documents by the words of a query.
    Retriever(Documents),
    /// A tool of the case.
    Tool {
        /// Which one.
        tool: String,
    },
    /// A runnable for each element of a list.
    Each {
        /// The runnable.
        main: Box<Spec>,
    },
    /// A graph of the case.
    Graph {
        /// Which one.
        graph: String,
    },
}

/// A branch: its condition, and what runs.
pub type Branch = (Expression, Spec);

/// What a retriever finds things in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    /// The documents: objects with `page_content` and `metadata`.
    pub documents: Vec<Value>,
    /// Tags of its runs.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Metadata of its runs.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// A piece of a prompt.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum PromptItem {
    /// A role and a template.
    Template(String, Value),
    /// The messages of a variable.
    Placeholder {
        /// The variable.
        placeholder: String,
        /// Whether it may be absent.
        #[serde(default)]
        optional: bool,
    },
    /// A message as it is.
    Message(Map<String, Value>),
}

/// A step of a chain case.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ChainStep {
    /// Runs and returns the output.
    Invoke {
        /// The input.
        input: Value,
        /// The configuration.
        #[serde(default)]
        config: Config,
    },
    /// Runs and tells the chunks of the output.
    Stream {
        /// The input.
        input: Value,
        /// The configuration.
        #[serde(default)]
        config: Config,
    },
    /// Runs for several inputs.
    Batch {
        /// The inputs.
        inputs: Vec<Value>,
        /// The configuration.
        #[serde(default)]
        config: Config,
        /// Whether a failure is one of the outputs.
        #[serde(default)]
        return_exceptions: bool,
    },
    /// Runs and tells all events.
    Events {
        /// The input.
        input: Value,
        /// The configuration.
        #[serde(default)]
        config: Config,
        /// Which events.
        #[serde(default)]
        filter: EventFilter,
        /// The form of the events.
        #[serde(default)]
        version: Option<super::Version>,
    },
}
