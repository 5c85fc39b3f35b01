//! What goes into chains and what comes out of them, between JSON and Millstream's types.

use std::sync::Arc;

use millstream::{Chunk, Message, Messages, Streamed, Vars};
use serde_json::{Value, json};

use crate::message::{Pieces, message_json, read_message};
use crate::outcome::{Skip, unsupported};

/// What a chain can be given.
pub(super) trait Given: Streamed {
    /// Reads it, or says why it cannot be read.
    fn read(input: &Value) -> Result<Self, Skip>;
}

impl Given for Vars {
    fn read(input: &Value) -> Result<Self, Skip> {
        if !input.is_object() {
            return Err(unsupported("a prompt takes an object of variables"));
        }
        serde_json::from_value(input.clone()).map_err(|error| unsupported(error.to_string()))
    }
}

impl Given for Messages {
    fn read(input: &Value) -> Result<Self, Skip> {
        let items = match input {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        items.iter().map(read_message).collect::<Result<_, _>>().map_err(unsupported)
    }
}

impl Given for Message {
    fn read(input: &Value) -> Result<Self, Skip> {
        read_message(input).map_err(unsupported)
    }
}

/// What a chain can give.
pub(super) trait Shown: Streamed {
    /// What has to be known of the chunks before.
    type Before: Default + Send;

    /// The whole output.
    fn whole(self) -> Value;

    /// A piece of it.
    fn piece(before: &mut Self::Before, chunk: &Self::Chunk) -> Value;
}

impl Shown for Messages {
    type Before = ();

    fn whole(self) -> Value {
        json!({ "messages": self.iter().map(message_json).collect::<Vec<_>>() })
    }

    fn piece((): &mut (), chunk: &Self) -> Value {
        chunk.clone().whole()
    }
}

impl Shown for Message {
    type Before = Pieces;

    fn whole(self) -> Value {
        message_json(&self)
    }

    fn piece(before: &mut Pieces, chunk: &Chunk) -> Value {
        before.json(chunk)
    }
}

impl Shown for String {
    type Before = ();

    fn whole(self) -> Value {
        self.into()
    }

    fn piece((): &mut (), chunk: &Arc<str>) -> Value {
        Value::from(&**chunk)
    }
}
