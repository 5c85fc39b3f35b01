//! Messages as the cases and the outputs write them.

use millstream::{Block, Message, Role, Usage, UsageSource};
use serde_json::{Map, Value, json};

mod partial_json;
mod pieces;

pub use pieces::{Pieces, add_up, whole_message};

/// The text of a message: its content, or the texts in it.
pub fn text_of(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => blocks.iter().filter_map(block_text).collect(),
        _ => String::new(),
    }
}

fn block_text(block: &Value) -> Option<&str> {
    block.as_str().or_else(|| {
        let is_text = block.get("type").and_then(Value::as_str) == Some("text");
        block.get("text").and_then(Value::as_str).filter(|_| is_text)
    })
}

/// Reads a message in any of the forms that cases write.
///
/// # Errors
/// What is wrong with it, or what of it a [`Message`] has no place for: nothing is lost in silence.
pub fn read_message(value: &Value) -> Result<Message, String> {
    let mut form = value.clone();
    if let Some(fields) = form.as_object_mut() {
        if fields.get("type").and_then(Value::as_str) == Some("AIMessageChunk") {
            fields.insert("type".to_owned(), "ai".into());
        }
        if let Some(usage) = fields.remove("usage_metadata").filter(|usage| !usage.is_null()) {
            fields.insert("usage_metadata".to_owned(), json!(read_usage(&usage)?));
        }
        fields.retain(|_, field| !is_nothing(field));
        fields.entry("content").or_insert_with(|| "".into());
    }
    let message: Message = serde_json::from_value(form).map_err(|error| error.to_string())?;
    if let Some(given) = value.as_object() {
        let kept = message_json(&message);
        let lost = given.iter().find(|(name, field)| {
            let renamed =
                matches!(name.as_str(), "type" | "role" | "example") || (*name == "status" && *field == "success");
            !renamed && !is_nothing(field) && !same(kept.get(name), field)
        });
        if let Some((name, field)) = lost {
            return Err(format!("a message has no place for {name} = {field} yet"));
        }
    }
    Ok(message)
}

/// Whether a kept field says what the given one said.
fn same(kept: Option<&Value>, given: &Value) -> bool {
    let Some(kept) = kept else { return false };
    match (kept, given) {
        (Value::Array(kept), Value::Array(given)) => {
            kept.len() == given.len() && kept.iter().zip(given).all(|(kept, given)| same(Some(kept), given))
        }
        (Value::Object(kept), Value::Object(given)) => given
            .iter()
            .filter(|(name, field)| *name != "type" && !is_nothing(field))
            .all(|(name, field)| same(kept.get(name), field)),
        (kept, given) => kept == given,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Reads a usage.
///
/// # Errors
/// What of it a [`Usage`] has no place for.
pub fn read_usage(usage: &Value) -> Result<Usage, String> {
    let known = ["input_tokens", "output_tokens", "total_tokens"];
    let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut read = Usage::new(count(known[0]), count(known[1]), UsageSource::Provider);
    read.total_tokens = count(known[2]);
    for (name, field) in usage.as_object().into_iter().flatten() {
        let details = field.as_object().into_iter().flatten();
        for (detail, count) in details {
            match (name.as_str(), detail.as_str()) {
                ("input_token_details", "cache_read") => read.cached_tokens = count.as_u64(),
                ("output_token_details", "reasoning") => read.reasoning_tokens = count.as_u64(),
                _ => return Err(format!("a usage has no place for {name}.{detail} yet")),
            }
        }
        if !field.is_object() && !known.contains(&name.as_str()) {
            return Err(format!("a usage has no place for {name} yet"));
        }
    }
    Ok(read)
}

/// A usage as outputs write it; nothing if the provider did not count, since the reference has nothing either.
pub fn usage_json(usage: &Usage) -> Option<Value> {
    if usage.source != UsageSource::Provider {
        return None;
    }
    let mut written = json!({
        "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "total_tokens": usage.total_tokens,
    });
    if let Some(cached) = usage.cached_tokens {
        written["input_token_details"] = json!({ "cache_read": cached });
    }
    if let Some(reasoning) = usage.reasoning_tokens {
        written["output_token_details"] = json!({ "reasoning": reasoning });
    }
    Some(written)
}

/// A whole message as outputs write it.
pub fn message_json(message: &Message) -> Value {
    let mut written = Map::new();
    let (mut content, mut calls, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
    for block in &message.content {
        match block {
            Block::ToolCall(call) => calls.push(json!({"name": call.name, "args": call.args, "id": call.id})),
            Block::InvalidToolCall { id, name, args, .. } => {
                invalid.push(json!({"name": name, "args": args, "id": id, "error": null}));
            }
            Block::NonStandard { value } => content.push(value.clone()),
            other => content.push(serde_json::to_value(other).unwrap_or_default()),
        }
    }
    let content = match content.as_slice() {
        [] => Value::from(""),
        [text] if text.get("type").is_some_and(|kind| kind == "text") => text["text"].clone(),
        _ => Value::Array(content),
    };
    let role = match message.role {
        Role::System => "system",
        Role::Human => "human",
        Role::Tool => "tool",
        _ => "ai",
    };
    written.insert("type".to_owned(), role.into());
    written.insert("content".to_owned(), content);
    let texts = [("id", &message.id), ("name", &message.name), ("tool_call_id", &message.tool_call_id)];
    for (name, text) in texts {
        written.extend(text.as_ref().map(|text| (name.to_owned(), Value::from(text.as_str()))));
    }
    for (name, list) in [("tool_calls", calls), ("invalid_tool_calls", invalid)] {
        written.extend((!list.is_empty()).then(|| (name.to_owned(), Value::Array(list))));
    }
    written.extend(message.failed.then(|| ("status".to_owned(), "error".into())));
    let usage = message.usage.as_ref().and_then(usage_json);
    written.extend(usage.map(|usage| ("usage_metadata".to_owned(), usage)));
    Value::Object(written)
}
