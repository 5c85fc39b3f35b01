//! A value that is still being written, and the value once it is whole and valid.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::json::JsonView;
use crate::piece::Piece;
use crate::streamed::{Fold, Streamed};

/// A `T` that is still being written: what [`Typed`](crate::Typed) streams. The last one has the [`whole`](Self::whole).
///
/// Nothing of it is checked before the end: a field may be missing, and a text may end in the middle.
pub struct Partial<T> {
    view: JsonView,
    whole: Option<Arc<T>>,
}

impl<T> Partial<T> {
    pub(super) fn new(view: JsonView) -> Self {
        Self { view, whole: None }
    }

    pub(super) fn whole_of(valid: Valid<T>) -> Self {
        Self { view: valid.json, whole: Some(valid.value) }
    }

    /// The JSON as far as it has come.
    pub fn value(&self) -> &Value {
        self.view.value()
    }

    /// A field, as far as it has come.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.value().get(field)
    }

    /// What there is as a `D`, in most cases a type like `T` whose fields may all be missing. `None` if a `D` needs more than what is there.
    pub fn read<D: DeserializeOwned>(&self) -> Option<D> {
        D::deserialize(self.value()).ok()
    }

    /// The value, once it is whole and valid.
    pub fn whole(&self) -> Option<&T> {
        self.whole.as_deref()
    }
}

impl<T> Clone for Partial<T> {
    fn clone(&self) -> Self {
        Self { view: self.view.clone(), whole: self.whole.clone() }
    }
}

impl<T> fmt::Debug for Partial<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partial").field("view", &self.view).field("is_whole", &self.whole.is_some()).finish()
    }
}

/// As the JSON that it is so far.
impl<T> Serialize for Partial<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.view.serialize(serializer)
    }
}

/// A `T` that a model wrote and that its schema accepts: what [`Typed`](crate::Typed) gives. It is used like a `T`.
pub struct Valid<T> {
    value: Arc<T>,
    json: JsonView,
}

impl<T> Valid<T> {
    pub(super) fn new(value: T, json: JsonView) -> Self {
        Self { value: Arc::new(value), json }
    }

    /// The JSON, as the model wrote it.
    pub fn json(&self) -> &Value {
        self.json.value()
    }

    /// The value itself.
    pub fn into_inner(self) -> T
    where
        T: Clone,
    {
        Arc::unwrap_or_clone(self.value)
    }
}

impl<T> Deref for Valid<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Clone for Valid<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), json: self.json.clone() }
    }
}

impl<T: PartialEq> PartialEq for Valid<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Valid<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// As the model wrote it.
impl<T> Serialize for Valid<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl<T: Send + Sync + 'static> Streamed for Valid<T> {
    type Chunk = Partial<T>;
    type Fold = ValidFold<T>;

    fn into_chunks(self) -> Vec<Partial<T>> {
        vec![Partial::whole_of(self)]
    }

    fn piece(chunk: &Partial<T>) -> Piece {
        match &chunk.whole {
            Some(value) => Piece::whole(Self { value: value.clone(), json: chunk.view.clone() }),
            None => Piece::whole(chunk.view.clone()),
        }
    }
}

/// Waits for the [`Partial`] that is whole.
#[derive(Debug)]
pub struct ValidFold<T>(Option<Partial<T>>);

impl<T> Default for ValidFold<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Send + Sync + 'static> Fold for ValidFold<T> {
    type Chunk = Partial<T>;
    type Whole = Valid<T>;

    fn push(&mut self, chunk: Partial<T>) -> Result<()> {
        self.0 = Some(chunk);
        Ok(())
    }

    fn finish(self) -> Result<Valid<T>> {
        match self.0 {
            Some(Partial { view, whole: Some(value) }) => Ok(Valid { value, json: view }),
            _ => Err(Error::new(ErrorKind::Truncated, "the stream ended before the value was whole")),
        }
    }
}
