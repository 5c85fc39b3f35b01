//! Values that can arrive in pieces, and the one way to put the pieces together again.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::fold::MessageFold;
use crate::message::{Message, Messages};
use crate::part::{Chunk, chunk_of};

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
pub trait Streamed: Clone + Serialize + Send + Sized + 'static {
    /// One piece.
    type Chunk: Clone + Serialize + Send + 'static;
    /// What puts the pieces together.
    type Fold: Fold<Chunk = Self::Chunk, Whole = Self>;

    /// The whole as pieces, for a step that works on pieces.
    fn into_chunks(self) -> Vec<Self::Chunk>;
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
        self.0.ok_or_else(|| Error::new(ErrorKind::Truncated, "the stream ended without a value"))
    }
}

macro_rules! comes_whole {
    ($($whole:ty),+) => {$(
        impl Streamed for $whole {
            type Chunk = Self;
            type Fold = WholeFold<Self>;

            fn into_chunks(self) -> Vec<Self> {
                vec![self]
            }
        }
    )+};
}

comes_whole!(Messages, Value, crate::prompt::Vars);
