//! What a message says in blocks that every program knows: LangChain's `content_blocks`.

use serde_json::{Map, Value, json};

use super::{AiMessageChunk, Block, ChunkContent, Fields, Message, Role, ToolCallChunk};

mod anthropic;
mod earlier;
mod input;
mod openai;

/// The types of blocks that every program knows.
const KNOWN: [&str; 14] = [
    "text",
    "reasoning",
    "refusal",
    "tool_call",
    "invalid_tool_call",
    "tool_call_chunk",
    "image",
    "audio",
    "file",
    "text-plain",
    "video",
    "server_tool_call",
    "server_tool_call_chunk",
    "server_tool_result",
];

impl Message {
    /// What the message says, in LangChain's standard blocks: texts, reasoning, tool calls, images and other media, each as an object with a
    /// `type`. Blocks in the forms of OpenAI, Anthropic, Google and earlier versions of LangChain become standard ones; a block that is none of
    /// them is in one of type `non_standard`. Blocks of an answer are read in its `model_provider`'s form, if it names one that is known here:
    /// `openai` (chat completions) or `anthropic`.
    ///
    /// ```
    /// use millstream_core::Message;
    /// use serde_json::json;
    ///
    /// let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}});
    /// let message: Message = serde_json::from_value(json!({"type": "human", "content": ["Look:", image]}))?;
    /// let blocks = message.content_blocks();
    /// assert_eq!(blocks[0], json!({"type": "text", "text": "Look:"}));
    /// assert_eq!((&blocks[1]["type"], &blocks[1]["base64"]), (&json!("image"), &json!("iVBO")));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn content_blocks(&self) -> Vec<Value> {
        let content = self.given();
        let calls: Vec<Value> = self.tool_calls().map(|call| Block::ToolCall(call.clone()).json()).collect();
        let answer = Answer {
            content: &content,
            calls: &calls,
            response_metadata: &self.response_metadata,
            additional_kwargs: &self.additional_kwargs,
            pieces: None,
        };
        if self.role == Role::Ai { answer.blocks() } else { answer.content_blocks() }
    }
}

impl AiMessageChunk {
    /// What the piece says, in LangChain's standard blocks: see [`Message::content_blocks`]. Pieces of tool calls are of type `tool_call_chunk`,
    /// as long as it is not the last piece.
    pub fn content_blocks(&self) -> Vec<Value> {
        let calls: Vec<Value> = self
            .tool_call_chunks
            .iter()
            .map(ToolCallChunk::call)
            .filter_map(|(valid, call)| valid.then_some(call))
            .collect();
        let pieces: Vec<Value> = self.tool_call_chunks.iter().map(piece).collect();
        let answer = Answer {
            content: &self.content,
            calls: &calls,
            response_metadata: &self.response_metadata,
            additional_kwargs: &self.additional_kwargs,
            pieces: (!self.last).then_some(&pieces),
        };
        answer.blocks()
    }
}

fn piece(piece: &ToolCallChunk) -> Value {
    let mut written = json!({"type": "tool_call_chunk", "id": piece.id, "name": piece.name, "args": piece.args});
    if !piece.index.is_null() {
        written["index"] = piece.index.clone();
    }
    written
}

/// What is known of an answer, whole or not.
struct Answer<'a> {
    content: &'a ChunkContent,
    calls: &'a [Value],
    response_metadata: &'a Fields,
    additional_kwargs: &'a Fields,
    /// Pieces of tool calls, of an answer that goes on.
    pieces: Option<&'a Vec<Value>>,
}

impl Answer<'_> {
    fn blocks(&self) -> Vec<Value> {
        let says = |name: &str| self.response_metadata.get(name).and_then(Value::as_str);
        match (self.content, says("output_version"), says("model_provider")) {
            (ChunkContent::List(items), Some("v1"), _) => items.clone(),
            (ChunkContent::Text(text), _, Some("openai")) => openai::blocks(self, text),
            (_, _, Some("anthropic")) => anthropic::blocks(self),
            _ => self.best_effort(),
        }
    }

    /// The blocks of the content alone.
    fn content_blocks(&self) -> Vec<Value> {
        match self.content {
            ChunkContent::Text(text) if text.is_empty() => Vec::new(),
            ChunkContent::Text(text) => vec![json!({"type": "text", "text": text})],
            ChunkContent::List(items) => items.iter().map(input::standard).collect(),
        }
    }

    /// The blocks of an answer of which it is not known whose it is.
    fn best_effort(&self) -> Vec<Value> {
        let mut blocks = self.content_blocks();
        let is_call = |block: &Value| block["type"] == "tool_call";
        let has_id = |call: &Value| call["id"].as_str().is_some_and(|id| !id.is_empty());
        let ids: Vec<Value> = match self.content {
            ChunkContent::List(items) => {
                items.iter().filter(|item| is_call(item)).map(|item| item["id"].clone()).collect()
            }
            ChunkContent::Text(_) => Vec::new(),
        };
        blocks.extend(self.calls.iter().filter(|call| has_id(call) && !ids.contains(&call["id"])).cloned());
        let says_nothing = match self.content {
            ChunkContent::Text(text) => text.is_empty(),
            ChunkContent::List(items) => items.is_empty(),
        };
        if let Some(pieces) = self.pieces.filter(|pieces| says_nothing && !pieces.is_empty()) {
            blocks.retain(|block| !is_call(block) && block["type"] != "invalid_tool_call");
            blocks.extend(pieces.iter().cloned());
        }
        let thought = self.additional_kwargs.get("reasoning_content").and_then(Value::as_str);
        if let Some(thought) = thought.filter(|_| blocks.iter().all(|block| block["type"] != "reasoning")) {
            blocks.insert(0, json!({"type": "reasoning", "reasoning": thought}));
        }
        blocks
    }
}

fn kind_of(block: &Map<String, Value>) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn is_known(block: &Map<String, Value>) -> bool {
    KNOWN.contains(&kind_of(block)) || kind_of(block) == "non_standard"
}

fn non_standard(block: &Map<String, Value>) -> Value {
    json!({"type": "non_standard", "value": block})
}

/// A block of data: what has a place of its own in it, and the rest as `extras`.
fn data(kind: &str, own: Value, rest: impl IntoIterator<Item = (String, Value)>) -> Value {
    let mut block = own;
    block["type"] = kind.into();
    let mut extras = Map::new();
    for (name, value) in rest.into_iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "id" | "index" | "mime_type" | "url" | "base64" | "file_id" => block[name] = value,
            _ => drop(extras.insert(name, value)),
        }
    }
    if !extras.is_empty() {
        block["extras"] = extras.into();
    }
    block
}

/// The fields of `block` but those of `names`.
fn without<'a>(block: &'a Map<String, Value>, names: &'a [&str]) -> impl Iterator<Item = (String, Value)> + 'a {
    let rest = block.iter().filter(|(name, _)| !names.contains(&name.as_str()));
    rest.map(|(name, value)| (name.clone(), value.clone()))
}
