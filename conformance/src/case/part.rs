//! Models, tools and configuration, as a case writes them.

use std::collections::BTreeMap;

use millstream::AiMessageChunk;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::op::{FailureKind, Op};
use crate::expression::Expression;

/// A model that says what the case says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelScript {
    /// The model's name, `scripted-1` if not given.
    pub name: Option<String>,
    /// What it says, call by call; the last one repeats.
    pub responses: Vec<Vec<ScriptItem>>,
    /// What it says when the last message contains a text; the first match counts.
    pub by_input: Vec<(String, Vec<ScriptItem>)>,
    /// `false`: it never says anything piece by piece.
    pub streaming: Option<bool>,
    /// Only told in metadata.
    pub temperature: Option<Value>,
    /// Only told in metadata.
    pub max_tokens: Option<Value>,
    /// Tags of its runs.
    pub tags: Vec<String>,
    /// Metadata of its runs.
    pub metadata: Map<String, Value>,
}

/// One thing that a scripted model does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub enum ScriptItem {
    /// Says a piece.
    Chunk(Box<AiMessageChunk>),
    /// Waits so many milliseconds.
    Sleep(u64),
    /// Fails.
    Raise {
        /// With this text.
        message: String,
        /// As this type.
        kind: FailureKind,
    },
}

impl TryFrom<Map<String, Value>> for ScriptItem {
    type Error = String;

    fn try_from(fields: Map<String, Value>) -> Result<Self, String> {
        if let Some(sleep) = fields.get("sleep") {
            return sleep
                .as_f64()
                .map(|sleep| Self::Sleep(sleep as u64))
                .ok_or_else(|| "a sleep is a number".to_owned());
        }
        if let Some(message) = fields.get("raise") {
            let message = message.as_str().ok_or("what a model raises is a text")?.to_owned();
            let kind = match fields.get("type") {
                Some(kind) => FailureKind::deserialize(kind).map_err(|error| error.to_string())?,
                None => FailureKind::default(),
            };
            return Ok(Self::Raise { message, kind });
        }
        if fields.contains_key("content") {
            let chunk = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
            return Ok(Self::Chunk(Box::new(chunk)));
        }
        Err("a chunk of a model has content, sleep or raise".to_owned())
    }
}

/// A tool.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tool {
    /// What it says it does.
    pub description: String,
    /// Its arguments.
    pub args: BTreeMap<String, ArgumentType>,
    /// What it does before it returns.
    pub ops: Vec<Op>,
    /// What it returns.
    #[serde(rename = "return")]
    pub result: Option<Expression>,
    /// Whether its result ends the agent.
    pub return_direct: bool,
    /// Whether (or with which text) its failure is an answer to the model.
    pub handle_tool_error: Option<Value>,
}

/// An argument of a tool.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ArgumentType {
    /// One that must be given.
    Required(ArgumentKind),
    /// One that need not be given.
    Optional(OptionalArgument),
}

/// An argument with a value for when it is not given.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionalArgument {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ArgumentKind,
    /// What it is when it is not given.
    #[serde(default)]
    pub default: Value,
}

impl ArgumentType {
    /// What the argument is.
    pub fn kind(&self) -> ArgumentKind {
        match self {
            Self::Required(kind) => *kind,
            Self::Optional(optional) => optional.kind,
        }
    }

    /// What it is when it is not given.
    pub fn default(&self) -> Option<&Value> {
        match self {
            Self::Required(_) => None,
            Self::Optional(optional) => Some(&optional.default),
        }
    }
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgumentKind {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An object.
    Object,
    /// A list.
    Array,
    /// The id of the call, which the model does not give.
    ToolCallId,
}

/// What a call says about the run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// At most so many supersteps.
    pub recursion_limit: Option<i64>,
    /// Tags of the run and of what runs inside.
    pub tags: Vec<String>,
    /// Metadata of the run and of what runs inside.
    pub metadata: Map<String, Value>,
    /// The run's name.
    pub run_name: Option<String>,
    /// At most so many at a time.
    pub max_concurrency: Option<usize>,
}
