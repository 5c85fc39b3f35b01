//! How messages and failures are written inside events.

use millstream_core::{AiMessageChunk, Chunk, ChunkContent, Message, TaskError};
use serde_json::{Value, json};

use crate::stream_modes::{MessagePiece, MessagePieces};

/// How messages and failures are written inside events; LangChain's plain JSON unless it is said otherwise.
pub trait EventForm {
    /// A whole message.
    fn message(&self, message: &Message) -> Value {
        json!(message)
    }

    /// A piece of a message, or the sum of some.
    fn chunk(&self, chunk: &AiMessageChunk) -> Value {
        json!(chunk)
    }

    /// Why a tool failed.
    fn error(&self, error: &TaskError) -> Value {
        Value::from(error.message.as_str())
    }
}

/// LangChain's plain JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainForm;

impl EventForm for PlainForm {}

/// Follows one message, and keeps what all its pieces make.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: MessagePieces,
    sum: Option<AiMessageChunk>,
    shown: Option<(String, Value)>,
    /// Whether the piece that says it is the last one says anything else.
    ends_with_words: bool,
}

impl Pieces {
    /// The next piece.
    pub(super) fn json(&mut self, form: &impl EventForm, chunk: &Chunk) -> Value {
        match self.pieces.push(chunk) {
            MessagePiece::Chunk(chunk) => {
                let shown = form.chunk(&chunk);
                self.ends_with_words = chunk.last && !is_empty(&chunk);
                match &mut self.sum {
                    // What cannot be added up has failed its run, which tells so.
                    Some(sum) => drop(sum.add(&chunk)),
                    none => *none = Some(chunk),
                }
                if let Some((id, sum)) =
                    self.sum.as_ref().filter(|sum| sum.last).and_then(|sum| Some((sum.id.clone()?, sum)))
                {
                    self.shown = Some((id, form.chunk(sum)));
                }
                shown
            }
            MessagePiece::Whole(message) => form.message(&message),
        }
    }

    /// Whether the last piece of the message was one with something in it.
    pub(super) fn ends_with_words(&self) -> bool {
        self.ends_with_words
    }

    /// The message's id and the sum of its pieces, when all have come.
    pub(super) fn take_sum(&mut self) -> Option<(String, Value)> {
        self.shown.take()
    }
}

fn is_empty(chunk: &AiMessageChunk) -> bool {
    let is_empty = match &chunk.content {
        ChunkContent::Text(text) => text.is_empty(),
        ChunkContent::List(blocks) => blocks.is_empty(),
    };
    is_empty && chunk.tool_call_chunks.is_empty()
}
