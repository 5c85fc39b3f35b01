//! Two more forms in which LangChain keeps messages: `{"type", "data"}`, and the form of constructors,
//! `{"lc": 1, "type": "constructor", "id": [.., class], "kwargs": {..}}`.

use serde_json::{Value, json};

use super::{AiMessageChunk, Message, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Metadata;

impl Message {
    /// The message as LangChain's `messages_to_dict` writes it: all fields of its class, also the empty ones.
    ///
    /// ```
    /// use millstream_core::Message;
    ///
    /// let dict = Message::human("hi").to_dict();
    /// assert_eq!((&dict["type"], &dict["data"]["content"], &dict["data"]["name"]), (&"human".into(), &"hi".into(), &().into()));
    /// assert_eq!(Message::from_dict(&dict)?, Message::human("hi"));
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    pub fn to_dict(&self) -> Value {
        let mut data = json!(self);
        let defaults = [
            ("additional_kwargs", json!({})),
            ("response_metadata", json!({})),
            ("id", json!(null)),
            ("name", json!(null)),
        ];
        let of_tool = [("artifact", json!(null)), ("status", json!("success"))];
        let of_model = [("tool_calls", json!([])), ("invalid_tool_calls", json!([])), ("usage_metadata", json!(null))];
        let of_class = match self.role {
            Role::Ai => of_model.as_slice(),
            Role::Tool => of_tool.as_slice(),
            _ => &[],
        };
        with_defaults(&mut data, defaults.iter().chain(of_class));
        json!({"type": self.role, "data": data})
    }

    /// Reads what [`to_dict`](Self::to_dict) writes.
    ///
    /// # Errors
    /// `invalid_input` if it is no message.
    pub fn from_dict(dict: &Value) -> Result<Self> {
        let mut data = dict.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
        data.insert("type".to_owned(), dict.get("type").cloned().unwrap_or_default());
        serde_json::from_value(Value::Object(data))
            .map_err(|error| Error::new(ErrorKind::InvalidInput, error.to_string()))
    }

    /// The message as LangChain's `dumps` writes it. It is read like any other form of a message.
    ///
    /// ```
    /// use millstream_core::Message;
    ///
    /// let message = Message::tool("call_1", "sunny");
    /// let dumped = message.to_constructor();
    /// assert_eq!(dumped["id"][3], "ToolMessage");
    /// assert_eq!(serde_json::from_value::<Message>(dumped)?, message);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn to_constructor(&self) -> Value {
        let mut kwargs = json!(self);
        let defaults: &[(&str, Value)] = match self.role {
            Role::Ai => &[("tool_calls", json!([])), ("invalid_tool_calls", json!([]))],
            Role::Tool => &[("status", json!("success"))],
            _ => &[],
        };
        with_defaults(&mut kwargs, defaults);
        let class = match self.role {
            Role::System => "SystemMessage",
            Role::Human => "HumanMessage",
            Role::Ai => "AIMessage",
            Role::Tool => "ToolMessage",
            Role::Function => "FunctionMessage",
            Role::Chat => "ChatMessage",
            Role::Remove => "RemoveMessage",
        };
        constructor(class, &kwargs)
    }
}

impl AiMessageChunk {
    /// The piece as LangChain's `messages_to_dict` writes it.
    pub fn to_dict(&self) -> Value {
        let mut data = json!(self);
        let lists = ["tool_calls", "invalid_tool_calls", "tool_call_chunks"].map(|name| (name, json!([])));
        let objects = ["additional_kwargs", "response_metadata"].map(|name| (name, json!({})));
        let others = ["id", "name", "usage_metadata", "chunk_position"].map(|name| (name, json!(null)));
        with_defaults(&mut data, lists.iter().chain(&objects).chain(&others));
        json!({"type": "AIMessageChunk", "data": data})
    }

    /// The piece as LangChain's `dumps` writes it.
    pub fn to_constructor(&self) -> Value {
        let mut kwargs = json!(self);
        with_defaults(&mut kwargs, &[("tool_calls", json!([])), ("invalid_tool_calls", json!([]))]);
        constructor("AIMessageChunk", &kwargs)
    }
}

fn constructor(class: &str, kwargs: &Value) -> Value {
    json!({"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", class], "kwargs": kwargs})
}

fn with_defaults<'a>(value: &mut Value, defaults: impl IntoIterator<Item = &'a (&'a str, Value)>) {
    let Some(fields) = value.as_object_mut() else { return };
    for (name, default) in defaults {
        fields.entry(*name).or_insert_with(|| default.clone());
    }
}

/// The type and the fields of a message in the form of constructors.
pub(super) fn opened(fields: &Metadata) -> Option<(&'static str, Metadata)> {
    if fields.get("lc")? != 1 || fields.get("type")? != "constructor" {
        return None;
    }
    let class = fields.get("id")?.as_array()?.last()?.as_str()?;
    let kwargs = fields.get("kwargs")?.as_object()?;
    Some((kind_of(class)?, kwargs.clone()))
}

fn kind_of(class: &str) -> Option<&'static str> {
    Some(match class {
        "AIMessageChunk" => "AIMessageChunk",
        "AIMessage" => "ai",
        "HumanMessage" | "HumanMessageChunk" => "human",
        "SystemMessage" | "SystemMessageChunk" => "system",
        "ToolMessage" | "ToolMessageChunk" => "tool",
        "FunctionMessage" | "FunctionMessageChunk" => "function",
        "ChatMessage" | "ChatMessageChunk" => "chat",
        "RemoveMessage" => "remove",
        _ => return None,
    })
}
