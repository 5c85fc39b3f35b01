//! A whole element.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::leaf::{Leaves, SoFar, Told, XmlLeaf};
use crate::error::{Error, ErrorKind, Result};
use crate::piece::Piece;
use crate::streamed::{Fold, Streamed};

/// An element with what is in it: what [`Xml`](crate::Xml) gives.
///
/// Its JSON is LangChain's: an object of its name, with its text, or else the list of the elements in it.
#[derive(Clone, Debug, PartialEq)]
pub struct XmlElement {
    name: Arc<str>,
    text: Option<String>,
    children: Vec<Self>,
}

impl XmlElement {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text, if it has any and no elements in it.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The elements in it, in order.
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// The first element in it that is called `name`.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name() == name)
    }

    /// Adds its leaves to `made`; `path` is around it, and `shared` of that is around the leaf before.
    fn add_leaves(self, path: &[Arc<str>], shared: usize, leaves: &Leaves, made: &mut Vec<XmlLeaf>) {
        let path: Vec<Arc<str>> = path.iter().cloned().chain([self.name]).collect();
        if self.children.is_empty() {
            made.push(leaves.add(Told { path, shared, text: self.text }));
            return;
        }
        let depth = path.len();
        for (number, child) in self.children.into_iter().enumerate() {
            child.add_leaves(&path, if number == 0 { shared } else { depth }, leaves, made);
        }
    }
}

impl Serialize for XmlElement {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut element = serializer.serialize_map(Some(1))?;
        match self.children.is_empty() {
            true => element.serialize_entry(&*self.name, &self.text)?,
            false => element.serialize_entry(&*self.name, &self.children)?,
        }
        element.end()
    }
}

impl Streamed for XmlElement {
    type Chunk = XmlLeaf;
    type Fold = XmlFold;

    fn into_chunks(self) -> Vec<XmlLeaf> {
        let mut made = Vec::new();
        self.add_leaves(&[], 0, &Leaves::default(), &mut made);
        made
    }

    fn piece(chunk: &XmlLeaf) -> Piece {
        Piece::whole(SoFar(chunk.clone()))
    }
}

/// Puts leaves into the elements around them.
#[derive(Debug, Default)]
pub struct XmlFold(Option<XmlElement>);

impl XmlFold {
    pub(super) fn add(&mut self, leaf: &Told) -> Result<()> {
        let Told { path, shared, text } = leaf;
        let shared = *shared;
        let others = path.get(shared..).unwrap_or_default().iter().rev();
        let added = others.fold(None, |inside: Option<XmlElement>, name| {
            let text = if inside.is_none() { text.clone() } else { None };
            Some(XmlElement { name: name.clone(), text, children: inside.into_iter().collect() })
        });
        let is_first = shared == 0 && self.0.is_none();
        let mut around = self.0.as_mut().filter(|_| shared > 0);
        for _ in 1..shared {
            around = around.and_then(|element| element.children.last_mut());
        }
        match (around, added) {
            (Some(around), Some(added)) => around.children.push(added),
            (None, Some(added)) if is_first => self.0 = Some(added),
            _ => return Err(Error::new(ErrorKind::Internal, "a piece of XML came out of order")),
        }
        Ok(())
    }
}

impl Fold for XmlFold {
    type Chunk = XmlLeaf;
    type Whole = XmlElement;

    fn push(&mut self, leaf: XmlLeaf) -> Result<()> {
        self.add(leaf.told())
    }

    fn finish(self) -> Result<XmlElement> {
        self.0.ok_or_else(|| Error::new(ErrorKind::Truncated, "the stream ended without an element"))
    }
}
