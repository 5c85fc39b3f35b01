//! Messages and their content blocks, in the shape that LangChain writes them.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::usage::Usage;

mod add;
mod ai_chunk;
mod block;
mod calls;
mod constructor;
mod content;
mod fields;
mod filter;
mod form;
mod merge;
mod openai;
mod python;
mod runs;
mod spaced;
mod standard;
mod tokens;
mod transcript;
mod trim;

pub use add::{Identified, REMOVE_ALL, add_messages, join_messages};
pub(crate) use ai_chunk::is_better_id;
pub use ai_chunk::{AiMessageChunk, ChunkContent, ToolCallChunk};
pub use block::{Block, Media, ToolCall};
pub use fields::Fields;
pub use filter::{ExcludedCalls, MessageFilter, filter_messages};
pub(crate) use merge::{ids_agree, is_index, merge_objects};
pub use openai::{OpenAiForm, OpenAiText, to_openai_messages};
pub use runs::merge_message_runs;
pub(crate) use spaced::spaced;
pub use tokens::{TokenEstimate, count_messages, count_tokens, count_words};
pub use transcript::{Transcript, TranscriptForm, buffer_string};
pub use trim::{Keep, Trim, split_lines, trim_messages};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Instructions of the application.
    System,
    /// The person.
    Human,
    /// The model.
    Ai,
    /// The result of a tool call.
    Tool,
    /// The result of a function call: what OpenAI had before tools. The function is the message's name.
    Function,
    /// Somebody else: who it is, says the field `role` of [`Message::extra`].
    Chat,
    /// Not a message, but the wish to remove the one with its id from a conversation.
    Remove,
}

impl Role {
    /// Reads a role by any of the names in use (`human` and `user`, `ai` and `assistant`, `system` and `developer`, `tool`, and the older
    /// `function` and `chat`).
    ///
    /// # Errors
    /// `invalid_input` for any other name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "system" | "developer" => Ok(Self::System),
            "human" | "user" => Ok(Self::Human),
            "ai" | "assistant" => Ok(Self::Ai),
            "tool" => Ok(Self::Tool),
            "function" => Ok(Self::Function),
            "chat" => Ok(Self::Chat),
            "remove" => Ok(Self::Remove),
            other => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("there is no message role {other:?}; use system, human (user), ai (assistant) or tool"),
            )),
        }
    }
}

/// Why a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finish {
    /// The model had said everything.
    Stop,
    /// The token limit was reached.
    Length,
    /// The model waits for the results of its tool calls.
    ToolCalls,
    /// The provider's filter stopped the answer.
    ContentFilter,
    /// The run was stopped; what came before is kept.
    Cancelled,
    /// The run failed; what came before is kept.
    Failed,
    /// The connection ended without the provider's end mark; what came before is kept.
    Truncated,
}

impl Finish {
    /// How a message ends whose run fails with `error` in between.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Truncated => Self::Truncated,
            _ => Self::Failed,
        }
    }
}

/// One message of a conversation.
///
/// Its JSON is LangChain's: `{"type":"human","content":"hi"}`, with a list of blocks as content where text is not all. What is read is
/// written again as it was, also what only one provider knows.
///
/// ```
/// use millstream_core::Message;
///
/// let json = r#"{"type":"ai","content":[{"index":0,"text":"Hello","type":"text"}],"id":"m1"}"#;
/// let message: Message = serde_json::from_str(json)?;
/// assert_eq!(message.text(), "Hello");
/// assert_eq!(serde_json::to_string(&message)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// Unique in the conversation, if given.
    pub id: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub content: Vec<Block>,
    /// The speaker's or the tool's name.
    pub name: Option<String>,
    /// Which call this is the result of; only for [`Role::Tool`].
    pub tool_call_id: Option<String>,
    /// Whether the tool failed; only for [`Role::Tool`].
    pub failed: bool,
    /// Why the model stopped; only for [`Role::Ai`].
    pub finish: Option<Finish>,
    /// What the answer cost; only for [`Role::Ai`].
    pub usage: Option<Usage>,
    /// What the tool gave to the program and not to the model; only for [`Role::Tool`].
    pub artifact: Option<Box<Value>>,
    /// What the provider says about its answer.
    pub response_metadata: Fields,
    /// What else is for the provider or comes from it.
    pub additional_kwargs: Fields,
    /// Any other field of the message's JSON.
    pub extra: Fields,
}

impl Message {
    /// A message of `role` with one text block, or none if `text` is empty.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        let text = text.into();
        let content = if text.is_empty() { Vec::new() } else { vec![Block::text(text)] };
        Self {
            id: None,
            role,
            content,
            name: None,
            tool_call_id: None,
            failed: false,
            finish: None,
            usage: None,
            artifact: None,
            response_metadata: Fields::default(),
            additional_kwargs: Fields::default(),
            extra: Fields::default(),
        }
    }

    /// Instructions of the application.
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, text)
    }

    /// What the person says.
    pub fn human(text: impl Into<String>) -> Self {
        Self::new(Role::Human, text)
    }

    /// What the model says.
    pub fn ai(text: impl Into<String>) -> Self {
        Self::new(Role::Ai, text)
    }

    /// The result of the tool call `call_id`.
    pub fn tool(call_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { tool_call_id: Some(call_id.into()), ..Self::new(Role::Tool, text) }
    }

    /// The failure of the call `call_id` of the tool `name`, as the model hears of it.
    pub fn tool_failure(call_id: impl Into<String>, name: impl Into<String>, error: impl fmt::Display) -> Self {
        Self { name: Some(name.into()), failed: true, ..Self::tool(call_id, format!("Error: {error}")) }
    }

    /// Asks [`add_messages`] to remove the message `id`.
    pub fn remove(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::new(Role::Remove, "") }
    }

    /// The content that a list of texts and objects is, as in the JSON of a message.
    ///
    /// # Errors
    /// `invalid_input` for a block that is neither.
    pub(crate) fn blocks(list: Vec<Value>) -> Result<Vec<Block>> {
        form::read_content(Value::Array(list)).map_err(|error| Error::new(ErrorKind::InvalidInput, error))
    }

    /// The visible text: all text blocks, one after the other.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|block| match block {
            Block::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The complete tool calls, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.content.iter().filter_map(|block| match block {
            Block::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

/// Shows the visible text.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.iter().try_for_each(|block| match block {
            Block::Text { text, .. } => f.write_str(text),
            _ => Ok(()),
        })
    }
}

/// A conversation: what a prompt gives and a model takes.
///
/// ```
/// use millstream_core::{Message, Messages};
///
/// let messages = Messages::from([Message::system("Be brief."), Message::human("Why streams?")]);
/// assert_eq!(messages.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Messages {
    list: Vec<Message>,
    /// Whether it was said as one text, and nothing came after.
    #[serde(skip)]
    is_text: bool,
}

impl Messages {
    /// A text as a conversation: one message of the person.
    pub fn of_text(text: impl Into<String>) -> Self {
        Self { list: vec![Message::human(text)], is_text: true }
    }

    /// The text, if this is the text of a [`TextPrompt`](crate::TextPrompt) or was made of one: LangChain's `StringPromptValue`.
    ///
    /// ```
    /// use millstream_core::{Message, Messages};
    ///
    /// assert_eq!(Messages::from("Hello").as_text(), Some("Hello"));
    /// assert_eq!(Messages::from([Message::human("Hello")]).as_text(), None);
    /// ```
    pub fn as_text(&self) -> Option<&str> {
        if !self.is_text {
            return None;
        }
        match self.list.first()?.content.first() {
            Some(Block::Text { text, .. }) => Some(text),
            _ => Some(""),
        }
    }

    /// Adds a message at the end.
    pub fn push(&mut self, message: Message) {
        self.extend([message]);
    }

    /// The messages as a plain vector.
    pub fn into_vec(self) -> Vec<Message> {
        self.list
    }
}

impl Deref for Messages {
    type Target = [Message];
    fn deref(&self) -> &[Message] {
        &self.list
    }
}

impl Extend<Message> for Messages {
    fn extend<T: IntoIterator<Item = Message>>(&mut self, messages: T) {
        self.list.extend(messages);
        self.is_text = false;
    }
}

impl FromIterator<Message> for Messages {
    fn from_iter<T: IntoIterator<Item = Message>>(messages: T) -> Self {
        Self::from(messages.into_iter().collect::<Vec<_>>())
    }
}

impl IntoIterator for Messages {
    type Item = Message;
    type IntoIter = std::vec::IntoIter<Message>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl From<Vec<Message>> for Messages {
    fn from(messages: Vec<Message>) -> Self {
        Self { list: messages, is_text: false }
    }
}

impl<const N: usize> From<[Message; N]> for Messages {
    fn from(messages: [Message; N]) -> Self {
        Self::from(Vec::from(messages))
    }
}

impl From<Message> for Messages {
    fn from(message: Message) -> Self {
        Self::from(vec![message])
    }
}

/// One human message.
impl From<&str> for Messages {
    fn from(text: &str) -> Self {
        Self::of_text(text)
    }
}
