//! Values inside events that are serialised only if somebody reads them.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::message::Message;
use crate::part::chunk_of;
use crate::piece::Piece;
use crate::streamed::Streamed;
use crate::vars::Vars;

/// A shared value of any type: a state, an update, the input of a task.
///
/// In process it is the value itself ([`Payload::downcast`]); as JSON it is made when it is asked for.
///
/// ```
/// use millstream_core::Payload;
///
/// let payload = Payload::new(vec![1, 2]);
/// assert_eq!(payload.downcast::<Vec<i32>>(), Some(&vec![1, 2]));
/// assert_eq!(payload.json(), serde_json::json!([1, 2]));
/// ```
#[derive(Clone)]
pub struct Payload(Arc<dyn Shown>);

trait Shown: Any + Send + Sync {
    fn json(&self) -> Result<Value, serde_json::Error>;
}

impl<T: Serialize + Any + Send + Sync> Shown for T {
    fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self)
    }
}

impl Payload {
    /// Shares a value.
    pub fn new(value: impl Serialize + Send + Sync + 'static) -> Self {
        Self(Arc::new(value))
    }

    /// A value that is shared already.
    pub fn shared<T: Serialize + Send + Sync + 'static>(value: Arc<T>) -> Self {
        Self(value)
    }

    /// The value as JSON. One that cannot be JSON says so in its place: an error of that item, not of the stream (R38).
    pub fn json(&self) -> Value {
        self.try_json().unwrap_or_else(|error| serde_json::json!({ "unserialisable": error.to_string() }))
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// If it cannot be JSON, for example a map whose keys are not texts.
    pub fn try_json(&self) -> Result<Value, serde_json::Error> {
        self.0.json()
    }

    /// The value, if it is a `T`.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        let value: &dyn Any = &*self.0;
        value.downcast_ref()
    }

    /// The value itself, shared, if it is a `T`.
    pub fn into_shared<T: Send + Sync + 'static>(self) -> Option<Arc<T>> {
        let value: Arc<dyn Any + Send + Sync> = self.0;
        value.downcast().ok()
    }
}

impl Payload {
    /// The value in one piece: a text goes on as a text, a message as a message.
    pub(crate) fn into_piece(self) -> Piece {
        if let Some(text) = self.as_text() {
            return Piece::Text(text.into());
        }
        if let Some(message) = self.downcast::<Message>() {
            return Piece::Message(chunk_of(message));
        }
        if let Some(vars) = self.downcast::<Vars>() {
            return Piece::Entries(vars.clone().into_chunks().remove(0));
        }
        Piece::Whole(self)
    }

    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self.downcast::<Value>() {
            Some(value) => value.as_str(),
            None => self.downcast::<String>().map(String::as_str).or_else(|| self.downcast::<&'static str>().copied()),
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::new(Value::Null)
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.json())
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.json() == other.json()
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::new)
    }
}
