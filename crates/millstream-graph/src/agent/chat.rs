//! The state of an agent: a conversation, alone or among other things.

use std::borrow::Cow;

use millstream_core::{Error, ErrorKind, Message, Messages, Result, add_messages};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::State;
use crate::json::{Json, JsonUpdate};

/// A state with a conversation in it, so that an [`Agent`](crate::Agent) or a [`ToolNode`](crate::ToolNode) can work on it.
///
/// ```
/// use std::borrow::Cow;
///
/// use millstream_core::{Message, Result, add_messages};
/// use millstream_graph::{Conversation, State};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(State, Clone, Default, Serialize, Deserialize)]
/// # #[state(crate = "millstream_graph")]
/// struct Trip {
///     #[reduce(add_messages)]
///     messages: Vec<Message>,
///     city: String,
/// }
///
/// impl Conversation for Trip {
///     fn messages(&self) -> Result<Cow<'_, [Message]>> {
///         Ok(Cow::Borrowed(&self.messages))
///     }
///
///     fn saying(messages: Vec<Message>) -> TripUpdate {
///         Trip::update().messages(messages)
///     }
/// }
/// ```
pub trait Conversation: State {
    /// What was said.
    ///
    /// # Errors
    /// `invalid_input` if what is there are no messages.
    fn messages(&self) -> Result<Cow<'_, [Message]>>;

    /// The update that adds `messages`, as [`add_messages`] does.
    fn saying(messages: Vec<Message>) -> Self::Update;

    /// How many steps the run may still begin after this one, if the state knows: an agent that has none left says so instead of failing.
    fn remaining_steps(&self) -> Option<u64> {
        None
    }
}

/// The state of a conversation.
#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "crate")]
#[non_exhaustive]
pub struct Chat {
    /// What was said.
    #[reduce(add_messages)]
    pub messages: Vec<Message>,
    #[state(remaining_steps)]
    #[serde(skip)]
    remaining_steps: u64,
}

impl Chat {
    /// A conversation that begins with what a person says.
    pub fn human(text: impl Into<String>) -> Self {
        Self::from(vec![Message::human(text)])
    }

    /// What was said last.
    pub fn last(&self) -> Option<&Message> {
        self.messages.last()
    }
}

impl From<Vec<Message>> for Chat {
    fn from(messages: Vec<Message>) -> Self {
        Self { messages, remaining_steps: 0 }
    }
}

impl From<Messages> for Chat {
    fn from(messages: Messages) -> Self {
        Self::from(messages.into_vec())
    }
}

impl Conversation for Chat {
    fn messages(&self) -> Result<Cow<'_, [Message]>> {
        Ok(Cow::Borrowed(&self.messages))
    }

    fn saying(messages: Vec<Message>) -> ChatUpdate {
        Self::update().messages(messages)
    }

    fn remaining_steps(&self) -> Option<u64> {
        Some(self.remaining_steps)
    }
}

/// A state that is defined by data has its conversation at `messages`, and at `remaining_steps` what is left of its steps.
impl Conversation for Json {
    fn messages(&self) -> Result<Cow<'_, [Message]>> {
        let Some(messages) = self.get("messages") else { return Ok(Cow::Borrowed(&[])) };
        let read = Vec::deserialize(messages).map_err(|problem| {
            let message = format!("what the state has at \"messages\" is no conversation: {problem}");
            Error::new(ErrorKind::InvalidInput, message).with_source(problem)
        });
        read.map(Cow::Owned)
    }

    fn saying(messages: Vec<Message>) -> JsonUpdate {
        JsonUpdate::new().with("messages", serde_json::to_value(messages).unwrap_or_default())
    }

    fn remaining_steps(&self) -> Option<u64> {
        self.get("remaining_steps").and_then(Value::as_u64)
    }
}
