//! From values whose type is known only when the chain runs to values of a type, and back.

use std::task::{Poll, ready};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, Messages};
use crate::payload::Payload;
use crate::piece::Piece;
use crate::runnable::fold;
use crate::streamed::{Chunks, Fold, Streamed};
use crate::tool::Json;
use crate::vars::Vars;

mod grown;

use grown::grown;

/// A value that can be read out of a [`Payload`], so that steps that take it can stand in a chain that is put together when it runs: one that a file
/// describes, or one branch of a map.
///
/// ```
/// use millstream_core::{Dynamic, Messages, Payload};
///
/// let messages = Messages::read(&Payload::new("Hello"))?;
/// assert_eq!(messages[0].text(), "Hello");
/// # Ok::<(), millstream_core::Error>(())
/// ```
pub trait Dynamic: Streamed {
    /// The value.
    ///
    /// # Errors
    /// `invalid_input` if it is of another type, and cannot be read as one.
    fn read(value: &Payload) -> Result<Self>;

    /// The value piece by piece; unless it is said how, the pieces are put together first. Of a text, a list or an object that comes whole again and
    /// again and grows, as JSON that is still being written does, what is new is given each time.
    fn read_pieces(pieces: Chunks<Payload>) -> Chunks<Self> {
        let read = async move {
            Ok::<_, Error>(stream::iter(Self::read(&fold::<Payload>(pieces).await?)?.into_chunks()).map(Ok))
        };
        stream::once(read).try_flatten().boxed()
    }
}

/// The value itself, or what its JSON is read as.
fn read<T: Clone + DeserializeOwned + 'static>(value: &Payload, wanted: &str) -> Result<T> {
    match value.downcast::<T>() {
        Some(value) => Ok(value.clone()),
        None => serde_json::from_value(value.json()).map_err(|error| unreadable(value, wanted).with_source(error)),
    }
}

fn unreadable(value: &Payload, wanted: &str) -> Error {
    let shown: String = value.json().to_string().chars().take(80).collect();
    Error::new(ErrorKind::InvalidInput, format!("this step takes {wanted}, and was given {shown}"))
}

impl Dynamic for Payload {
    fn read(value: &Payload) -> Result<Self> {
        Ok(value.clone())
    }

    fn read_pieces(pieces: Chunks<Payload>) -> Chunks<Self> {
        pieces
    }
}

impl Dynamic for Value {
    fn read(value: &Payload) -> Result<Self> {
        value.try_json().map_err(Error::failed)
    }
}

/// A text, or the text of a message.
impl Dynamic for String {
    fn read(value: &Payload) -> Result<Self> {
        if let Some(text) = value.as_text() {
            return Ok(text.to_owned());
        }
        if let Some(message) = value.downcast::<Message>() {
            return Ok(message.text());
        }
        match value.json() {
            Value::String(text) => Ok(text),
            _ => Err(unreadable(value, "a text")),
        }
    }

    fn read_pieces(pieces: Chunks<Payload>) -> Chunks<Self> {
        grown::<Self>(pieces)
    }
}

/// A message; a text is what a model said.
impl Dynamic for Message {
    fn read(value: &Payload) -> Result<Self> {
        match value.as_text() {
            Some(text) => Ok(Self::ai(text)),
            None => read(value, "a message"),
        }
    }

    fn read_pieces(pieces: Chunks<Payload>) -> Chunks<Self> {
        grown::<Self>(pieces)
    }
}

/// A conversation: messages, one message, or a text that a person says.
impl Dynamic for Messages {
    fn read(value: &Payload) -> Result<Self> {
        if let Some(messages) = value.downcast::<Self>() {
            return Ok(messages.clone());
        }
        if let Some(messages) = value.downcast::<Vec<Message>>() {
            return Ok(messages.clone().into());
        }
        if let Some(message) = value.downcast::<Message>() {
            return Ok(message.clone().into());
        }
        match value.json() {
            Value::String(text) => Ok(text.as_str().into()),
            Value::Object(fields) => read::<Message>(&Payload::new(Value::Object(fields)), "messages").map(Self::from),
            list => read(&Payload::new(list), "messages"),
        }
    }
}

impl Dynamic for Vars {
    fn read(value: &Payload) -> Result<Self> {
        Self::of(value)
    }

    fn read_pieces(pieces: Chunks<Payload>) -> Chunks<Self> {
        grown::<Self>(pieces)
    }
}

impl<T: Clone + serde::Serialize + DeserializeOwned + Send + Sync + 'static> Dynamic for Json<T> {
    fn read(value: &Payload) -> Result<Self> {
        match value.downcast::<T>() {
            Some(inner) => Ok(Self(inner.clone())),
            None => read(value, short_name::<T>()),
        }
    }
}

impl<T: Clone + serde::Serialize + DeserializeOwned + Send + Sync + 'static> Dynamic for Vec<T> {
    fn read(value: &Payload) -> Result<Self> {
        read(value, "a list")
    }

    fn read_pieces(pieces: Chunks<Payload>) -> Chunks<Self> {
        grown::<Self>(pieces)
    }
}

impl<T: Clone + serde::Serialize + DeserializeOwned + Send + Sync + 'static> Dynamic for Option<T> {
    fn read(value: &Payload) -> Result<Self> {
        match value.downcast::<T>() {
            Some(inner) => Ok(Some(inner.clone())),
            None => read(value, short_name::<T>()),
        }
    }
}

macro_rules! read_from_json {
    ($($type:ty: $wanted:literal),+) => {$(
        impl Dynamic for $type {
            fn read(value: &Payload) -> Result<Self> {
                read(value, $wanted)
            }
        }
    )+};
}

read_from_json!(bool: "true or false", i32: "a whole number", i64: "a whole number", u32: "a whole number", u64: "a whole number");
read_from_json!(usize: "a whole number", f32: "a number", f64: "a number");

fn short_name<T>() -> &'static str {
    let full = std::any::type_name::<T>();
    full.rsplit("::").next().unwrap_or(full)
}

/// The pieces of a value, for those who do not know its type. A value without pieces, such as an empty list, comes in one.
pub(crate) fn pieces<T: Streamed>(chunks: Chunks<T>) -> Chunks<Payload> {
    let mut chunks = Some(chunks);
    let mut came = false;
    stream::poll_fn(move |task| {
        let Some(stream) = &mut chunks else { return Poll::Ready(None) };
        if let Some(chunk) = ready!(stream.poll_next_unpin(task)) {
            came = true;
            return Poll::Ready(Some(chunk.map(|chunk| T::piece(&chunk))));
        }
        chunks = None;
        Poll::Ready(if came { None } else { empty::<T>().map(Ok) })
    })
    .boxed()
}

/// The piece of a value that has no pieces; none if there is no such value.
pub(crate) fn empty<T: Streamed>() -> Option<Piece> {
    let value = T::Fold::default().finish().ok()?;
    let chunk = value.clone().into_chunks().into_iter().next();
    Some(chunk.map_or_else(|| Piece::Whole(value.into_payload()), |chunk| T::piece(&chunk)))
}
