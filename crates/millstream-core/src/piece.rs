//! Pieces of values of any type: what chains pass on whose types are known only when they run.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::fold::MessageFold;
use crate::part::Chunk;
use crate::payload::Payload;
use crate::streamed::Fold;
use crate::vars::Vars;

/// A piece of a value, whatever the value's type is.
///
/// Each kind says how it goes together with the one before: that is all that must be known of a value to stream it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// Is put behind the text before.
    Text(Arc<str>),
    /// Goes on with the message before.
    Message(Chunk),
    /// Each entry goes on with the one of the same name.
    Entries(Entries),
    /// A JSON array whose elements follow the ones before.
    Items(Payload),
    /// Takes the place of what was before.
    Whole(Payload),
}

/// Pieces of the values of a [`Vars`], by their names.
pub type Entries = BTreeMap<Arc<str>, Piece>;

impl Piece {
    /// A value that comes in one piece.
    pub fn whole(value: impl Serialize + Send + Sync + 'static) -> Self {
        Self::Whole(Payload::new(value))
    }

    /// The piece as JSON: a text, the parts of a message, an object, an array, or the value.
    pub fn json(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(&**text),
            Self::Message(chunk) => serde_json::to_value(chunk).unwrap_or_default(),
            Self::Entries(entries) => {
                Value::Object(entries.iter().map(|(name, piece)| (name.to_string(), piece.json())).collect())
            }
            Self::Items(value) | Self::Whole(value) => value.json(),
        }
    }

    /// Whether somebody who reads along would see anything of it (R06): an empty text is nothing, nor is a message that has only begun.
    pub fn is_visible(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Message(chunk) => chunk.is_visible(),
            Self::Entries(entries) => entries.values().any(Self::is_visible),
            Self::Items(_) | Self::Whole(_) => true,
        }
    }
}

/// Puts pieces together, of whatever type they are.
#[derive(Debug, Default)]
pub struct PayloadFold(State);

#[derive(Debug, Default)]
enum State {
    #[default]
    Nothing,
    Text(String),
    Message(Box<MessageFold>),
    Entries(EntriesFold),
    Items(Vec<Value>),
    Whole(Payload),
}

impl Fold for PayloadFold {
    type Chunk = Piece;
    type Whole = Payload;

    fn push(&mut self, piece: Piece) -> Result<()> {
        match (&mut self.0, piece) {
            (State::Text(text), Piece::Text(more)) => text.push_str(&more),
            (State::Message(message), Piece::Message(chunk)) => message.push(&chunk)?,
            (State::Entries(fold), Piece::Entries(entries)) => fold.push(entries)?,
            (State::Items(items), Piece::Items(more)) => append(items, &more),
            // A piece of another kind, as the first one, is a new beginning.
            (state, piece) => *state = State::of(piece)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Payload> {
        Ok(match self.0 {
            State::Nothing => return Err(crate::streamed::no_value()),
            State::Text(text) => Payload::new(text),
            State::Message(message) => Payload::new((*message).finish()?),
            State::Entries(fold) => Payload::new(fold.finish()?),
            State::Items(items) => Payload::new(Value::Array(items)),
            State::Whole(value) => value,
        })
    }
}

impl State {
    fn of(piece: Piece) -> Result<Self> {
        Ok(match piece {
            Piece::Text(text) => Self::Text(text.to_string()),
            Piece::Message(chunk) => {
                let mut fold = MessageFold::default();
                fold.push(&chunk)?;
                Self::Message(Box::new(fold))
            }
            Piece::Entries(entries) => {
                let mut fold = EntriesFold::default();
                fold.push(entries)?;
                Self::Entries(fold)
            }
            Piece::Items(items) => {
                let mut list = Vec::new();
                append(&mut list, &items);
                Self::Items(list)
            }
            Piece::Whole(value) => Self::Whole(value),
        })
    }
}

fn append(items: &mut Vec<Value>, more: &Payload) {
    match more.json() {
        Value::Array(more) => items.extend(more),
        one => items.push(one),
    }
}

/// Puts the pieces of each entry together.
#[derive(Debug, Default)]
pub struct EntriesFold(BTreeMap<Arc<str>, PayloadFold>);

impl Fold for EntriesFold {
    type Chunk = Entries;
    type Whole = Vars;

    fn push(&mut self, entries: Entries) -> Result<()> {
        entries.into_iter().try_for_each(|(name, piece)| self.0.entry(name).or_default().push(piece))
    }

    fn finish(self) -> Result<Vars> {
        self.0.into_iter().map(|(name, fold)| Ok((name.to_string(), fold.finish()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::Message;
    use crate::part::chunk_of;

    fn folded(pieces: impl IntoIterator<Item = Piece>) -> Payload {
        let mut fold = PayloadFold::default();
        pieces.into_iter().for_each(|piece| fold.push(piece).unwrap());
        fold.finish().unwrap()
    }

    #[test]
    fn each_kind_of_piece_goes_together_in_its_own_way() {
        assert_eq!(folded([Piece::Text("a".into()), Piece::Text("b".into())]).json(), json!("ab"));
        assert_eq!(
            folded([Piece::Items(Payload::new([1])), Piece::Items(Payload::new([2, 3]))]).json(),
            json!([1, 2, 3])
        );
        assert_eq!(folded([Piece::whole(1), Piece::whole(2)]).json(), json!(2));
        let entry = |name: &str, text: &str| Piece::Entries([(name.into(), Piece::Text(text.into()))].into());
        assert_eq!(folded([entry("a", "1"), entry("b", "2"), entry("a", "3")]).json(), json!({"a": "13", "b": "2"}));
        let message = folded([Piece::Message(chunk_of(&Message::ai("hi")))]);
        assert_eq!(message.downcast::<Message>().unwrap().text(), "hi");
    }

    #[test]
    fn a_piece_of_another_kind_takes_the_place_of_what_was_before() {
        assert_eq!(folded([Piece::Text("a".into()), Piece::whole(1), Piece::Text("b".into())]).json(), json!("b"));
    }

    #[test]
    fn no_piece_is_no_value() {
        assert_eq!(PayloadFold::default().finish().unwrap_err().code(), "truncated");
    }
}
