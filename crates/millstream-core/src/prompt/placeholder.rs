//! A place in a prompt for messages that are given when it is used.

use super::missing;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Messages;
use crate::vars::Vars;

/// The messages of a variable: LangChain's `MessagesPlaceholder`.
///
/// The variable is a list of messages, `(role, text)` pairs, OpenAI's objects with a role, or texts, which are the person's.
///
/// ```
/// use millstream_core::{Message, Placeholder, Prompt, vars};
///
/// let prompt = Prompt::new().placeholder(Placeholder::new("history").optional().last(2)).human("{q}");
/// assert_eq!(prompt.format(&vars! { q: "?" })?.len(), 1);
///
/// let history = [("human", "Hi"), ("ai", "Hello!"), ("human", "Bye"), ("ai", "Bye!")];
/// let messages = prompt.format(&vars! { q: "?", history: history })?;
/// assert_eq!(messages.len(), 3);
/// assert_eq!(messages[0], Message::human("Bye"));
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    pub(super) name: String,
    pub(super) optional: bool,
    last: Option<usize>,
}

impl Placeholder {
    /// All messages of the variable `name`, which must be given.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), optional: false, last: None }
    }

    /// The variable may be absent: then there are no messages.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Only the last `count` messages.
    #[must_use]
    pub fn last(self, count: usize) -> Self {
        Self { last: Some(count), ..self }
    }

    /// The messages.
    ///
    /// # Errors
    /// `missing_variable`; `invalid_input` if the variable is not a list of messages.
    pub(super) fn messages(&self, vars: &Vars) -> Result<Messages> {
        let Some(value) = vars.get(&self.name) else {
            return if self.optional { Ok(Messages::default()) } else { Err(missing(&self.name, vars)) };
        };
        let messages = match value.downcast::<Messages>() {
            Some(messages) => messages.clone(),
            None => serde_json::from_value(value.json()).map_err(|error| {
                let message = format!("the variable {:?} must be a list of messages: {error}", self.name);
                Error::new(ErrorKind::InvalidInput, message).with_source(error)
            })?,
        };
        let first = self.last.map_or(0, |count| messages.len().saturating_sub(count));
        Ok(messages.into_iter().skip(first).collect())
    }
}

impl From<&str> for Placeholder {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Placeholder {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl From<&String> for Placeholder {
    fn from(name: &String) -> Self {
        Self::new(name)
    }
}
