//! Pieces of messages as `AIMessageChunk`s, and their sum.

use millstream::{AiMessageChunk, Chunk};
use millstream_protocol::stream_modes::{MessagePiece, MessagePieces};
use serde_json::{Value, json};

use super::{message_json, without_estimate};

/// Follows one message, and writes its chunks as the reference does.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    pieces: MessagePieces,
    sum: Option<AiMessageChunk>,
    whole: Option<Value>,
}

impl Pieces {
    /// The next chunk. A message that comes in one piece is a message, not a chunk: it was not streamed.
    pub fn json(&mut self, chunk: &Chunk) -> Value {
        let chunk = match self.pieces.push(chunk) {
            MessagePiece::Chunk(chunk) => chunk,
            MessagePiece::Whole(message) => return self.whole.insert(message_json(&message)).clone(),
        };
        match &mut self.sum {
            // What cannot be added up has failed its run, which tells so.
            Some(sum) => drop(sum.add(&chunk)),
            None => self.sum = Some(chunk.clone()),
        }
        chunk_json(&chunk)
    }

    /// All that was told: the sum of the chunks, or the message that came in one piece.
    pub fn take_sum(&mut self) -> Option<Value> {
        let sum = self.sum.take().map(|sum| chunk_json(&sum));
        self.whole.take().or(sum)
    }
}

/// A piece of a message as outputs write it.
pub fn chunk_json(chunk: &AiMessageChunk) -> Value {
    let mut written = json!(chunk);
    without_estimate(&mut written);
    written
}
