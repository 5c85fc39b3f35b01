//! Values inside events.

use std::collections::HashMap;

use millstream_core::{AiMessageChunk, Message};
use serde_json::{Value, json};

use super::EventForm;

/// Writes values in which there may be messages.
pub(super) struct Shown<'a, F> {
    pub(super) form: &'a F,
    /// The sums of the pieces of messages that were streamed, inside and before, by the messages' ids: these are shown as that.
    pub(super) sums: [Option<&'a HashMap<String, Value>>; 2],
}

impl<F: EventForm> Shown<'_, F> {
    /// A value: a conversation alone is an object of messages, one inside an object stays a list.
    pub(super) fn value(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) if !items.is_empty() && items.iter().all(is_message) => {
                self.conversation(value).map_or_else(|| value.clone(), |messages| json!({ "messages": messages }))
            }
            value if is_message(value) => self.message(value).unwrap_or_else(|| value.clone()),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(name, field)| (name.clone(), self.field(field))).collect())
            }
            other => other.clone(),
        }
    }

    /// A value inside an object.
    pub(super) fn field(&self, value: &Value) -> Value {
        match self.conversation(value).filter(|list| !list.is_empty()) {
            Some(list) => Value::Array(list),
            None => self.message(value).unwrap_or_else(|| value.clone()),
        }
    }

    /// Messages, if a value is a list of them.
    pub(super) fn conversation(&self, value: &Value) -> Option<Vec<Value>> {
        value.as_array()?.iter().map(|item| self.message(item)).collect()
    }

    /// A message, or a piece of one, if a value is that.
    fn message(&self, value: &Value) -> Option<Value> {
        if !is_message(value) {
            return None;
        }
        if value["type"] == "AIMessageChunk" {
            let chunk = serde_json::from_value::<AiMessageChunk>(value.clone()).ok()?;
            return Some(self.form.chunk(&chunk));
        }
        let id = value.get("id").and_then(Value::as_str);
        let sum = id.and_then(|id| self.sums.iter().flatten().find_map(|sums| sums.get(id)));
        if let Some(sum) = sum {
            return Some(sum.clone());
        }
        serde_json::from_value::<Message>(value.clone()).ok().map(|message| self.form.message(&message))
    }
}

fn is_message(value: &Value) -> bool {
    value.get("type").is_some() && value.get("content").is_some()
}
