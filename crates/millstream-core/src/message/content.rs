//! The content of a message as LangChain has it: a text, or a list of texts and blocks.

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use serde_json::Value;

use super::python::repr;
use super::{Block, ChunkContent, Fields, Message};

impl Message {
    /// The content as LangChain has it.
    pub(super) fn given(&self) -> ChunkContent {
        self.written(&self.content)
    }

    /// The same without calls that stand between its texts.
    pub(super) fn given_without_calls(&self) -> ChunkContent {
        let said: Vec<Block> = self.content.iter().filter(|block| !block.is_call()).cloned().collect();
        self.written(&said)
    }

    fn written(&self, blocks: &[Block]) -> ChunkContent {
        let written = match self.extra.get("content") {
            Some(empty) => empty.clone(),
            None => serde_json::to_value(Content(blocks)).unwrap_or_default(),
        };
        match written {
            Value::Array(items) => ChunkContent::List(items),
            Value::String(text) => ChunkContent::Text(text),
            _ => ChunkContent::default(),
        }
    }

    /// Puts `content` in the place of what is said. The calls stay.
    pub(super) fn say(&mut self, content: ChunkContent) {
        let calls = std::mem::take(&mut self.content).into_iter().filter(Block::is_call).collect();
        self.extra.remove("content");
        self.content = content.into_blocks(calls, &mut self.extra);
    }
}

impl ChunkContent {
    /// The blocks that it is, with the `calls` of its message.
    pub(super) fn into_blocks(self, calls: Vec<Block>, extra: &mut Fields) -> Vec<Block> {
        let content = match self {
            Self::Text(text) => Value::String(text),
            Self::List(items) => Value::Array(items),
        };
        // A list that was read or written has texts and objects only.
        read(content, calls, extra).unwrap_or_default()
    }
}

/// A content as it is written. Calls have a list of their own; only when they do not come last they are written here too, in their
/// places.
pub(super) struct Content<'a>(pub(super) &'a [Block]);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first_call = self.0.iter().position(Block::is_call).unwrap_or(self.0.len());
        let calls_come_last = self.0[first_call..].iter().all(Block::is_call);
        let shown = if calls_come_last { &self.0[..first_call] } else { self.0 };
        match shown {
            [] => return serializer.serialize_str(""),
            [Block::Text { text, extra }] if extra.is_nothing() => return serializer.serialize_str(text),
            _ => {}
        }
        // Beside blocks of somebody else a text of ours is what LangChain would make of it: a bare text.
        let bare = shown.iter().any(Block::is_given);
        let mut list = serializer.serialize_seq(Some(shown.len()))?;
        for block in shown {
            match block {
                Block::Text { text, extra } if bare && extra.is_nothing() => list.serialize_element(text)?,
                other => list.serialize_element(&other.json())?,
            }
        }
        list.end()
    }
}

/// What a tool gave, where a text or a block is wanted: anything else as Python shows it.
pub(super) fn shown(content: Value) -> Value {
    let as_text = |value: Value| if value.is_string() || value.is_object() { value } else { repr(&value).into() };
    match content {
        Value::Array(items) => items.into_iter().map(as_text).collect(),
        Value::Null | Value::String(_) => content,
        other => repr(&other).into(),
    }
}

/// The blocks of a content, with the message's calls in it or behind it. That it was an empty list is noted in `extra`.
pub(super) fn read(content: Value, mut calls: Vec<Block>, extra: &mut Fields) -> Result<Vec<Block>, String> {
    let items = match content {
        Value::Null => return Ok(calls),
        Value::String(text) => {
            if !text.is_empty() {
                calls.insert(0, Block::text(text));
            }
            return Ok(calls);
        }
        Value::Array(items) if items.is_empty() => {
            extra.insert("content", items);
            return Ok(calls);
        }
        Value::Array(items) => items,
        other => return Err(format!("the content of a message is a text or a list of blocks, not {other}")),
    };
    if let Some(odd) = items.iter().find(|item| !item.is_string() && !item.is_object()) {
        return Err(format!("a content block is a text or an object, not {odd}"));
    }
    let given = Value::Array(items.clone());
    // A call in the content is one only if it is listed too: the same call may be there twice.
    let mut unnamed = calls.clone();
    let named: Vec<Option<Block>> = items
        .iter()
        .map(|item| {
            let call = Block::of_call(item)?;
            unnamed.iter().position(|listed| *listed == call).map(|at| unnamed.remove(at))
        })
        .collect();
    let interleaved = !named.iter().is_sorted_by_key(Option::is_some);
    let block = |(item, call): (Value, Option<Block>)| match call {
        Some(call) if interleaved => call,
        // It is said twice: here, and among the calls.
        Some(_) => Block::NonStandard { value: item },
        None => Block::of_item(item),
    };
    let blocks = items.into_iter().zip(named).map(block).collect();
    let behind = if interleaved { unnamed } else { calls };
    Ok(simplified(blocks, &given).into_iter().chain(behind).collect())
}

/// The blocks as blocks of ours, if those are written as these came.
fn simplified(blocks: Vec<Block>, given: &Value) -> Vec<Block> {
    let plain: Vec<Block> = blocks
        .iter()
        .cloned()
        .map(|mut block| {
            if let Some(extra) = block.extra_mut().filter(|extra| extra.is_object() && extra.is_empty()) {
                *extra = Fields::default();
            }
            block
        })
        .collect();
    let is_ours = |block: &Block| !matches!(block, Block::Text { extra, .. } if !extra.is_nothing());
    let as_given = || serde_json::to_value(Content(&plain)).is_ok_and(|written| written == *given);
    if plain.iter().all(is_ours) && as_given() { plain } else { blocks }
}
