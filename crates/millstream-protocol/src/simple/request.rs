//! The request: a question, or a message to an agent.

use std::fmt;

use serde_json::{Map, Value};

/// What a person asks, and in which conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The question, as it came, byte for byte.
    pub text: String,
    /// The conversation that it belongs to; without one it stands alone.
    pub thread: Option<String>,
}

/// What a person says to an agent, and in which conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRequest {
    /// What is said, as it came, byte for byte.
    pub message: String,
    /// The conversation that it belongs to.
    pub thread: String,
}

/// Why a request asks nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    form: &'static Form,
    /// The field that is wrong.
    field: &'static str,
    wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    NotUtf8,
    NotJson(String),
    NotAnObject,
    Missing,
    NotText(&'static str),
    Empty,
    TooLong,
}

/// What a request looks like.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    field: &'static str,
    example: &'static str,
}

const QUESTION: Form = Form { field: "question", example: r#"{"question": "..."}"# };
const MESSAGE: Form = Form { field: "message", example: r#"{"message": "...", "thread_id": "..."}"# };
const THREAD: &str = "thread_id";

/// The longest name of a conversation, in bytes.
const LONGEST_THREAD: usize = 256;

impl Question {
    /// Reads a body `{"question": "...", "thread_id": "..."}`, of which the second may be left out; other fields are ignored.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn from_json(body: &[u8]) -> Result<Self, RequestError> {
        let mut fields = QUESTION.object(body)?;
        let text = QUESTION.text(&mut fields, QUESTION.field)?;
        Self::new(text, QUESTION.text(&mut fields, THREAD)?)
    }

    /// Takes a question that did not come in a body.
    ///
    /// # Errors
    /// If there is none, if it is only white space, or if the conversation has no usable name.
    pub fn new(question: Option<String>, thread: Option<String>) -> Result<Self, RequestError> {
        Ok(Self { text: QUESTION.spoken(question)?, thread: Self::thread(thread)? })
    }

    /// Accepts the name of a conversation, if there is one.
    ///
    /// # Errors
    /// If it is empty or too long.
    pub fn thread(thread: Option<String>) -> Result<Option<String>, RequestError> {
        thread.map(|thread| QUESTION.thread(thread)).transpose()
    }

    /// Accepts a text that asks something.
    ///
    /// # Errors
    /// If it is only white space.
    pub fn check(question: &str) -> Result<&str, RequestError> {
        if question.trim().is_empty() { Err(QUESTION.error(QUESTION.field, Wrong::Empty)) } else { Ok(question) }
    }
}

impl AgentRequest {
    /// The conversation of requests that name none.
    pub const DEFAULT_THREAD: &str = "default";
    /// The longest name of a conversation, in bytes.
    pub const LONGEST_THREAD: usize = LONGEST_THREAD;

    /// Reads a body `{"message": "...", "thread_id": "..."}`; other fields are ignored.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn from_json(body: &[u8]) -> Result<Self, RequestError> {
        let mut fields = MESSAGE.object(body)?;
        let message = MESSAGE.text(&mut fields, MESSAGE.field)?;
        Self::new(message, MESSAGE.text(&mut fields, THREAD)?)
    }

    /// Takes a message that did not come in a body.
    ///
    /// # Errors
    /// If there is none, if it is only white space, or if the conversation has no usable name.
    pub fn new(message: Option<String>, thread: Option<String>) -> Result<Self, RequestError> {
        let message = MESSAGE.spoken(message)?;
        let thread = MESSAGE.thread(thread.unwrap_or_else(|| Self::DEFAULT_THREAD.to_owned()))?;
        Ok(Self { message, thread })
    }
}

impl Form {
    fn error(&'static self, field: &'static str, wrong: Wrong) -> RequestError {
        RequestError { form: self, field, wrong }
    }

    fn object(&'static self, body: &[u8]) -> Result<Map<String, Value>, RequestError> {
        let text = std::str::from_utf8(body).map_err(|_| self.error(self.field, Wrong::NotUtf8))?;
        let value: Value =
            serde_json::from_str(text).map_err(|error| self.error(self.field, Wrong::NotJson(error.to_string())))?;
        match value {
            Value::Object(fields) => Ok(fields),
            _ => Err(self.error(self.field, Wrong::NotAnObject)),
        }
    }

    /// A field that is a text; none if it is not there, or `null`.
    fn text(
        &'static self,
        fields: &mut Map<String, Value>,
        field: &'static str,
    ) -> Result<Option<String>, RequestError> {
        let what = match fields.remove(field) {
            Some(Value::String(text)) => return Ok(Some(text)),
            Some(Value::Null) | None => return Ok(None),
            Some(Value::Bool(_)) => "a boolean",
            Some(Value::Number(_)) => "a number",
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "an object",
        };
        Err(self.error(field, Wrong::NotText(what)))
    }

    /// The name of a conversation.
    fn thread(&'static self, thread: String) -> Result<String, RequestError> {
        match thread.len() {
            0 => Err(self.error(THREAD, Wrong::Empty)),
            1..=LONGEST_THREAD => Ok(thread),
            _ => Err(self.error(THREAD, Wrong::TooLong)),
        }
    }

    /// The text that something is asked with.
    fn spoken(&'static self, text: Option<String>) -> Result<String, RequestError> {
        match text {
            None => Err(self.error(self.field, Wrong::Missing)),
            Some(text) if text.trim().is_empty() => Err(self.error(self.field, Wrong::Empty)),
            Some(text) => Ok(text),
        }
    }
}

impl RequestError {
    /// Whether the body itself could not be read (400), rather than what it says (422).
    pub fn is_syntax(&self) -> bool {
        matches!(self.wrong, Wrong::NotUtf8 | Wrong::NotJson(_))
    }

    /// The field that is wrong or missing.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { form: Form { example, .. }, field, wrong } = self;
        match wrong {
            Wrong::NotUtf8 => write!(f, "the body is not UTF-8; send {example} as UTF-8 JSON"),
            Wrong::NotJson(error) => write!(f, "the body is not JSON ({error}); send {example}"),
            Wrong::NotAnObject => write!(f, "the body is JSON, but not an object; send {example}"),
            Wrong::Missing => write!(f, "there is no {field:?}; send {example}"),
            Wrong::NotText(what) => write!(f, "the {field:?} is {what}, not a text; send {example}"),
            Wrong::Empty if *field == THREAD => {
                write!(f, "the {field:?} is empty; name the conversation, or leave the field out")
            }
            Wrong::Empty => write!(f, "the {field:?} is empty; ask something"),
            Wrong::TooLong => write!(f, "the {field:?} is longer than {LONGEST_THREAD} bytes"),
        }
    }
}

impl std::error::Error for RequestError {}
