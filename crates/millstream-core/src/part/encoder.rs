//! From parts to LangChain's chunks.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::note::{Blank, Note};
use super::{BlockKind, Chunk, Delta, Part};
use crate::message::{AiMessageChunk, Block, ChunkContent, ToolCallChunk, merge_objects};
use crate::usage::Usage;

/// Writes the [`Chunk`]s of a message as [`AiMessageChunk`]s: what LangChain's programs expect of a stream.
///
/// ```
/// use millstream_core::{ChunkEncoder, PartWriter};
///
/// let mut writer = PartWriter::new("m1");
/// writer.text("Hello");
/// let chunk = ChunkEncoder::default().encode(&writer.take().unwrap());
/// assert_eq!(serde_json::to_string(&chunk)?, r#"{"type":"AIMessageChunk","content":"Hello","id":"m1"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ChunkEncoder {
    id: Option<Arc<str>>,
    /// The blocks that are tool calls, in order, each with the index of its pieces: its place, unless its source has another.
    calls: Vec<(u32, Value)>,
    given: Vec<Given>,
    usage: Option<Usage>,
}

/// A block of a list that may go on.
#[derive(Clone, Debug)]
struct Given {
    block: u32,
    /// What each piece of it says again: its type and its index.
    head: Map<String, Value>,
}

/// One chunk, while it is put together.
#[derive(Default)]
struct Draft {
    text: String,
    items: Vec<(u32, Value)>,
    calls: Vec<(usize, ToolCallChunk)>,
    empty_list: bool,
    chunk: AiMessageChunk,
}

impl ChunkEncoder {
    /// The next chunk of the message.
    pub fn encode(&mut self, chunk: &Chunk) -> AiMessageChunk {
        let mut draft = Draft::default();
        for part in chunk {
            match part {
                Part::Start { id, .. } => self.id = Some(id.clone()).filter(|id| !id.is_empty()),
                Part::BlockStart { index, block } => self.block(*index, block, &mut draft),
                Part::Delta { index, delta } => self.delta(*index, delta, &mut draft),
                Part::Usage { usage } => {
                    let before = self.usage.replace((**usage).clone());
                    draft.chunk.usage = Some(before.map_or_else(|| (**usage).clone(), |before| usage.since(&before)));
                }
                Part::Note { note } => self.note(note, &mut draft),
                Part::End { .. } => draft.chunk.last = true,
                Part::BlockEnd { .. } => {}
            }
        }
        draft.chunk.id = self.id.as_deref().map(str::to_owned);
        draft.finish()
    }

    fn note(&mut self, note: &Note, draft: &mut Draft) {
        if let Some(id) = &note.id {
            self.id = Some(id.clone());
        }
        draft.empty_list |= note.blank == Some(Blank::List);
        draft.chunk.last |= note.last;
        // Notes of one chunk come from one piece, which has each field once.
        let chunk = &mut draft.chunk;
        for (fields, more) in [
            (&mut chunk.response_metadata, &note.response_metadata),
            (&mut chunk.additional_kwargs, &note.additional_kwargs),
            (&mut chunk.extra, &note.fields),
        ] {
            more.iter().for_each(|(name, field)| fields.insert(name.as_str(), field.clone()));
        }
    }

    fn block(&mut self, index: u32, block: &BlockKind, draft: &mut Draft) {
        let call = match block {
            BlockKind::Text | BlockKind::Reasoning => return,
            BlockKind::ToolCall { id, name } => (id.to_string(), name.to_string(), String::new()),
            BlockKind::Given { block } => match &**block {
                Block::ToolCall(call) => (call.id.clone(), call.name.clone(), call.args.to_string()),
                Block::InvalidToolCall { id, name, args, .. } => (id.clone(), name.clone(), args.clone()),
                other => {
                    let item = other.json();
                    let head = item.as_object().into_iter().flatten();
                    let head = head.filter(|(name, _)| matches!(name.as_str(), "type" | "index"));
                    let head = head.map(|(name, value)| (name.clone(), value.clone())).collect();
                    self.given.push(Given { block: index, head });
                    draft.items.push((index, item));
                    return;
                }
            },
        };
        let place = self.calls.len();
        self.calls.push((index, place.into()));
        let (id, name, args) = call;
        let known = |text: String| Some(text).filter(|text| !text.is_empty());
        let piece = ToolCallChunk { name: known(name), args: Some(args), id: known(id), index: place.into() };
        draft.calls.push((place, piece));
    }

    fn delta(&mut self, index: u32, delta: &Delta, draft: &mut Draft) {
        if let Some(place) = self.calls.iter().position(|(call, _)| *call == index) {
            let known = &mut self.calls[place].1;
            if let Delta::Fields(fields) = delta
                && let Some(own) = fields.get("index")
            {
                known.clone_from(own);
            }
            return draft.call(place, known).go_on(delta);
        }
        let given = self.given.iter().find(|given| given.block == index);
        match (delta, given) {
            (Delta::Text(text), None) => draft.text.push_str(text),
            (Delta::Reasoning(text), None) => {
                let head = || json!({"type": "reasoning", "index": index});
                append(draft.item(index, head), "reasoning", text);
            }
            (Delta::Text(text), Some(given)) => append(draft.item(index, || given.head()), "text", text),
            (Delta::Reasoning(text), Some(given)) => append(draft.item(index, || given.head()), "reasoning", text),
            (Delta::Fields(more), Some(given)) => {
                if let Value::Object(item) = draft.item(index, || given.head()) {
                    // The type of a piece is only there if it is not that of its block.
                    match more.get("type") {
                        Some(Value::Null) => drop(item.remove("type")),
                        Some(kind) => drop(item.insert("type".to_owned(), kind.clone())),
                        None => {}
                    }
                    let mut more = (**more).clone();
                    more.remove("type");
                    // What cannot be added up is the fold's affair: here it is only shown.
                    let _ = merge_objects(item, &more);
                }
            }
            (Delta::Fields(_) | Delta::Arguments(_), _) => {}
        }
    }
}

impl Given {
    fn head(&self) -> Value {
        Value::Object(self.head.clone())
    }
}

impl Draft {
    /// What this chunk says of a block.
    fn item(&mut self, block: u32, head: impl FnOnce() -> Value) -> &mut Value {
        let at = self.items.iter().position(|(known, _)| *known == block).unwrap_or_else(|| {
            self.items.push((block, head()));
            self.items.len() - 1
        });
        &mut self.items[at].1
    }

    /// What this chunk says of a call.
    fn call(&mut self, place: usize, index: &Value) -> &mut ToolCallChunk {
        let at = self.calls.iter().position(|(known, _)| *known == place).unwrap_or_else(|| {
            let piece = ToolCallChunk { args: Some(String::new()), index: index.clone(), ..ToolCallChunk::default() };
            self.calls.push((place, piece));
            self.calls.len() - 1
        });
        &mut self.calls[at].1
    }

    fn finish(self) -> AiMessageChunk {
        let Self { text, items, calls, empty_list, mut chunk } = self;
        chunk.content = if items.is_empty() && (!empty_list || !text.is_empty()) {
            ChunkContent::Text(text)
        } else {
            let text = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
            ChunkContent::List(items.into_iter().map(|(_, item)| item).chain(text).collect())
        };
        chunk.tool_call_chunks = calls.into_iter().map(|(_, call)| call).collect();
        chunk
    }
}

impl ToolCallChunk {
    fn go_on(&mut self, delta: &Delta) {
        match delta {
            Delta::Arguments(more) => self.args.get_or_insert_default().push_str(more),
            Delta::Fields(fields) => {
                let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
                self.name = text("name").or(self.name.take());
                self.id = text("id").or(self.id.take());
                if let Some(index) = fields.get("index") {
                    self.index = index.clone();
                }
                if fields.get("args").is_some_and(Value::is_null) {
                    self.args = None;
                }
            }
            _ => {}
        }
    }
}

/// Adds text to a text, or to a field of an object.
fn append(item: &mut Value, name: &str, more: &str) {
    let place = match item {
        Value::Object(fields) => fields.entry(name).or_insert_with(|| "".into()),
        other => other,
    };
    if let Value::String(text) = place {
        text.push_str(more);
    }
}
