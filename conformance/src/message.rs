//! Messages as the cases and the outputs write them.

use millstream::{AiMessageChunk, Block, Fields, Message, TaskError};
use millstream_protocol::events_v2::EventForm;
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

/// A piece of a message with all that it says, its tool calls as far as they go; any other value as it is.
pub fn piece_of_message(value: Value) -> Value {
    if value.get("type").is_none_or(|kind| kind != "AIMessageChunk") || value.get("content").is_none() {
        return value;
    }
    serde_json::from_value(value.clone()).map_or(value, |chunk| chunk_json(&chunk))
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
    without_estimate(&mut written);
    written
}

/// The reference has no usage where the provider did not count.
pub fn without_estimate(message: &mut Value) {
    let is_estimate = message.get("usage_metadata").is_some_and(|usage| usage.get("source").is_some());
    if let (true, Some(fields)) = (is_estimate, message.as_object_mut()) {
        fields.remove("usage_metadata");
    }
}

/// The message as the reference has it: it does not know between which texts a tool was called.
fn with_calls_behind(message: &Message) -> Message {
    let (mut content, mut calls): (Vec<Block>, Vec<Block>) = (Vec::new(), Vec::new());
    let mut after_call = false;
    for block in message.content.iter().cloned() {
        match (content.last_mut(), block) {
            (_, block @ (Block::ToolCall(_) | Block::InvalidToolCall { .. })) => {
                calls.push(block);
                after_call = true;
                continue;
            }
            (Some(Block::Text { text, extra }), Block::Text { text: more, extra: of_more })
                if after_call && is_plain(extra) && is_plain(&of_more) =>
            {
                text.push_str(&more);
            }
            (_, block) => content.push(block),
        }
        after_call = false;
    }
    content.extend(calls);
    let mut told = message.clone();
    told.content = content;
    told
}

/// Whether a text did not come as an object.
fn is_plain(extra: &Fields) -> bool {
    !json!(extra).is_object()
}

/// Messages and failures inside events, as the outputs write them.
#[derive(Clone, Copy, Debug)]
pub struct ReferenceForm;

impl EventForm for ReferenceForm {
    fn message(&self, message: &Message) -> Value {
        message_json(message)
    }

    fn chunk(&self, chunk: &AiMessageChunk) -> Value {
        chunk_json(chunk)
    }

    fn error(&self, error: &TaskError) -> Value {
        crate::outcome::task_failure(error)
    }
}
