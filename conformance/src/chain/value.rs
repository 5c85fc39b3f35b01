//! What goes into chains and what comes out of them, as the cases write it.

use std::collections::HashMap;

use millstream::{AiMessageChunk, ChunkDecoder, Message, Messages, PartWriter, Payload, Piece, Result, Streamed, Vars};
use serde_json::{Value, json};

use crate::message::{Pieces, message_json, piece_of_message};

/// A whole value, as outputs write it.
pub(crate) fn whole(value: &Payload) -> Value {
    if let Some(message) = value.downcast::<Message>() {
        return message_json(message);
    }
    if let Some(messages) = value.downcast::<Messages>() {
        if let Some(text) = messages.as_text() {
            return json!({ "text": text });
        }
        return json!({ "messages": messages.iter().map(message_json).collect::<Vec<_>>() });
    }
    if let Some(vars) = value.downcast::<Vars>() {
        return Value::Object(vars.iter().map(|(name, value)| (name.to_owned(), whole(value))).collect());
    }
    read_again(value.json())
}

/// Messages inside JSON, as outputs write them.
fn read_again(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(read_again).collect(),
        Value::Object(fields) if fields.contains_key("type") && fields.contains_key("content") => {
            let value = Value::Object(fields);
            match serde_json::from_value::<Message>(value.clone()) {
                _ if value["type"] == "AIMessageChunk" => piece_of_message(value),
                Ok(message) => message_json(&message),
                Err(_) => value,
            }
        }
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, read_again(field))).collect(),
        other => other,
    }
}

/// Writes the pieces of one value.
#[derive(Default)]
pub(crate) struct Written(HashMap<String, Pieces>);

impl Written {
    /// The next piece.
    pub(crate) fn piece(&mut self, piece: &Piece) -> Value {
        self.inside(String::new(), piece)
    }

    fn inside(&mut self, place: String, piece: &Piece) -> Value {
        match piece {
            Piece::Text(text) => Value::from(&**text),
            Piece::Message(chunk) => self.0.entry(place).or_default().json(chunk),
            Piece::Entries(entries) => {
                let entries = entries.iter();
                let written =
                    entries.map(|(name, piece)| (name.to_string(), self.inside(format!("{place}/{name}"), piece)));
                Value::Object(written.collect())
            }
            Piece::Items(value) | Piece::Whole(value) => whole(value),
        }
    }
}

/// Reads the pieces that a generator gives.
#[derive(Default)]
pub(super) struct GivenPieces {
    decoder: ChunkDecoder,
    message: Option<PartWriter>,
}

impl GivenPieces {
    /// The next piece: of a message, if it is one, or else a whole value.
    pub(super) fn piece(&mut self, value: Value) -> Result<Piece> {
        let chunk = Some(&value).filter(|value| value["type"] == "AIMessageChunk");
        let Some(chunk) = chunk.and_then(|value| serde_json::from_value::<AiMessageChunk>(value.clone()).ok()) else {
            return Ok(Payload::new(value).into_chunks().remove(0));
        };
        let id = chunk.id.clone().unwrap_or_default();
        let out = self.message.get_or_insert_with(|| PartWriter::new(id));
        self.decoder.decode(&chunk, out)?;
        if chunk.last {
            self.decoder.end(out);
        }
        Ok(out.take().map_or_else(|| Payload::new(value).into_chunks().remove(0), Piece::Message))
    }
}
