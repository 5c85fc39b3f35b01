//! Reading a value of a type out of pieces of any type, as early as what was given can still be right at the end.

use std::mem::discriminant;

use async_stream::try_stream;
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Dynamic;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::payload::Payload;
use crate::piece::{Entries, PayloadFold, Piece};
use crate::streamed::{Chunks, Fold, Streamed, no_value};
use crate::vars::Vars;

/// A value whose pieces can be told from pieces of any type.
pub(super) trait Grown: Dynamic {
    /// What was given of a value that comes whole.
    type Given: Default + Send;

    /// The piece of this type that a piece is which adds to those before; `None` if it is of another kind.
    fn added(piece: &Piece) -> Option<Result<Self::Chunk>>;

    /// What is new in `whole`, which is the value itself if it is the `last`; `None` if it lacks something that was given.
    fn more(given: &mut Self::Given, whole: Self, last: bool) -> Option<Vec<Self::Chunk>>;
}

/// The value piece by piece. Pieces that add to each other are given as they come; of values that take each other's place, what is new. What was given
/// cannot be taken back: that is an error, where awaiting gives the last value.
pub(super) fn grown<T: Grown>(mut pieces: Chunks<Payload>) -> Chunks<T> {
    let read = try_stream! {
        let (mut kind, mut replacing) = (None, None);
        while let Some(piece) = pieces.try_next().await? {
            let is_same = kind.is_none_or(|kind| kind == discriminant(&piece));
            match T::added(&piece).filter(|_| is_same) {
                Some(chunk) => {
                    kind = Some(discriminant(&piece));
                    yield chunk?;
                }
                None => {
                    replacing = Some(piece);
                    break;
                }
            }
        }
        let Some(mut piece) = replacing else {
            if kind.is_none() {
                Err(no_value())?;
            }
            return;
        };
        let (mut given, mut fold) = (T::Given::default(), PayloadFold::default());
        loop {
            // What cannot be read is an error if nothing comes after it.
            if let Piece::Whole(value) = &piece
                && kind.is_none()
                && let Ok(value) = T::read(value)
            {
                for chunk in T::more(&mut given, value, false).into_iter().flatten() {
                    yield chunk;
                }
            }
            fold.push(piece)?;
            match pieces.try_next().await? {
                Some(next) => piece = next,
                None => break,
            }
        }
        let value = fold.finish()?;
        let rest = T::more(&mut given, T::read(&value)?, true).filter(|_| kind.is_none());
        for chunk in rest.ok_or_else(taken_back)? {
            yield chunk;
        }
    };
    read.boxed()
}

fn taken_back() -> Error {
    let message = "a value that came piece by piece was replaced by one that does not begin with what had been given on already; \
                   await the run, or give the value when it is known";
    Error::new(ErrorKind::InvalidInput, message)
}

impl Grown for String {
    type Given = String;

    fn added(piece: &Piece) -> Option<Result<Self::Chunk>> {
        match piece {
            Piece::Text(text) => Some(Ok(text.clone())),
            Piece::Message(chunk) => Some(Ok(chunk.text().unwrap_or_default())),
            _ => None,
        }
    }

    fn more(given: &mut String, whole: String, last: bool) -> Option<Vec<Self::Chunk>> {
        let new = whole.strip_prefix(given.as_str())?;
        let is_said = !new.is_empty() || last && whole.is_empty();
        let chunks = is_said.then(|| new.into()).into_iter().collect();
        *given = whole;
        Some(chunks)
    }
}

impl Grown for Message {
    type Given = ();

    fn added(piece: &Piece) -> Option<Result<Self::Chunk>> {
        match piece {
            Piece::Message(chunk) => Some(Ok(chunk.clone())),
            _ => None,
        }
    }

    fn more((): &mut (), whole: Self, last: bool) -> Option<Vec<Self::Chunk>> {
        Some(if last { whole.into_chunks() } else { Vec::new() })
    }
}

impl Grown for Vars {
    type Given = Self;

    fn added(piece: &Piece) -> Option<Result<Self::Chunk>> {
        match piece {
            Piece::Entries(entries) => Some(Ok(entries.clone())),
            _ => None,
        }
    }

    fn more(given: &mut Self, whole: Self, last: bool) -> Option<Vec<Self::Chunk>> {
        given.iter().all(|(name, _)| whole.get(name).is_some()).then_some(())?;
        let new = whole.iter().filter(|(name, value)| given.get(name) != Some(value));
        let new: Entries = new.map(|(name, value)| (name.into(), Piece::Whole(value.clone()))).collect();
        let is_said = !new.is_empty() || last && whole.is_empty();
        *given = whole;
        Some(is_said.then_some(new).into_iter().collect())
    }
}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Grown for Vec<T> {
    type Given = Vec<Value>;

    fn added(piece: &Piece) -> Option<Result<Self::Chunk>> {
        match piece {
            Piece::Items(items) => Some(Self::read(items)),
            _ => None,
        }
    }

    fn more(given: &mut Vec<Value>, mut whole: Self, last: bool) -> Option<Vec<Self::Chunk>> {
        if !last {
            // It may still be growing itself.
            whole.pop();
        }
        let Ok(Value::Array(elements)) = serde_json::to_value(&whole) else { return None };
        let is_empty = elements.is_empty();
        elements.starts_with(given).then_some(())?;
        let new = whole.split_off(given.len());
        *given = elements;
        let is_said = !new.is_empty() || last && is_empty;
        Some(is_said.then_some(new).into_iter().collect())
    }
}
