//! Values that can arrive in pieces, and the one way to put the pieces together again.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::fold::MessageFold;
use crate::message::{Message, Messages};
use crate::part::{Chunk, chunk_of};
use crate::payload::Payload;
use crate::piece::{PayloadFold, Piece};
use crate::tool::Json;

/// The pieces of a `T`, as they come. Stop polling to pause; drop to cancel.
pub type Chunks<T> = BoxStream<'static, Result<<T as Streamed>::Chunk>>;

/// A value that may arrive in pieces.
///
/// What a runnable takes and gives. Folding the chunks of a stream gives what awaiting the same run gives, because awaiting *is*
/// folding: there is no other path.
///
/// ```
/// use millstream_core::{Fold, Streamed};
///
/// let mut fold = <String as Streamed>::Fold::default();
/// fold.push("Hel".into())?;
/// fold.push("lo".into())?;
/// assert_eq!(fold.finish()?, "Hello");
/// # Ok::<(), millstream_core::Error>(())
/// ```
pub trait Streamed: Clone + Serialize + Send + Sync + Sized + 'static {
    /// One piece.
    type Chunk: Clone + Serialize + Send + 'static;
    /// What puts the pieces together.
    type Fold: Fold<Chunk = Self::Chunk, Whole = Self>;

    /// The whole as pieces, for a step that works on pieces.
    fn into_chunks(self) -> Vec<Self::Chunk>;

    /// A chunk for readers who do not know the type: of events, and of chains that are put together when they run.
    fn piece(chunk: &Self::Chunk) -> Piece;

    /// The whole for those readers.
    fn into_payload(self) -> Payload {
        Payload::new(self)
    }
}

/// Puts pieces together, one after the other.
pub trait Fold: Default + Send + 'static {
    /// One piece.
    type Chunk;
    /// What they make.
    type Whole;

    /// Adds a piece.
    ///
    /// # Errors
    /// If the piece cannot follow the ones before.
    fn push(&mut self, chunk: Self::Chunk) -> Result<()>;

    /// The whole.
    ///
    /// # Errors
    /// If the pieces are not all there.
    fn finish(self) -> Result<Self::Whole>;
}

impl Streamed for Message {
    type Chunk = Chunk;
    type Fold = MessageFold;

    fn into_chunks(self) -> Vec<Chunk> {
        vec![chunk_of(&self)]
    }

    fn piece(chunk: &Chunk) -> Piece {
        Piece::Message(chunk.clone())
    }
}

impl Fold for MessageFold {
    type Chunk = Chunk;
    type Whole = Message;

    fn push(&mut self, chunk: Chunk) -> Result<()> {
        Self::push(self, &chunk)
    }

    fn finish(self) -> Result<Message> {
        Self::finish(self)
    }
}

impl Streamed for String {
    type Chunk = Arc<str>;
    type Fold = TextFold;

    fn into_chunks(self) -> Vec<Arc<str>> {
        vec![self.into()]
    }

    fn piece(chunk: &Arc<str>) -> Piece {
        Piece::Text(chunk.clone())
    }
}

/// Joins texts.
#[derive(Debug, Default)]
pub struct TextFold(String);

impl Fold for TextFold {
    type Chunk = Arc<str>;
    type Whole = String;

    fn push(&mut self, chunk: Arc<str>) -> Result<()> {
        self.0.push_str(&chunk);
        Ok(())
    }

    fn finish(self) -> Result<String> {
        Ok(self.0)
    }
}

/// For values that come in one piece: the last piece is the value.
#[derive(Debug)]
pub struct WholeFold<T>(Option<T>);

impl<T> Default for WholeFold<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Send + 'static> Fold for WholeFold<T> {
    type Chunk = T;
    type Whole = T;

    fn push(&mut self, chunk: T) -> Result<()> {
        self.0 = Some(chunk);
        Ok(())
    }

    fn finish(self) -> Result<T> {
        self.0.ok_or_else(no_value)
    }
}

/// That a stream was empty where a value was needed.
pub(crate) fn no_value() -> Error {
    Error::new(ErrorKind::Truncated, "the stream ended without a value")
}

macro_rules! comes_whole {
    (@one [$($generics:tt)*] $whole:ty) => {
        impl $($generics)* Streamed for $whole {
            type Chunk = Self;
            type Fold = WholeFold<Self>;

            fn into_chunks(self) -> Vec<Self> {
                vec![self]
            }

            fn piece(chunk: &Self) -> Piece {
                Piece::whole(chunk.clone())
            }
        }
    };
    (of T: $($whole:ty),+) => {$(
        comes_whole!(@one [<T: Clone + Serialize + Send + Sync + 'static>] $whole);
    )+};
    ($($whole:ty),+) => {$(
        comes_whole!(@one [] $whole);
    )+};
}

comes_whole!(Messages, Value, crate::json::JsonView, bool, i32, i64, u32, u64, usize, f32, f64);
// Values of types of one's own, and values that may be absent.
comes_whole!(of T: Json<T>, Option<T>);

/// A list comes element by element, or some of them at a time.
impl<T: Clone + Serialize + Send + Sync + 'static> Streamed for Vec<T> {
    type Chunk = Self;
    type Fold = ListFold<T>;

    fn into_chunks(self) -> Vec<Self> {
        vec![self]
    }

    fn piece(chunk: &Self) -> Piece {
        Piece::Items(Payload::new(chunk.clone()))
    }
}

/// Puts elements behind the ones before.
#[derive(Debug)]
pub struct ListFold<T>(Vec<T>);

impl<T> Default for ListFold<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Send + 'static> Fold for ListFold<T> {
    type Chunk = Vec<T>;
    type Whole = Vec<T>;

    fn push(&mut self, chunk: Vec<T>) -> Result<()> {
        self.0.extend(chunk);
        Ok(())
    }

    fn finish(self) -> Result<Vec<T>> {
        Ok(self.0)
    }
}

/// A value of any type, in pieces of any type.
impl Streamed for Payload {
    type Chunk = Piece;
    type Fold = PayloadFold;

    fn into_chunks(self) -> Vec<Piece> {
        vec![self.into_piece()]
    }

    fn piece(chunk: &Piece) -> Piece {
        chunk.clone()
    }

    fn into_payload(self) -> Payload {
        self
    }
}
