//! Pieces of messages as `AIMessageChunk`s, and their sum.

use std::sync::Arc;

use millstream::{BlockKind, Chunk, Delta, MessageFold, Part, Usage};
use serde_json::{Map, Value, json};

use super::{message_json, partial_json, usage_json};

/// Follows one message, and writes its chunks as the reference does.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    id: Option<Arc<str>>,
    /// The blocks that are tool calls, in order: their place is the index of the call.
    calls: Vec<u32>,
    usage: Option<Usage>,
}

impl Pieces {
    /// The next chunk. A message that comes in one piece is a message, not a chunk: it was not streamed.
    pub fn json(&mut self, chunk: &Chunk) -> Value {
        if let Some(message) = whole_message(chunk) {
            return message;
        }
        let (mut text, mut blocks, mut usage, mut last) = (String::new(), Vec::new(), None, false);
        let mut calls: Vec<(usize, Value)> = Vec::new();
        for part in chunk {
            match part {
                Part::Start { id, .. } => self.id = Some(id.clone()).filter(|id| !id.is_empty()),
                Part::BlockStart { index, block: BlockKind::ToolCall { id, name }, .. } => {
                    let at = self.calls.len();
                    self.calls.push(*index);
                    calls.push((
                        at,
                        json!({"name": &**name, "args": "", "id": &**id, "index": at, "type": "tool_call_chunk"}),
                    ));
                }
                Part::BlockStart { block: BlockKind::Whole { block, .. }, .. } => {
                    blocks.push(serde_json::to_value(&**block).unwrap_or_default());
                }
                Part::Delta { delta: Delta::Text(delta), .. } => text.push_str(delta),
                Part::Delta { index, delta: Delta::Reasoning(delta), .. } => {
                    blocks.push(json!({"type": "reasoning", "reasoning": &**delta, "index": index}));
                }
                Part::Delta { index, delta: Delta::Arguments(delta), .. } => self.arguments(&mut calls, *index, delta),
                Part::Usage { usage: counted, .. } => usage = usage_json(&self.more(counted)),
                Part::End { .. } => last = true,
                _ => {}
            }
        }
        let content = if blocks.is_empty() {
            Value::from(text)
        } else {
            blocks.extend((!text.is_empty()).then(|| json!({"type": "text", "text": text})));
            Value::Array(blocks)
        };
        let mut written =
            Map::from_iter([("type".to_owned(), "AIMessageChunk".into()), ("content".to_owned(), content)]);
        let call_chunks: Vec<Value> = calls.into_iter().map(|(_, call)| call).collect();
        let fields = [
            ("id", self.id.as_deref().map(Value::from)),
            ("tool_call_chunks", (!call_chunks.is_empty()).then_some(Value::Array(call_chunks))),
            ("usage_metadata", usage),
            ("chunk_position", last.then(|| "last".into())),
        ];
        written.extend(fields.into_iter().filter_map(|(name, field)| Some((name.to_owned(), field?))));
        let mut written = Value::Object(written);
        parse_calls(&mut written);
        written
    }

    fn arguments(&self, calls: &mut Vec<(usize, Value)>, block: u32, delta: &str) {
        let Some(at) = self.calls.iter().position(|call| *call == block) else { return };
        match calls.iter_mut().find(|(call, _)| *call == at) {
            Some((_, call)) => call["args"] = json!(format!("{}{delta}", call["args"].as_str().unwrap_or_default())),
            None => calls
                .push((at, json!({"name": null, "args": delta, "id": null, "index": at, "type": "tool_call_chunk"}))),
        }
    }

    /// What a new count adds to the last: chunks are added up by their readers.
    fn more(&mut self, counted: &Usage) -> Usage {
        let mut more = counted.clone();
        if let Some(before) = self.usage.replace(counted.clone()) {
            more.input_tokens = more.input_tokens.saturating_sub(before.input_tokens);
            more.output_tokens = more.output_tokens.saturating_sub(before.output_tokens);
            more.total_tokens = more.total_tokens.saturating_sub(before.total_tokens);
        }
        more
    }
}

/// The message, if `chunk` is all of it.
pub fn whole_message(chunk: &Chunk) -> Option<Value> {
    let (Some(Part::Start { .. }), Some(Part::End { .. })) = (chunk.first(), chunk.last()) else { return None };
    let mut fold = MessageFold::default();
    fold.push(chunk).ok()?;
    fold.finish().ok().map(|message| message_json(&message))
}

/// Reads the tool calls out of the pieces of them, as far as their arguments have come.
fn parse_calls(chunk: &mut Value) {
    let (mut calls, mut invalid) = (Vec::new(), Vec::new());
    for call in chunk.get("tool_call_chunks").and_then(Value::as_array).into_iter().flatten() {
        let text = call["args"].as_str().unwrap_or_default();
        let args = if text.is_empty() { Some(json!({})) } else { partial_json::parse(text) };
        match args.filter(Value::is_object) {
            Some(args) => calls.push(json!({
                "name": call["name"].as_str().unwrap_or_default(), "args": args, "id": call["id"], "type": "tool_call",
            })),
            None => invalid.push(json!({
                "name": call["name"], "args": call["args"], "id": call["id"], "error": null, "type": "invalid_tool_call",
            })),
        }
    }
    if let Some(fields) = chunk.as_object_mut() {
        for (name, list) in [("tool_calls", calls), ("invalid_tool_calls", invalid)] {
            fields.remove(name);
            fields.extend((!list.is_empty()).then(|| (name.to_owned(), Value::Array(list))));
        }
    }
}

/// Adds a chunk to the sum of those before it.
pub fn add_up(sum: &mut Option<Value>, chunk: &Value) {
    let Some(Value::Object(fields)) = sum else {
        *sum = Some(chunk.clone());
        return;
    };
    for (name, more) in chunk.as_object().into_iter().flatten() {
        let merged = match (name.as_str(), fields.get(name)) {
            ("type", _) => continue,
            ("id", Some(id)) if !id.is_null() => continue,
            (_, None) | ("chunk_position", _) => more.clone(),
            ("content", Some(content)) => joined(content, more),
            ("tool_call_chunks", Some(calls)) => merged_calls(calls, more),
            ("usage_metadata", Some(usage)) => added(usage, more),
            (_, Some(_)) => continue,
        };
        fields.insert(name.clone(), merged);
    }
    if let Some(sum) = sum {
        parse_calls(sum);
    }
}

fn joined(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Value::from(format!("{left}{right}")),
        (Value::Array(left), Value::Array(right)) => Value::Array([left.as_slice(), right].concat()),
        (Value::String(left), Value::Array(_)) if left.is_empty() => right.clone(),
        (Value::Array(_), Value::String(right)) if right.is_empty() => left.clone(),
        (Value::String(_), Value::Array(blocks)) => {
            Value::Array([std::slice::from_ref(left), blocks.as_slice()].concat())
        }
        (Value::Array(blocks), _) => Value::Array([blocks.as_slice(), std::slice::from_ref(right)].concat()),
        _ => right.clone(),
    }
}

fn merged_calls(left: &Value, right: &Value) -> Value {
    let mut merged = left.as_array().cloned().unwrap_or_default();
    for call in right.as_array().into_iter().flatten() {
        let same = merged.iter_mut().find(|other| !call["index"].is_null() && other["index"] == call["index"]);
        let Some(known) = same else {
            merged.push(call.clone());
            continue;
        };
        for name in ["name", "id", "args"] {
            known[name] = match (known[name].as_str(), call[name].as_str()) {
                (Some(left), Some(right)) => json!(format!("{left}{right}")),
                (None, Some(right)) => json!(right),
                (left, None) => json!(left),
            };
        }
    }
    Value::Array(merged)
}

fn added(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let mut sum = left.clone();
            for (name, more) in right {
                let total = sum.get(name).map_or_else(|| more.clone(), |count| added(count, more));
                sum.insert(name.clone(), total);
            }
            Value::Object(sum)
        }
        _ => json!(left.as_u64().unwrap_or(0) + right.as_u64().unwrap_or(0)),
    }
}
