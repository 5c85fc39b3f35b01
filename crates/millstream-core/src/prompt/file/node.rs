//! A value of a prompt's file, with its key: what errors speak of.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::located::{Kind, Located};
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::template::{Template, TemplateFormat};

/// A value and the way to it: `messages[0].role`.
pub(super) struct Node<'a> {
    key: String,
    located: &'a Located,
}

impl<'a> Node<'a> {
    pub(super) fn root(located: &'a Located) -> Self {
        Self { key: String::new(), located }
    }

    /// That something is wrong here.
    pub(super) fn error(&self, problem: impl std::fmt::Display) -> Error {
        let line = self.located.line;
        let message = if self.key.is_empty() {
            format!("line {line}: {problem}")
        } else {
            format!("line {line}, {}: {problem}", self.key)
        };
        Error::new(ErrorKind::BadTemplate, message)
    }

    pub(super) fn value(&self) -> Value {
        self.located.value()
    }

    /// The value as a `T`, which is `what`.
    pub(super) fn read<T: DeserializeOwned>(&self, what: &str) -> Result<T> {
        serde_json::from_value(self.value()).map_err(|error| self.error(format!("this must be {what}: {error}")))
    }

    pub(super) fn text(&self) -> Result<&'a str> {
        match &self.located.kind {
            Kind::Text(text) => Ok(text),
            _ => Err(self.error("this must be a text")),
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.located.kind, Kind::Text(_))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.located.kind, Kind::List(_))
    }

    /// A text that is a template.
    pub(super) fn template(&self, format: TemplateFormat) -> Result<&'a str> {
        let text = self.text()?;
        match Template::read(format, text).problem() {
            Some(problem) => Err(self.error(problem)),
            None => Ok(text),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<Node<'a>>> {
        let Kind::List(items) = &self.located.kind else {
            return Err(self.error("this must be a list"));
        };
        let item = |(at, located)| Node { key: format!("{}[{at}]", self.key), located };
        Ok(items.iter().enumerate().map(item).collect())
    }

    pub(super) fn table(&self) -> Result<Fields<'a>> {
        let Kind::Table(fields) = &self.located.kind else {
            return Err(self.error("this must be a table of names and values"));
        };
        let prefix = if self.key.is_empty() { String::new() } else { format!("{}.", self.key) };
        let field =
            |(name, located): (&'a String, _)| (name.as_str(), Node { key: format!("{prefix}{name}"), located });
        Ok(Fields {
            whole: Node { key: self.key.clone(), located: self.located },
            fields: fields.iter().map(field).collect(),
        })
    }
}

/// The fields of a table that nobody has taken yet.
pub(super) struct Fields<'a> {
    /// The table itself.
    pub(super) whole: Node<'a>,
    fields: BTreeMap<&'a str, Node<'a>>,
}

impl<'a> Fields<'a> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Takes a field; `null` is no field.
    pub(super) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        self.fields.remove(name).filter(|node| !matches!(node.located.kind, Kind::Other(Value::Null)))
    }

    /// Takes a field that must be there.
    pub(super) fn need(&mut self, name: &str) -> Result<Node<'a>> {
        self.take(name).ok_or_else(|| self.whole.error(format!("{name:?} is missing")))
    }

    /// That nothing else is there.
    pub(super) fn finish(self, known: &str) -> Result<()> {
        match self.fields.into_values().next() {
            Some(node) => Err(node.error(format!("there is no such key here; there are {known}"))),
            None => Ok(()),
        }
    }
}
