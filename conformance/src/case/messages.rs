//! Functions on messages.

use serde::Deserialize;
use serde_json::Value;

mod options;

pub use options::{
    BufferOptions, FilterOptions, Format, OpenAiOptions, OpenAiTexts, RunOptions, Strategy, ToolCallsOut, TrimCounter,
    TrimOptions,
};

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
        options: FilterOptions,
    },
    /// Joins neighbours of one role.
    MergeRuns {
        /// The conversation.
        messages: Vec<Value>,
        /// How.
        #[serde(default)]
        options: RunOptions,
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
        options: OpenAiOptions,
    },
    /// Writes a conversation as one text.
    BufferString {
        /// What is written.
        messages: Vec<Value>,
        /// How.
        #[serde(default)]
        options: BufferOptions,
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
