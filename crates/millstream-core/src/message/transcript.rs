//! A conversation as one text: LangChain's `get_buffer_string`.

use serde_json::Value;

use super::python::{repr, repr_of_calls};
use super::{Message, Role};
use crate::error::{Error, ErrorKind, Result};

mod xml;

/// How [`buffer_string`] writes: who speaks, and what is between two messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// What stands for a person.
    pub human: String,
    /// What stands for the model.
    pub ai: String,
    /// What stands for instructions.
    pub system: String,
    /// What stands for the result of a function.
    pub function: String,
    /// What stands for the result of a tool.
    pub tool: String,
    /// What is between two messages.
    pub separator: String,
    /// The form of a message.
    pub form: TranscriptForm,
}

/// The form of a message in a [`Transcript`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TranscriptForm {
    /// `Human: Hi`, with the texts alone, and tool calls behind them.
    #[default]
    Prefix,
    /// `<message type="human">Hi</message>`: what is said cannot be taken for another message. With addresses of images and the like, without
    /// data.
    Xml,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            human: "Human".to_owned(),
            ai: "AI".to_owned(),
            system: "System".to_owned(),
            function: "Function".to_owned(),
            tool: "Tool".to_owned(),
            separator: "\n".to_owned(),
            form: TranscriptForm::default(),
        }
    }
}

/// A conversation as one text, to be read by a model or a person.
///
/// ```
/// use millstream_core::{Message, Transcript, buffer_string};
///
/// let messages = [Message::human("Hi"), Message::ai("Hello")];
/// assert_eq!(buffer_string(&messages, &Transcript::default())?, "Human: Hi\nAI: Hello");
///
/// let as_user = Transcript { human: "User".to_owned(), ..Transcript::default() };
/// assert_eq!(buffer_string(&messages[..1], &as_user)?, "User: Hi");
/// # Ok::<(), millstream_core::Error>(())
/// ```
///
/// # Errors
/// `invalid_input` for a removal, which nobody says.
pub fn buffer_string(messages: &[Message], transcript: &Transcript) -> Result<String> {
    let lines = messages.iter().map(|message| {
        let speaker = transcript.speaker(message)?;
        Ok(match transcript.form {
            TranscriptForm::Prefix => prefixed(message, speaker),
            TranscriptForm::Xml if message.role == Role::Chat => xml::message(message, speaker),
            TranscriptForm::Xml => xml::message(message, &speaker.to_lowercase()),
        })
    });
    Ok(lines.collect::<Result<Vec<String>>>()?.join(&transcript.separator))
}

impl Transcript {
    fn speaker<'a>(&'a self, message: &'a Message) -> Result<&'a str> {
        Ok(match message.role {
            Role::Human => &self.human,
            Role::Ai => &self.ai,
            Role::System => &self.system,
            Role::Function => &self.function,
            Role::Tool => &self.tool,
            Role::Chat => message.extra.get("role").and_then(Value::as_str).unwrap_or_default(),
            Role::Remove => {
                let message = "a removal is no message that somebody says: apply it with add_messages first";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        })
    }
}

fn prefixed(message: &Message, speaker: &str) -> String {
    let calls = match function_call(message) {
        _ if message.tool_calls().next().is_some() => repr_of_calls(message.tool_calls()),
        Some(call) => repr(call),
        None => String::new(),
    };
    format!("{speaker}: {message}{calls}")
}

/// The call of a model that has no tools, only functions.
fn function_call(message: &Message) -> Option<&Value> {
    let called = message.role == Role::Ai && message.tool_calls().next().is_none();
    message.additional_kwargs.get("function_call").filter(|_| called)
}
