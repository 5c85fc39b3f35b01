//! Commands of tools: changes of a graph's state, by what does not know its type.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, REMOVE_ALL, ToolCall};

/// The field of a state that holds its conversation.
const MESSAGES: &str = "messages";

/// A change of a graph's state, made by a tool that does not know the state's type: LangGraph's `Command` as what a tool returns.
///
/// To the graph that the tool runs in, the update has to bring the result of the call, since every call needs one.
///
/// ```
/// use millstream_core::{Message, ToolCommand};
///
/// let done = Message::tool("call_1", "Noted.");
/// let command = ToolCommand::update("messages", [done]).and_update("mood", "fine").goto("editor");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ToolCommand {
    /// What changes: fields of the state, by name.
    pub update: Map<String, Value>,
    /// Where to go, besides along the edges.
    pub goto: Vec<Goto>,
    /// Whether it is for the graph around the one that the tool runs in.
    pub parent: bool,
}

/// Where a [`ToolCommand`] goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Goto {
    /// To a node, with the graph's state.
    Node(String),
    /// To a node, with a state of its own.
    Send {
        /// The node.
        node: String,
        /// The state.
        state: Value,
    },
}

impl ToolCommand {
    /// A command that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes `value` to the field `key` of the state. A value that cannot be JSON is written as null, which the state then refuses.
    pub fn update(key: impl Into<String>, value: impl Serialize) -> Self {
        Self::new().and_update(key, value)
    }

    /// Writes another field.
    #[must_use]
    pub fn and_update(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.update.insert(key.into(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// Goes to a node as well.
    #[must_use]
    pub fn goto(mut self, node: impl Into<String>) -> Self {
        self.goto.push(Goto::Node(node.into()));
        self
    }

    /// Speaks to the graph around the one that the tool runs in.
    #[must_use]
    pub fn parent(self) -> Self {
        Self { parent: true, ..self }
    }

    /// The command with its result of `call` under the tool's name.
    ///
    /// # Errors
    /// `invalid_input` if a command for the tool's own graph brings no such result.
    pub(super) fn answering(mut self, call: &ToolCall) -> Result<Self> {
        let messages = match self.update.get_mut(MESSAGES) {
            Some(Value::Array(items)) => items.as_mut_slice(),
            Some(one) => std::slice::from_mut(one),
            None => &mut [],
        };
        let forgets_all = matches!(&*messages, [only] if only["type"] == "remove" && only["id"] == REMOVE_ALL);
        let mut answers = self.parent || forgets_all;
        for message in messages.iter_mut().filter(|message| message["tool_call_id"] == call.id) {
            message["name"] = call.name.as_str().into();
            answers = true;
        }
        if answers {
            return Ok(self);
        }
        let message = format!(
            "the tool {:?} returned a command without the result of its call, and every call needs one; write \
             `Message::tool(call.id, \"...\")` to the field {MESSAGES:?} in its update",
            call.name
        );
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    /// What it brings as the result of `call`.
    pub(super) fn result_of(&self, call: &ToolCall) -> Message {
        let messages = self.update.get(MESSAGES).and_then(Value::as_array);
        let found = messages.into_iter().flatten().find(|message| message["tool_call_id"] == call.id);
        let read = found.and_then(|message| serde_json::from_value(message.clone()).ok());
        read.unwrap_or_else(|| Message { name: Some(call.name.clone()), ..Message::tool(&call.id, "") })
    }

    /// The command as outputs of LangGraph are written.
    pub fn to_value(&self) -> Value {
        let mut fields = Map::new();
        if !self.update.is_empty() {
            fields.insert("update".to_owned(), Value::Object(self.update.clone()));
        }
        let mut goto: Vec<Value> = self.goto.iter().map(Goto::to_value).collect();
        match goto.len() {
            0 => {}
            1 => drop(fields.insert("goto".to_owned(), goto.remove(0))),
            _ => drop(fields.insert("goto".to_owned(), Value::Array(goto))),
        }
        if self.parent {
            fields.insert("graph".to_owned(), "__parent__".into());
        }
        serde_json::json!({ "$command": fields })
    }
}

impl Goto {
    /// To `node`, with `state`.
    pub fn send(node: impl Into<String>, state: impl Into<Value>) -> Self {
        Self::Send { node: node.into(), state: state.into() }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Node(node) => node.as_str().into(),
            Self::Send { node, state } => serde_json::json!({ "$send": { "node": node, "arg": state } }),
        }
    }
}
