//! LangChain's `AIMessageChunk`: a piece of an answer, as LangChain's programs stream it, and the sum of such pieces.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::form::{read_field, read_fields};
use super::merge::{ids_agree, is_index, merge_lists};
use super::spaced::spaced_ascii;
use super::{Block, Fields, Message, calls};
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::usage::Usage;

/// A piece of an answer in LangChain's form. [`add`](AiMessageChunk::add) is LangChain's `+`.
///
/// Streams are made of [`Chunk`](crate::Chunk)s; this is what programs in LangChain's world exchange.
/// [`ChunkDecoder`](crate::ChunkDecoder) and [`ChunkEncoder`](crate::ChunkEncoder) turn one into the other.
///
/// ```
/// use millstream_core::AiMessageChunk;
///
/// let mut sum: AiMessageChunk = serde_json::from_str(r#"{"type":"AIMessageChunk","content":"Hel","id":"m1"}"#)?;
/// sum.add(&serde_json::from_str(r#"{"type":"AIMessageChunk","content":"lo"}"#)?)?;
/// let message = sum.into_message();
/// assert_eq!((message.text(), message.id.as_deref()), ("Hello".to_owned(), Some("m1")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AiMessageChunk {
    /// What is said.
    pub content: ChunkContent,
    /// The message's id, as this piece gives it.
    pub id: Option<String>,
    /// Pieces of tool calls.
    pub tool_call_chunks: Vec<ToolCallChunk>,
    /// What this piece adds to the cost.
    pub usage: Option<Usage>,
    /// What the provider says about its answer.
    pub response_metadata: Fields,
    /// What else comes from the provider.
    pub additional_kwargs: Fields,
    /// Whether it is the last piece: LangChain's `chunk_position`.
    pub last: bool,
    /// Any other field.
    pub extra: Fields,
}

/// The content of a piece: a text, or a list of blocks and texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChunkContent {
    /// Text to show.
    Text(String),
    /// Blocks, as their provider writes them.
    List(Vec<Value>),
}

impl Default for ChunkContent {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// A piece of a tool call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolCallChunk {
    /// The tool's name, in the first piece.
    pub name: Option<String>,
    /// A piece of the arguments' JSON.
    pub args: Option<String>,
    /// The call's id, in the first piece.
    pub id: Option<String>,
    /// Which call of the message this is a piece of: a number, or a text that begins with `lc_`. A piece without it stands alone.
    pub index: Value,
}

impl AiMessageChunk {
    /// A piece of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: ChunkContent::Text(text.into()), ..Self::default() }
    }

    /// Adds the piece that comes after.
    ///
    /// # Errors
    /// `provider_protocol` if the two have a field of different types, or if a piece of a tool call names its tool again: then it cannot be
    /// told whether it is another call, and two calls never become one.
    pub fn add(&mut self, more: &Self) -> Result<()> {
        self.content.add(&more.content)?;
        self.response_metadata.merge(&more.response_metadata)?;
        self.additional_kwargs.merge(&more.additional_kwargs)?;
        for piece in &more.tool_call_chunks {
            match self.tool_call_chunks.iter_mut().find(|call| call.goes_on_with(piece)) {
                Some(call) => call.add(piece)?,
                None => self.tool_call_chunks.push(piece.clone()),
            }
        }
        match (&mut self.usage, &more.usage) {
            (Some(usage), Some(more)) => *usage += more.clone(),
            (usage @ None, more) => *usage = more.clone(),
            (Some(_), None) => {}
        }
        if let Some(id) = &more.id
            && is_better_id(self.id.as_deref().unwrap_or_default(), id)
        {
            self.id = Some(id.clone());
        }
        self.last |= more.last;
        Ok(())
    }

    /// The whole message that the piece is. Arguments of calls that are not there in full are read as far as they go; those that are no JSON
    /// object are an [`InvalidToolCall`](Block::InvalidToolCall).
    pub fn into_message(self) -> Message {
        let calls = self.tool_call_chunks.iter().map(ToolCallChunk::block).collect();
        let mut extra = self.extra;
        let name = extra.remove("name").and_then(|name| name.as_str().map(str::to_owned));
        let content = self.content.into_blocks(calls, &mut extra);
        Message {
            id: self.id,
            name,
            content,
            usage: self.usage,
            response_metadata: self.response_metadata,
            additional_kwargs: self.additional_kwargs,
            extra,
            ..Message::ai("")
        }
    }

    pub(super) fn read(mut fields: Map<String, Value>) -> std::result::Result<Self, String> {
        fields.remove("type");
        let listed = calls::listed(&mut fields)?;
        let additional_kwargs = read_fields(&mut fields, "additional_kwargs")?;
        let mut tool_call_chunks: Vec<ToolCallChunk> = read_field(&mut fields, "tool_call_chunks")?.unwrap_or_default();
        if tool_call_chunks.is_empty() {
            tool_call_chunks = match listed.is_empty() {
                true => calls::pieces_of_provider(&additional_kwargs),
                false => listed.into_iter().map(ToolCallChunk::of_block).collect(),
            };
        }
        let content: ChunkContent = read_field(&mut fields, "content")?.unwrap_or_default();
        if let ChunkContent::List(items) = &content
            && let Some(odd) = items.iter().find(|item| !item.is_string() && !item.is_object())
        {
            return Err(format!("a content block is a text or an object, not {odd}"));
        }
        Ok(Self {
            content,
            id: read_field(&mut fields, "id")?,
            tool_call_chunks,
            usage: read_field(&mut fields, "usage_metadata")?,
            response_metadata: read_fields(&mut fields, "response_metadata")?,
            additional_kwargs,
            last: read_field::<String>(&mut fields, "chunk_position")?.is_some_and(|position| position == "last"),
            extra: fields.into_iter().filter(|(_, field)| !field.is_null()).collect::<Map<_, _>>().into(),
        })
    }
}

/// Whether `id` is to be preferred to `known`: an id of the provider to one that was made for a run, that to any other. Of two that are as
/// good the first stays.
pub(crate) fn is_better_id(known: &str, id: &str) -> bool {
    let rank = |id: &str| match id {
        "" => 0,
        id if id.starts_with("lc_run-") => 2,
        id if id.starts_with("lc_") => 1,
        _ => 3,
    };
    rank(id) > rank(known)
}

impl ChunkContent {
    fn add(&mut self, more: &Self) -> Result<()> {
        match (&mut *self, more) {
            (Self::Text(text), Self::Text(more)) => text.push_str(more),
            (Self::Text(text), Self::List(items)) => {
                let mut all = vec![Value::from(std::mem::take(text))];
                all.extend_from_slice(items);
                *self = Self::List(all);
            }
            (Self::List(items), Self::List(more)) => merge_lists(items, more)?,
            (Self::List(items), Self::Text(more)) => match items.last_mut() {
                Some(Value::String(text)) => text.push_str(more),
                _ if more.is_empty() => {}
                _ => items.push(more.as_str().into()),
            },
        }
        Ok(())
    }
}

impl ToolCallChunk {
    fn goes_on_with(&self, piece: &Self) -> bool {
        let id = |chunk: &Self| chunk.id.clone().unwrap_or_default();
        is_index(&piece.index) && self.index == piece.index && ids_agree(&id(self), &id(piece))
    }

    fn add(&mut self, piece: &Self) -> Result<()> {
        let named = |chunk: &Self| chunk.name.as_ref().is_some_and(|name| !name.is_empty());
        if named(self) && named(piece) {
            let message = "a piece of a tool call names its tool again, so it is not clear which call it belongs to";
            return Err(Error::new(ErrorKind::ProviderProtocol, message));
        }
        join(&mut self.name, piece.name.as_ref());
        join(&mut self.args, piece.args.as_ref());
        if self.id != piece.id {
            join(&mut self.id, piece.id.as_ref());
        }
        Ok(())
    }

    /// The call in LangChain's form, as far as it is there, and whether it is valid.
    pub(super) fn call(&self) -> (bool, Value) {
        let mut call = self.block().json();
        call["id"] = json!(self.id);
        let is_valid = call["type"] == "tool_call";
        if !is_valid {
            call["name"] = json!(self.name);
        }
        (is_valid, call)
    }

    /// The call, as far as it is there.
    fn block(&self) -> Block {
        let (id, name) = (self.id.clone().unwrap_or_default(), self.name.clone().unwrap_or_default());
        let args = self.args.clone().unwrap_or_default();
        let read = if args.is_empty() { Some(json!({})) } else { json::partial(&args) };
        match read.filter(Value::is_object) {
            Some(args) => Block::ToolCall(super::ToolCall { id, name, args }),
            None => Block::InvalidToolCall { id, name, args, error: String::new() },
        }
    }

    pub(super) fn of_block(block: Block) -> Self {
        let (id, name, args) = match block {
            Block::ToolCall(call) => (call.id, call.name, spaced_ascii(&call.args)),
            Block::InvalidToolCall { id, name, args, .. } => (id, name, args),
            _ => return Self::default(),
        };
        let [id, name] = [id, name].map(|text| Some(text).filter(|text| !text.is_empty()));
        Self { name, args: Some(args), id, index: Value::Null }
    }
}

fn join(text: &mut Option<String>, more: Option<&String>) {
    match (text, more) {
        (Some(text), Some(more)) => text.push_str(more),
        (text @ None, more) => *text = more.cloned(),
        (Some(_), None) => {}
    }
}

/// With `tool_calls` and `invalid_tool_calls` as far as the pieces go, as LangChain writes it.
impl Serialize for AiMessageChunk {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let calls: Vec<(bool, Value)> = self.tool_call_chunks.iter().map(ToolCallChunk::call).collect();
        let listed = |valid: bool| -> Vec<Value> {
            calls.iter().filter(|(is_valid, _)| *is_valid == valid).map(|(_, call)| call.clone()).collect()
        };
        let chunk = |chunk: &ToolCallChunk| json!({"type": "tool_call_chunk", "name": chunk.name, "args": chunk.args, "id": chunk.id, "index": chunk.index});
        let list = |items: Vec<Value>| (!items.is_empty()).then_some(Value::Array(items));
        let object = |fields: &Fields| fields.object().filter(|fields| !fields.is_empty()).cloned().map(Value::Object);
        let fields = [
            ("type", Some(json!("AIMessageChunk"))),
            ("content", Some(json!(self.content))),
            ("id", self.id.as_ref().map(|id| json!(id))),
            ("tool_calls", list(listed(true))),
            ("invalid_tool_calls", list(listed(false))),
            ("tool_call_chunks", list(self.tool_call_chunks.iter().map(chunk).collect())),
            ("usage_metadata", self.usage.as_ref().map(|usage| json!(usage.in_message()))),
            ("response_metadata", object(&self.response_metadata)),
            ("additional_kwargs", object(&self.additional_kwargs)),
            ("chunk_position", self.last.then(|| json!("last"))),
        ];
        let own = fields.into_iter().filter_map(|(name, field)| Some((name.to_owned(), field?)));
        let others = self.extra.iter().map(|(name, field)| (name.clone(), field.clone()));
        serializer.collect_map(own.chain(others))
    }
}

impl<'de> Deserialize<'de> for AiMessageChunk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::read(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
