//! JSON as far as it has come.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::build;
use crate::dynamic::Dynamic;
use crate::error::{Error, Result};
use crate::payload::Payload;

/// The text of JSON that is still being written. It only grows, so that whoever knows a length has the text of that time.
pub(super) type Growing = Arc<RwLock<String>>;

/// JSON as far as it has come: a [`Value`] that is made when somebody looks at it.
///
/// Views of one answer share its text, and making one costs the same however long it is. The first look at a view reads the text up to
/// where it was; further looks, and those at clones, find the value made.
///
/// ```
/// use millstream_core::JsonReader;
///
/// let mut reader = JsonReader::default();
/// reader.push(r#"{"name": "Fran"#);
/// let early = reader.view().unwrap();
/// reader.push(r#"ce", "area": 55"#);
/// let late = reader.view().unwrap();
/// assert_eq!(early["name"], "Fran");
/// assert_eq!(late, serde_json::json!({ "name": "France", "area": 55 }));
/// ```
#[derive(Clone)]
pub struct JsonView(Arc<Seen>);

struct Seen {
    text: Growing,
    length: usize,
    value: OnceLock<Value>,
}

impl JsonView {
    pub(super) fn new(text: Growing, length: usize) -> Self {
        Self(Arc::new(Seen { text, length, value: OnceLock::new() }))
    }

    /// The value. Also what a view dereferences to.
    pub fn value(&self) -> &Value {
        self.0.value.get_or_init(|| self.0.build())
    }

    /// The value itself, not shared.
    pub fn into_value(self) -> Value {
        match Arc::try_unwrap(self.0) {
            Ok(mut seen) => seen.value.take().unwrap_or_else(|| seen.build()),
            Err(shared) => Self(shared).value().clone(),
        }
    }

    /// Whether the two are views of the same moment, which can be told without looking.
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (Arc::ptr_eq(&self.0.text, &other.0.text) && self.0.length == other.0.length)
    }
}

impl Seen {
    fn build(&self) -> Value {
        let text = self.text.read().unwrap_or_else(PoisonError::into_inner);
        build::value(&text[..self.length]).unwrap_or_default()
    }
}

/// A value that is all there.
impl From<Value> for JsonView {
    fn from(value: Value) -> Self {
        Self(Arc::new(Seen { text: Growing::default(), length: 0, value: OnceLock::from(value) }))
    }
}

impl Dynamic for JsonView {
    fn read(value: &Payload) -> Result<Self> {
        match value.downcast::<Self>() {
            Some(view) => Ok(view.clone()),
            None => value.try_json().map(Self::from).map_err(Error::failed),
        }
    }
}

impl Deref for JsonView {
    type Target = Value;
    fn deref(&self) -> &Value {
        self.value()
    }
}

impl PartialEq for JsonView {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.value() == other.value()
    }
}

impl PartialEq<Value> for JsonView {
    fn eq(&self, other: &Value) -> bool {
        self.value() == other
    }
}

impl Serialize for JsonView {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

/// Shows the JSON.
impl fmt::Display for JsonView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.value(), f)
    }
}

impl fmt::Debug for JsonView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.value(), f)
    }
}
