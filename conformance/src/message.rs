//! Messages as the cases and the outputs write them.

use millstream::{Block, Message, UsageSource};
use serde_json::{Value, json};

mod pieces;

pub use pieces::{Pieces, chunk_json};

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
/// What is wrong with it.
pub fn read_message(value: &Value) -> Result<Message, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}

/// A whole message as outputs write it.
pub fn message_json(message: &Message) -> Value {
    let mut written = json!(with_calls_behind(message));
    if let Some(fields) = written.as_object_mut() {
        fields.remove("finish");
    }
    for call in written.get_mut("invalid_tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        // The reference does not say what is wrong with arguments.
        if call["error"].as_str().is_some_and(|error| error.starts_with("the arguments are not")) {
            call["error"] = Value::Null;
        }
    }
    without_source(&mut written);
    written
}

/// A usage is told without who counted. The reference has none where the provider did not count.
fn without_source(message: &mut Value) {
    let counted_by_provider =
        message.get("usage_metadata").is_some_and(|usage| usage["source"] == json!(UsageSource::Provider));
    let Some(fields) = message.as_object_mut() else { return };
    if !counted_by_provider {
        fields.remove("usage_metadata");
    }
    if let Some(usage) = fields.get_mut("usage_metadata").and_then(Value::as_object_mut) {
        usage.remove("source");
    }
}

/// The message as the reference has it: it does not know between which texts a tool was called.
fn with_calls_behind(message: &Message) -> Message {
    let is_call = |block: &Block| matches!(block, Block::ToolCall(_) | Block::InvalidToolCall { .. });
    let (calls, others): (Vec<Block>, Vec<Block>) = message.content.iter().cloned().partition(is_call);
    let mut content: Vec<Block> = Vec::new();
    for block in others {
        match (content.last_mut(), block) {
            (Some(Block::Text { text, extra }), Block::Text { text: more, extra: and })
                if *extra == millstream::Fields::default() && *extra == and && !calls.is_empty() =>
            {
                text.push_str(&more);
            }
            (_, block) => content.push(block),
        }
    }
    let (calls, invalid): (Vec<Block>, Vec<Block>) =
        calls.into_iter().partition(|call| matches!(call, Block::ToolCall(_)));
    content.extend(calls.into_iter().chain(invalid));
    let mut told = message.clone();
    told.content = content;
    told
}
