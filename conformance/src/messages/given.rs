//! Messages of a case: whole ones, and pieces of answers that stand among them.

use millstream::{AiMessageChunk, Message, Result, Role};
use serde_json::Value;

use super::read;
use crate::message::{chunk_json, message_json};

/// The field in which a message keeps the piece that it was.
const PIECE: &str = "$piece";

/// A message or a piece of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    /// A whole message.
    Whole(Message),
    /// A piece of an answer.
    Piece(AiMessageChunk),
}

impl Given {
    pub(super) fn read(value: &Value) -> Result<Self> {
        Ok(if is_piece(value) { Self::Piece(read(value)?) } else { Self::Whole(read(value)?) })
    }

    /// Reads the form of dicts.
    pub(super) fn from_dict(dict: &Value) -> Result<Self> {
        if is_piece(dict) { Ok(Self::Piece(read(&dict["data"])?)) } else { Ok(Self::Whole(Message::from_dict(dict)?)) }
    }

    /// Reads the form of constructors.
    pub(super) fn from_constructor(dumped: &Value) -> Result<Self> {
        let class = dumped["id"].as_array().and_then(|path| path.last()?.as_str());
        if class == Some("AIMessageChunk") {
            return Ok(Self::Piece(read(&dumped["kwargs"])?));
        }
        Ok(Self::Whole(read(dumped)?))
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::Whole(message) => message_json(message),
            Self::Piece(chunk) => chunk_json(chunk),
        }
    }

    pub(super) fn whole(self) -> Message {
        match self {
            Self::Whole(message) => message,
            Self::Piece(chunk) => chunk.into_message(),
        }
    }

    /// The message, and which piece it was, if it was one.
    pub(super) fn marked(self) -> Message {
        let piece = match &self {
            Self::Whole(_) => None,
            Self::Piece(chunk) => Some(chunk_json(chunk)),
        };
        let mut message = self.whole();
        piece.into_iter().for_each(|piece| message.extra.insert(PIECE, piece));
        message
    }
}

/// Whether a marked message was a piece.
pub(super) fn was_piece(message: &Message) -> bool {
    message.extra.get(PIECE).is_some()
}

/// A piece has a type of its own, which is no role: here it has that of removals.
pub(super) fn with_own_type(mut message: Message) -> Message {
    if was_piece(&message) {
        message.role = Role::Remove;
    }
    message
}

/// Messages of which the pieces are answers again.
pub(super) fn with_roles(messages: &[Message]) -> Vec<Message> {
    let mut messages = messages.to_vec();
    messages.iter_mut().filter(|message| was_piece(message)).for_each(|piece| piece.role = Role::Ai);
    messages
}

/// A marked message as outputs write it: a piece as what is left of it.
pub(super) fn marked_json(message: &Message) -> Value {
    let mut written = message_json(message);
    let Some(mut piece) = message.extra.get(PIECE).cloned() else { return written };
    for name in ["content", "tool_calls"] {
        piece[name] = written[name].take();
    }
    piece
}

/// The roles of types as the reference names them.
pub(super) fn roles(types: &[String]) -> Vec<Role> {
    let role = |name: &String| match name.as_str() {
        "human" => Role::Human,
        "ai" => Role::Ai,
        "system" => Role::System,
        "tool" => Role::Tool,
        "function" => Role::Function,
        "chat" => Role::Chat,
        // Of pieces, and of nothing: no message has such a type.
        _ => Role::Remove,
    };
    types.iter().map(role).collect()
}

fn is_piece(value: &Value) -> bool {
    value.get("type").is_some_and(|kind| kind == "AIMessageChunk")
}
