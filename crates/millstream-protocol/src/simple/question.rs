//! The request: a question.

use std::fmt;

use serde_json::Value;

/// The question of a request, as it came, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question(pub String);

/// Why there is no question in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuestionError {
    /// The body is not UTF-8.
    NotUtf8,
    /// The body is not JSON.
    NotJson(String),
    /// The body is JSON, but not an object.
    NotAnObject,
    /// There is no field `question`.
    Missing,
    /// The question is something other than a text.
    NotText(&'static str),
    /// The question has no words.
    Empty,
}

impl Question {
    /// Reads the question from a body `{"question": "..."}`; other fields are ignored.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn from_json(body: &[u8]) -> Result<Self, QuestionError> {
        let text = std::str::from_utf8(body).map_err(|_| QuestionError::NotUtf8)?;
        let value: Value = serde_json::from_str(text).map_err(|error| QuestionError::NotJson(error.to_string()))?;
        let Value::Object(mut fields) = value else { return Err(QuestionError::NotAnObject) };
        match fields.remove("question") {
            Some(Value::String(question)) => {
                Self::check(&question)?;
                Ok(Self(question))
            }
            Some(Value::Null) | None => Err(QuestionError::Missing),
            Some(Value::Bool(_)) => Err(QuestionError::NotText("a boolean")),
            Some(Value::Number(_)) => Err(QuestionError::NotText("a number")),
            Some(Value::Array(_)) => Err(QuestionError::NotText("a list")),
            Some(Value::Object(_)) => Err(QuestionError::NotText("an object")),
        }
    }

    /// Accepts a text that asks something.
    ///
    /// # Errors
    /// [`QuestionError::Empty`] if it is only white space.
    pub fn check(question: &str) -> Result<&str, QuestionError> {
        if question.trim().is_empty() { Err(QuestionError::Empty) } else { Ok(question) }
    }
}

impl QuestionError {
    /// Whether the body itself could not be read (400), rather than what it says (422).
    pub fn is_syntax(&self) -> bool {
        matches!(self, Self::NotUtf8 | Self::NotJson(_))
    }
}

impl fmt::Display for QuestionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("the body is not UTF-8; send {\"question\": \"...\"} as UTF-8 JSON"),
            Self::NotJson(error) => write!(f, "the body is not JSON ({error}); send {{\"question\": \"...\"}}"),
            Self::NotAnObject => f.write_str("the body is JSON, but not an object; send {\"question\": \"...\"}"),
            Self::Missing => f.write_str("there is no \"question\"; send {\"question\": \"...\"}"),
            Self::NotText(what) => write!(f, "the \"question\" is {what}, not a text; send {{\"question\": \"...\"}}"),
            Self::Empty => f.write_str("the \"question\" is empty; ask something"),
        }
    }
}

impl std::error::Error for QuestionError {}
