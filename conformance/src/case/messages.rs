//! Functions on messages.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::graph::OneOrMany;

/// A step of a messages case. Messages are read by what takes them, since some are wrong on purpose.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum MessagesStep {
    /// Adds chunks up.
    Merge {
        /// The chunks.
        chunks: Vec<Value>,
    },
    /// The reducer of conversations.
    AddMessages {
        /// What is there.
        left: Value,
        /// What is added, one after the other.
        rights: Vec<Value>,
    },
    /// Cuts a conversation to a budget.
    Trim {
        /// The conversation.
        messages: Vec<Value>,
        /// How.
        options: TrimOptions,
    },
    /// Takes some messages.
    Filter {
        /// The conversation.
        messages: Vec<Value>,
        /// Which ones.
        options: Map<String, Value>,
    },
    /// Joins neighbours of one role.
    MergeRuns {
        /// The conversation.
        messages: Vec<Value>,
        /// How.
        #[serde(default)]
        options: Map<String, Value>,
    },
    /// Reads messages in any form.
    Convert {
        /// What is read.
        inputs: Vec<Value>,
    },
    /// Writes the form of dicts.
    ToDict {
        /// What is written.
        messages: Vec<Value>,
    },
    /// Reads the form of dicts.
    FromDict {
        /// What is read.
        dicts: Vec<Value>,
    },
    /// Writes the form of constructors.
    Dumps {
        /// What is written.
        messages: Vec<Value>,
    },
    /// Reads the form of constructors.
    Loads {
        /// What is read.
        dicts: Vec<Value>,
    },
    /// Writes OpenAI's form.
    ToOpenai {
        /// What is written.
        messages: Vec<Value>,
        /// How.
        #[serde(default)]
        options: Map<String, Value>,
    },
    /// Writes a conversation as one text.
    BufferString {
        /// What is written.
        messages: Vec<Value>,
        /// How.
        #[serde(default)]
        options: Map<String, Value>,
    },
    /// The texts.
    Text {
        /// Of these messages.
        messages: Vec<Value>,
    },
    /// The standard content blocks.
    ContentBlocks {
        /// Of these messages.
        messages: Vec<Value>,
    },
    /// Adds two usages.
    AddUsage {
        /// One.
        left: Value,
        /// The other.
        right: Value,
    },
    /// Subtracts one usage from another.
    SubtractUsage {
        /// From this.
        left: Value,
        /// This.
        right: Value,
    },
}

/// How a conversation is cut.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrimOptions {
    /// The budget.
    pub max_tokens: i64,
    /// Which end is kept.
    #[serde(default)]
    pub strategy: Strategy,
    /// What counts as a token.
    #[serde(default)]
    pub counter: TrimCounter,
    /// Whether the system message is kept.
    #[serde(default)]
    pub include_system: bool,
    /// Whether a message may be kept in part.
    #[serde(default)]
    pub allow_partial: bool,
    /// What the result begins with.
    #[serde(default)]
    pub start_on: Option<OneOrMany<String>>,
    /// What the result ends with.
    #[serde(default)]
    pub end_on: Option<OneOrMany<String>>,
}

/// Which end of a conversation is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The first messages.
    First,
    /// The last messages.
    #[default]
    Last,
}

/// What counts as a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrimCounter {
    /// Each message.
    #[default]
    Count,
    /// Each word.
    Words,
}
