//! States as outputs write them.

use millstream::Message;
use serde::Deserialize;
use serde_json::Value;

use crate::message::message_json;

/// A value in which messages that agents wrote are as outputs write them: with their calls beside the content. Others stay as they are.
pub(super) fn as_reference(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(as_reference).collect(),
        Value::Object(fields) if fields.contains_key("finish") && fields.contains_key("content") => {
            Message::deserialize(value).map_or_else(|_| value.clone(), |message| message_json(&message))
        }
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, field)| (name.clone(), as_reference(field))).collect())
        }
        other => other.clone(),
    }
}
