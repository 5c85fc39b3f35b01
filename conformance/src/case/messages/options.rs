//! Options of the functions on messages.

use serde::{Deserialize, Deserializer};

use crate::case::graph::OneOrMany;

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
    /// The estimate of the reference.
    Approximate,
}

/// Which messages are taken.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterOptions {
    /// Names that are taken.
    #[serde(deserialize_with = "nothing_if_null")]
    pub include_names: Vec<String>,
    /// Names that are left out.
    #[serde(deserialize_with = "nothing_if_null")]
    pub exclude_names: Vec<String>,
    /// Types that are taken.
    #[serde(deserialize_with = "nothing_if_null")]
    pub include_types: Vec<String>,
    /// Types that are left out.
    #[serde(deserialize_with = "nothing_if_null")]
    pub exclude_types: Vec<String>,
    /// Ids that are taken.
    #[serde(deserialize_with = "nothing_if_null")]
    pub include_ids: Vec<String>,
    /// Ids that are left out.
    #[serde(deserialize_with = "nothing_if_null")]
    pub exclude_ids: Vec<String>,
    /// Tool calls that are left out.
    pub exclude_tool_calls: Option<ToolCallsOut>,
}

/// Which tool calls are left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ToolCallsOut {
    /// All or none.
    All(bool),
    /// Those with these ids.
    Ids(Vec<String>),
}

/// How neighbours are joined.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunOptions {
    /// What comes between two texts.
    pub chunk_separator: String,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { chunk_separator: "\n".to_owned() }
    }
}

/// How OpenAI's form is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiOptions {
    /// How texts are written.
    pub text_format: OpenAiTexts,
    /// Whether ids are written.
    pub include_id: bool,
    /// Whether blocks that nobody knows are written.
    pub pass_through_unknown_blocks: bool,
}

impl Default for OpenAiOptions {
    fn default() -> Self {
        Self { text_format: OpenAiTexts::default(), include_id: false, pass_through_unknown_blocks: true }
    }
}

/// How texts are written in OpenAI's form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenAiTexts {
    /// As a text.
    #[default]
    String,
    /// As blocks.
    Block,
}

/// How a conversation is written as one text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BufferOptions {
    /// What stands for a person.
    pub human_prefix: Option<String>,
    /// What stands for the model.
    pub ai_prefix: Option<String>,
    /// What stands for instructions.
    pub system_prefix: Option<String>,
    /// What stands for the result of a function.
    pub function_prefix: Option<String>,
    /// What stands for the result of a tool.
    pub tool_prefix: Option<String>,
    /// What is between two messages.
    pub message_separator: Option<String>,
    /// The form of a message.
    pub format: Format,
}

/// The form of a message in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Who speaks, then the text.
    #[default]
    Prefix,
    /// An element.
    Xml,
}

fn nothing_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
