use millstream_core::{AiMessageChunk, Chunk, ChunkEncoder, Message, MessageFold, Part};
use serde::Serialize;

/// What is told of a message, in LangChain's JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum MessagePiece {
    /// All of it: it was not streamed.
    Whole(Message),
    /// The next chunk: an `AIMessageChunk`. They add up to the message.
    Chunk(AiMessageChunk),
}

/// Follows one message, and writes its chunks as LangChain does.
#[derive(Clone, Debug, Default)]
pub struct MessagePieces {
    encoder: ChunkEncoder,
}

impl MessagePieces {
    /// The next piece. A message that comes in one chunk from its start to its end was not streamed.
    pub fn push(&mut self, chunk: &Chunk) -> MessagePiece {
        match whole(chunk) {
            Some(message) => MessagePiece::Whole(message),
            None => MessagePiece::Chunk(self.encoder.encode(chunk)),
        }
    }
}

/// The message, if `chunk` is all of it.
fn whole(chunk: &Chunk) -> Option<Message> {
    let (Some(Part::Start { .. }), Some(Part::End { .. })) = (chunk.first(), chunk.last()) else { return None };
    // A stream of one piece says so behind it.
    let said_last = |part: &Part| matches!(part, Part::Note { note, .. } if note.last);
    if chunk.iter().any(said_last) {
        return None;
    }
    let mut fold = MessageFold::default();
    fold.push(chunk).ok()?;
    fold.finish().ok()
}
