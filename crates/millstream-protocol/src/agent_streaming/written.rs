//! Messages inside states and updates, as the protocol writes them.
//!
//! A model that is streamed by this protocol answers, in LangChain, with a message whose content is a list of blocks and whose
//! `response_metadata` says so (`"output_version": "v1"`); that message is what its node writes and what the state holds. Here a message is a
//! list of blocks in any case, and how it is written is the protocol's matter: a message that a model told is written as blocks wherever
//! it is met again, unless somebody has changed what it says.

use std::collections::HashMap;

use millstream_core::Usage;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::message::usage_json;

/// What models have told: the complete blocks of each message, by its id.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<String, Vec<Value>>);

impl Told {
    /// Takes note of a message.
    pub(super) fn insert(&mut self, id: String, blocks: Vec<Value>) {
        self.0.insert(id, blocks);
    }

    /// A state, or a part of one, with its messages in the protocol's form.
    pub(super) fn write(&self, value: &mut Value) {
        match value {
            Value::Object(fields) if is_message(fields) => self.write_message(fields),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.write(field)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.write(item)),
            _ => {}
        }
    }

    fn write_message(&self, fields: &mut Map<String, Value>) {
        fields.remove("finish");
        write_usage(fields);
        let blocks = fields.get("id").and_then(Value::as_str).and_then(|id| self.0.get(id));
        let told = blocks.filter(|blocks| fields["type"] == "ai" && says(fields, blocks));
        if let Some(blocks) = told {
            if !blocks.is_empty() {
                fields.insert("content".to_owned(), numbered(blocks));
            }
            let metadata = fields.entry("response_metadata").or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("output_version".to_owned(), "v1".into());
            }
        }
        write_calls(fields);
        if told.is_none() {
            leave_out_calls(fields);
        }
    }
}

/// Content that is not written as blocks has no calls in it.
fn leave_out_calls(fields: &mut Map<String, Value>) {
    let is_call = |block: &Value| matches!(kind_of(block), Some("tool_call" | "invalid_tool_call"));
    let Some(Value::Array(blocks)) = fields.get_mut("content") else { return };
    if !blocks.iter().any(is_call) {
        return;
    }
    blocks.retain(|block| !is_call(block));
    let text = match blocks.as_slice() {
        [] => Some(Value::from("")),
        [one] if kind_of(one) == Some("text") => one.get("text").cloned(),
        _ => None,
    };
    if let Some(text) = text {
        fields.insert("content".to_owned(), text);
    }
}

fn is_message(fields: &Map<String, Value>) -> bool {
    let kinds = ["human", "ai", "system", "tool", "function", "chat", "remove"];
    fields.contains_key("content")
        && fields.get("type").and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind))
}

/// The calls that are among the blocks of a message, where LangChain's clients look for them.
fn write_calls(fields: &mut Map<String, Value>) {
    for (list, kind) in [("tool_calls", "tool_call"), ("invalid_tool_calls", "invalid_tool_call")] {
        let calls: Vec<Value> = blocks_of(fields).filter(|block| kind_of(block) == Some(kind)).cloned().collect();
        if !calls.is_empty() {
            fields.insert(list.to_owned(), Value::Array(calls));
        }
    }
}

/// The cost in LangChain's form.
fn write_usage(fields: &mut Map<String, Value>) {
    // Only ours names its source.
    let Some(usage) = fields.get("usage_metadata").filter(|usage| usage.get("source").is_some()) else { return };
    match Usage::deserialize(usage).ok().as_ref().and_then(usage_json) {
        Some(usage) => fields.insert("usage_metadata".to_owned(), usage),
        None => fields.remove("usage_metadata"),
    };
}

/// Whether a message still says what its model told.
fn says(fields: &Map<String, Value>, told: &[Value]) -> bool {
    let content = match fields.get("content") {
        Some(Value::String(text)) if text.is_empty() => Vec::new(),
        Some(Value::String(text)) => vec![text.as_str()],
        _ => blocks_of(fields).filter_map(said_by).collect(),
    };
    let listed = ["tool_calls", "invalid_tool_calls"].into_iter().filter_map(|list| fields.get(list)?.as_array());
    let listed = listed.flatten().filter_map(|call| call.get("id")?.as_str()).filter(|id| !content.contains(id));
    let mut found: Vec<&str> = content.iter().copied().chain(listed).collect();
    let mut said: Vec<&str> = told.iter().filter_map(said_by).collect();
    // A form that lists the calls by themselves does not say where they stood.
    found.sort_unstable();
    said.sort_unstable();
    found == said
}

fn said_by(block: &Value) -> Option<&str> {
    ["text", "reasoning", "id"].into_iter().find_map(|name| block.get(name)?.as_str())
}

fn blocks_of(fields: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    fields.get("content").and_then(Value::as_array).into_iter().flatten()
}

fn kind_of(block: &Value) -> Option<&str> {
    block.get("type").and_then(Value::as_str)
}

/// Blocks with their place in the message; a call has none.
fn numbered(blocks: &[Value]) -> Value {
    let numbered = blocks.iter().enumerate().map(|(index, block)| {
        let mut block = block.clone();
        let is_call = matches!(kind_of(&block), Some("tool_call" | "invalid_tool_call"));
        if let (false, Some(fields)) = (is_call, block.as_object_mut()) {
            fields.entry("index").or_insert_with(|| index.into());
        }
        block
    });
    numbered.collect()
}
