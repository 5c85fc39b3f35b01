//! JSON fields that only a provider knows: mostly none, and then one word wide.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::merge::merge_objects;
use crate::error::Result;
use crate::event::Metadata;

/// JSON fields beside those that have a place of their own. Without any it takes one word and no allocation.
///
/// ```
/// use millstream_core::Message;
///
/// let mut message = Message::ai("Hello");
/// assert!(message.response_metadata.is_empty());
/// message.response_metadata.insert("model_name", "gpt-5");
/// assert_eq!(message.response_metadata.get("model_name").unwrap(), "gpt-5");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Option<Box<Kept>>);

/// Without it a block is written as we write it; with it, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    /// The block came as a bare text in a list; otherwise it came as an object.
    bare: bool,
    fields: Metadata,
}

impl Fields {
    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.object()?.get(name)
    }

    /// Sets a field.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.object_mut().insert(name.into(), value.into());
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.as_deref_mut()?.fields.remove(name)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.object().is_none_or(Metadata::is_empty)
    }

    /// The fields, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.object().into_iter().flatten()
    }

    /// Adds the fields of another piece of the same thing, as LangChain adds chunks up: texts are joined, numbers added, objects and lists
    /// merged.
    ///
    /// # Errors
    /// `provider_protocol` if a field has another type in the other piece, or is a number or a truth value that cannot be added.
    pub fn merge(&mut self, more: &Self) -> Result<()> {
        if more.is_empty() {
            return Ok(());
        }
        match more.object() {
            Some(more) => merge_objects(self.object_mut(), more),
            None => Ok(()),
        }
    }

    /// Whether nothing is kept, not even how the block came.
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// The fields of a block that came as an object: also without any it stays one.
    pub(crate) fn of_object(fields: Metadata) -> Self {
        Self(Some(Box::new(Kept { bare: false, fields })))
    }

    /// The mark of a text that came bare in a list.
    pub(crate) fn bare() -> Self {
        Self(Some(Box::new(Kept { bare: true, fields: Metadata::new() })))
    }

    pub(crate) fn is_bare(&self) -> bool {
        self.0.as_deref().is_some_and(|kept| kept.bare)
    }

    /// Whether the block came as an object.
    pub(crate) fn is_object(&self) -> bool {
        self.object().is_some()
    }

    pub(crate) fn object(&self) -> Option<&Metadata> {
        self.0.as_deref().filter(|kept| !kept.bare).map(|kept| &kept.fields)
    }

    pub(crate) fn object_mut(&mut self) -> &mut Metadata {
        let kept = self.0.get_or_insert_default();
        kept.bare = false;
        &mut kept.fields
    }
}

/// No fields are nothing.
impl From<Metadata> for Fields {
    fn from(fields: Metadata) -> Self {
        if fields.is_empty() { Self::default() } else { Self::of_object(fields) }
    }
}

impl From<Fields> for Metadata {
    fn from(fields: Fields) -> Self {
        fields.0.map(|kept| kept.fields).unwrap_or_default()
    }
}

/// `null` for nothing, `true` for a text that came bare, else the object.
impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.object() {
            Some(fields) => fields.serialize(serializer),
            None if self.is_bare() => serializer.serialize_bool(true),
            None => serializer.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(fields) => Ok(Self::of_object(fields)),
            Value::Bool(true) => Ok(Self::bare()),
            Value::Null => Ok(Self::default()),
            other => Err(D::Error::custom(format!("fields are an object, not {other}"))),
        }
    }
}
