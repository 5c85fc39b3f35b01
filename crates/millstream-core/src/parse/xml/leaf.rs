//! An innermost element, with its place.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::element::{XmlElement, XmlFold};
use crate::error::Result;
use crate::streamed::Fold;

/// An element without others in it: a piece of an [`XmlElement`].
///
/// Its JSON is that of the elements around it as if there were nothing else in them: `{"film":[{"title":"Alien"}]}`.
#[derive(Clone)]
pub struct XmlLeaf {
    told: Arc<Told>,
    all: Leaves,
    count: usize,
}

/// The leaves of one element, as far as they were told. They only become more, so that whoever knows a count has those of that time.
#[derive(Clone, Default)]
pub(super) struct Leaves(Arc<RwLock<Vec<Arc<Told>>>>);

/// What is told of a leaf.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) path: Vec<Arc<str>>,
    /// How many of the elements around it are also around the leaf before: further ones of the same name are others.
    pub(super) shared: usize,
    pub(super) text: Option<String>,
}

impl Leaves {
    /// Adds the next leaf.
    pub(super) fn add(&self, told: Told) -> XmlLeaf {
        let told = Arc::new(told);
        let mut leaves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        leaves.push(told.clone());
        XmlLeaf { told, all: self.clone(), count: leaves.len() }
    }
}

impl XmlLeaf {
    /// The names of the elements around it, from the outermost, and its own.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        self.told.path.iter().map(|name| &**name)
    }

    /// Its own name.
    pub fn name(&self) -> &str {
        self.told.path.last().map_or("", |name| name)
    }

    /// Its text, if it has any.
    pub fn text(&self) -> Option<&str> {
        self.told.text.as_deref()
    }

    /// The outermost element as far as it had come with this leaf; made when it is asked for.
    ///
    /// # Errors
    /// `internal` if the leaf was not made by a parser.
    pub fn so_far(&self) -> Result<XmlElement> {
        let leaves = self.all.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut fold = XmlFold::default();
        leaves.iter().take(self.count).try_for_each(|told| fold.add(told))?;
        fold.finish()
    }

    pub(super) fn told(&self) -> &Told {
        &self.told
    }
}

impl PartialEq for XmlLeaf {
    fn eq(&self, other: &Self) -> bool {
        self.told == other.told
    }
}

impl fmt::Debug for XmlLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told.fmt(f)
    }
}

/// A leaf as the element that it made of the leaves before: each takes the place of the one before.
pub(super) struct SoFar(pub(super) XmlLeaf);

impl Serialize for SoFar {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.so_far().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl Serialize for XmlLeaf {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        Nested { path: &self.told.path, text: self.text() }.serialize(serializer)
    }
}

struct Nested<'a> {
    path: &'a [Arc<str>],
    text: Option<&'a str>,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut element = serializer.serialize_map(Some(1))?;
        match self.path {
            [name] => element.serialize_entry(&**name, &self.text)?,
            [name, inside @ ..] => element.serialize_entry(&**name, &Only(Nested { path: inside, text: self.text }))?,
            [] => {}
        }
        element.end()
    }
}

/// A list of one.
struct Only<'a>(Nested<'a>);

impl Serialize for Only<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(1))?;
        list.serialize_element(&self.0)?;
        list.end()
    }
}
