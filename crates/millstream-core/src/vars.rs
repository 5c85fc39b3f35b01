//! Named values: what prompts are filled with, and what maps of runnables give.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::payload::Payload;
use crate::piece::{Entries, EntriesFold, Piece};
use crate::streamed::Streamed;

/// The variables of a prompt: names and values of any type. [`vars!`](crate::vars) writes them, and a [`Parallel`](crate::Parallel) gives them, each entry
/// piece by piece.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vars {
    values: BTreeMap<String, Payload>,
}

impl Vars {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable: anything that serialises, messages included. A value that cannot be JSON is an error of the prompt that uses it.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let value = match serde_json::to_value(value) {
            Ok(value) => Payload::new(value),
            Err(error) => Payload::new(Unserialisable(error.to_string())),
        };
        self.insert(name, value);
        self
    }

    /// Adds a variable as it is: a value of a type keeps its type.
    pub fn insert(&mut self, name: impl Into<String>, value: Payload) {
        self.values.insert(name.into(), value);
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&Payload> {
        self.values.get(name)
    }

    /// The variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Payload)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The names, for an error that says what was given.
    pub(crate) fn names(&self) -> String {
        if self.values.is_empty() {
            return "none".to_owned();
        }
        self.values.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// That a variable is missing, which something needs.
    pub(crate) fn missing(&self, whose: &str, name: &str) -> Error {
        let message = format!("{whose} needs the variable {name:?}, which was not given (given: {})", self.names());
        Error::new(ErrorKind::MissingVariable, message)
    }
}

/// In the place of a value that cannot be JSON: fails where it is used.
struct Unserialisable(String);

impl Serialize for Unserialisable {
    fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(&self.0))
    }
}

impl FromIterator<(String, Payload)> for Vars {
    fn from_iter<I: IntoIterator<Item = (String, Payload)>>(values: I) -> Self {
        Self { values: values.into_iter().collect() }
    }
}

impl IntoIterator for Vars {
    type Item = (String, Payload);
    type IntoIter = std::collections::btree_map::IntoIter<String, Payload>;
    fn into_iter(self) -> Self::IntoIter {
        self.values.into_iter()
    }
}

impl Streamed for Vars {
    type Chunk = Entries;
    type Fold = EntriesFold;

    fn into_chunks(self) -> Vec<Entries> {
        vec![self.values.into_iter().map(|(name, value)| (name.into(), Piece::Whole(value))).collect()]
    }

    fn piece(chunk: &Entries) -> Piece {
        Piece::Entries(chunk.clone())
    }
}

impl Vars {
    /// Reads the variables out of a value of any type: an object.
    ///
    /// # Errors
    /// `invalid_input` if it is something else.
    pub(crate) fn of(value: &Payload) -> Result<Self> {
        if let Some(vars) = value.downcast::<Self>() {
            return Ok(vars.clone());
        }
        let json = value.json();
        serde_json::from_value(json).map_err(|_| {
            let shown = value.json().to_string();
            let shown: String = shown.chars().take(80).collect();
            Error::new(ErrorKind::InvalidInput, format!("variables must be an object of names and values, not {shown}"))
        })
    }
}

/// Writes the variables of a prompt: `vars! { topic: "streams", history: messages }`.
///
/// ```
/// use millstream_core::vars;
///
/// let vars = vars! { topic: "streams", count: 3 };
/// assert_eq!(vars.get("count").unwrap().json(), 3);
/// ```
#[macro_export]
macro_rules! vars {
    ($($name:ident : $value:expr),* $(,)?) => {
        $crate::Vars::new()$(.with(stringify!($name), $value))*
    };
}
