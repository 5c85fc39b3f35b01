//! Tool calls in the JSON of a message: in lists of their own, in LangChain's form or in OpenAI's, or only among what a provider said.

use serde_json::Value;

use super::form::read_field;
use super::{Block, Fields, ToolCallChunk};
use crate::event::Metadata;

/// The calls of the lists that messages have for them, in LangChain's form or in OpenAI's.
pub(super) fn listed(fields: &mut Metadata) -> Result<Vec<Block>, String> {
    let mut calls = Vec::new();
    for call in read_field::<Vec<Value>>(fields, "tool_calls")?.unwrap_or_default() {
        calls.push(match of_function(&call) {
            Some(call) => call,
            None => Block::ToolCall(
                serde_json::from_value(call).map_err(|error| format!("not a message: a tool call: {error}"))?,
            ),
        });
    }
    for call in read_field::<Vec<Value>>(fields, "invalid_tool_calls")?.unwrap_or_default() {
        let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        calls.push(Block::InvalidToolCall {
            id: text("id"),
            name: text("name"),
            args: text("args"),
            error: text("error"),
        });
    }
    Ok(calls)
}

/// A call in OpenAI's form.
fn of_function(call: &Value) -> Option<Block> {
    let function = call.get("function")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let arguments = match &function["arguments"] {
        Value::String(arguments) => arguments.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    Some(Block::call(text(&call["id"]), text(&function["name"]), arguments))
}

/// The calls of an answer that has no list of them: as OpenAI sent them.
pub(super) fn of_provider(additional_kwargs: &Fields) -> Vec<Block> {
    let call = |call: &Value| match of_function(call)? {
        // LangChain does not say what is wrong with a call that it finds here.
        Block::InvalidToolCall { id, name, args, .. } => {
            Some(Block::InvalidToolCall { id, name, args, error: String::new() })
        }
        call => Some(call),
    };
    raw(additional_kwargs).iter().filter_map(call).collect()
}

/// The same of a piece of an answer.
pub(super) fn pieces_of_provider(additional_kwargs: &Fields) -> Vec<ToolCallChunk> {
    let piece = |call: &Value| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let function = &call["function"];
        ToolCallChunk {
            name: text(&function["name"]),
            args: text(&function["arguments"]),
            id: text(&call["id"]),
            index: call["index"].clone(),
        }
    };
    raw(additional_kwargs).iter().map(piece).collect()
}

fn raw(additional_kwargs: &Fields) -> &[Value] {
    additional_kwargs.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
