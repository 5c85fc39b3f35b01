//! Values inside events that are serialised only if somebody reads them.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

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
    fn json(&self) -> Value;
    fn as_any(&self) -> &dyn Any;
}

impl<T: Serialize + Any + Send + Sync> Shown for T {
    fn json(&self) -> Value {
        // A value that cannot be JSON is an error of that item, not of the stream (R38).
        serde_json::to_value(self).unwrap_or_else(|error| serde_json::json!({ "unserialisable": error.to_string() }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Payload {
    /// Shares a value.
    pub fn new(value: impl Serialize + Send + Sync + 'static) -> Self {
        Self(Arc::new(value))
    }

    /// The value as JSON.
    pub fn json(&self) -> Value {
        self.0.json()
    }

    /// The value, if it is a `T`.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        // Through the reference, since the `Arc` is `Any` too.
        (*self.0).as_any().downcast_ref()
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
