//! From the parts of a message to the steps of the protocol.

use std::sync::Arc;

use millstream_core::{Block, BlockKind, Delta, Finish, Part, Role, Usage, UsageSource};
use serde::Serialize;
use serde_json::{Value, json};
use smallvec::SmallVec;

/// One step of a message.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MessageData<'a> {
    /// It begins.
    MessageStart {
        /// Who speaks.
        role: Role,
        /// Its id, the same as in the state.
        id: &'a str,
    },
    /// A block begins.
    ContentBlockStart {
        /// Its number in the message.
        index: u32,
        /// What is known of it.
        content: Value,
    },
    /// A block goes on.
    ContentBlockDelta {
        /// Its number.
        index: u32,
        /// What is added.
        delta: BlockDelta<'a>,
    },
    /// A block is complete.
    ContentBlockFinish {
        /// Its number.
        index: u32,
        /// All of it.
        content: Value,
    },
    /// It is over.
    MessageFinish {
        /// What it cost, as far as the provider counted.
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<Value>,
    },
    /// It broke off.
    Error {
        /// Why.
        message: &'static str,
    },
}

/// What is added to a block.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BlockDelta<'a> {
    /// Text to show.
    TextDelta {
        /// The text.
        text: &'a str,
    },
    /// What the model thinks.
    ReasoningDelta {
        /// The text.
        reasoning: &'a str,
    },
    /// A piece of a call's arguments.
    ToolCallDelta {
        /// The piece.
        args: &'a str,
    },
}

/// A message while it is said. The reference completes all blocks when the message ends, and so does this.
#[derive(Debug, Default)]
pub(super) struct OpenMessage {
    blocks: Vec<Growing>,
    usage: Option<Usage>,
}

#[derive(Debug)]
enum Growing {
    Text(String),
    Reasoning(String),
    Call {
        id: Arc<str>,
        name: Arc<str>,
        args: String,
    },
    /// A block as its provider gave it, and the text that came behind it.
    Given(Arc<Block>, String),
}

impl OpenMessage {
    /// What `part` means: mostly one step, at the end of the message several.
    pub(super) fn steps<'a>(&mut self, part: &'a Part) -> SmallVec<[MessageData<'a>; 1]> {
        let step = match part {
            Part::Start { id, role, .. } => MessageData::MessageStart { role: *role, id },
            Part::BlockStart { index, block, .. } => {
                let content = self.begin(block);
                MessageData::ContentBlockStart { index: *index, content }
            }
            Part::Delta { index, delta, .. } => {
                self.grow(*index, delta.as_str());
                MessageData::ContentBlockDelta { index: *index, delta: BlockDelta::of(delta) }
            }
            Part::Usage { usage, .. } => {
                self.usage = Some((**usage).clone());
                return SmallVec::new();
            }
            Part::End { finish, .. } => match broken_off(*finish) {
                Some(message) => MessageData::Error { message },
                None => return self.end(),
            },
            Part::BlockEnd { .. } | Part::Note { .. } => return SmallVec::new(),
        };
        SmallVec::from_buf([step])
    }

    /// The complete blocks.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Value> {
        // Whoever sends reasoning sends blocks with numbers of their own.
        let numbered = self.blocks.iter().any(|block| matches!(block, Growing::Reasoning(_)));
        self.blocks.iter().enumerate().map(move |(index, block)| {
            let mut content = block.complete();
            if let (true, Growing::Text(_) | Growing::Reasoning(_)) = (numbered, block) {
                content["index"] = index.into();
            }
            content
        })
    }

    fn end<'a>(&self) -> SmallVec<[MessageData<'a>; 1]> {
        let finish = MessageData::MessageFinish { usage: self.usage.as_ref().and_then(usage_json) };
        let blocks =
            (0..).zip(self.blocks()).map(|(index, content)| MessageData::ContentBlockFinish { index, content });
        blocks.chain([finish]).collect()
    }

    fn begin(&mut self, block: &BlockKind) -> Value {
        let (growing, content) = match block {
            BlockKind::Reasoning => (Growing::Reasoning(String::new()), json!({"type": "reasoning", "reasoning": ""})),
            BlockKind::ToolCall { id, name } => {
                let index = self.blocks.iter().filter(|block| matches!(block, Growing::Call { .. })).count();
                let call = Growing::Call { id: id.clone(), name: name.clone(), args: String::new() };
                (call, json!({"type": "tool_call_chunk", "id": **id, "name": **name, "args": "", "index": index}))
            }
            BlockKind::Given { block } => (Growing::Given(block.clone(), String::new()), outline(block)),
            _ => (Growing::Text(String::new()), json!({"type": "text", "text": ""})),
        };
        self.blocks.push(growing);
        content
    }

    fn grow(&mut self, index: u32, more: &str) {
        let block = self.blocks.get_mut(index as usize);
        if let Some(
            Growing::Text(text) | Growing::Reasoning(text) | Growing::Call { args: text, .. } | Growing::Given(_, text),
        ) = block
        {
            text.push_str(more);
        }
    }
}

impl Growing {
    fn complete(&self) -> Value {
        match self {
            Self::Text(text) => json!({"type": "text", "text": text}),
            Self::Reasoning(text) => json!({"type": "reasoning", "reasoning": text}),
            Self::Call { id, name, args } => {
                let text = if args.trim().is_empty() { "{}" } else { args };
                match serde_json::from_str::<Value>(text) {
                    Ok(args @ Value::Object(_)) => {
                        json!({"type": "tool_call", "id": **id, "name": **name, "args": args})
                    }
                    _ => json!({
                        "type": "invalid_tool_call", "id": **id, "name": **name, "args": args,
                        "error": "Failed to parse tool call arguments as JSON",
                    }),
                }
            }
            Self::Given(block, more) => {
                let mut content = block_json(block);
                let name = if matches!(**block, Block::Reasoning { .. }) { "reasoning" } else { "text" };
                if let (false, Some(fields)) = (more.is_empty(), content.as_object_mut()) {
                    let begun = fields.get(name).and_then(Value::as_str).unwrap_or_default();
                    fields.insert(name.to_owned(), format!("{begun}{more}").into());
                }
                content
            }
        }
    }
}

impl<'a> BlockDelta<'a> {
    fn of(delta: &'a Delta) -> Self {
        match delta {
            Delta::Reasoning(reasoning) => Self::ReasoningDelta { reasoning },
            Delta::Arguments(args) => Self::ToolCallDelta { args },
            other => Self::TextDelta { text: other.as_str() },
        }
    }
}

/// Why a message has no end, if it has none.
fn broken_off(finish: Finish) -> Option<&'static str> {
    match finish {
        Finish::Failed => Some("The model failed."),
        Finish::Cancelled => Some("The run was stopped."),
        Finish::Truncated => Some("The answer ended before it was complete."),
        _ => None,
    }
}

fn block_json(block: &Block) -> Value {
    match block {
        Block::NonStandard { value } => value.clone(),
        other => serde_json::to_value(other).unwrap_or_default(),
    }
}

/// A block without what is heavy in it: that comes when the block is complete.
fn outline(block: &Block) -> Value {
    let mut content = block_json(block);
    if let Some(fields) = content.as_object_mut() {
        fields.retain(|name, _| !["base64", "data", "args", "output", "transcript", "value"].contains(&name.as_str()));
    }
    content
}

/// A usage in LangChain's form. An estimate of ours is not what a client takes this for.
pub(super) fn usage_json(usage: &Usage) -> Option<Value> {
    if usage.source != UsageSource::Provider {
        return None;
    }
    let mut written = serde_json::to_value(usage).unwrap_or_default();
    if let Some(fields) = written.as_object_mut() {
        fields.remove("source");
    }
    Some(written)
}
