//! Pieces of messages as `AIMessageChunk`s, and their sum.

use millstream::{AiMessageChunk, Chunk, ChunkEncoder, MessageFold, Part};
use serde_json::{Value, json};

use super::{message_json, without_estimate};

/// Follows one message, and writes its chunks as the reference does.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    encoder: ChunkEncoder,
    sum: Option<AiMessageChunk>,
    whole: Option<Value>,
}

impl Pieces {
    /// The next chunk. A message that comes in one piece is a message, not a chunk: it was not streamed.
    pub fn json(&mut self, chunk: &Chunk) -> Value {
        if let Some(message) = whole_message(chunk) {
            self.whole = Some(message.clone());
            return message;
        }
        let chunk = self.encoder.encode(chunk);
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

/// The message, if `chunk` is all of it.
pub(super) fn whole_message(chunk: &Chunk) -> Option<Value> {
    let (Some(Part::Start { .. }), Some(Part::End { .. })) = (chunk.first(), chunk.last()) else { return None };
    let said_last = |part: &Part| matches!(part, Part::Note { note, .. } if note.last);
    if chunk.iter().any(said_last) {
        return None;
    }
    let mut fold = MessageFold::default();
    fold.push(chunk).ok()?;
    fold.finish().ok().map(|message| message_json(&message))
}
