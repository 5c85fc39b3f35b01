//! What tools give.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::ToolCommand;
use super::set::ToolResult;
use crate::error::{Error, Result};
use crate::message::{Message, Role, ToolCall, spaced};

/// What a tool gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToolOutput {
    /// A text, which the model reads as it is.
    Text(String),
    /// A value, which the model reads as JSON.
    Json(Value),
    /// A whole message, for results that are more than a text: its content is what the model reads.
    Message(Box<Message>),
    /// A change of the state of the graph that the tool runs in.
    Command(ToolCommand),
}

impl ToolOutput {
    /// The output as the result of `call`.
    pub(super) fn into_result(self, call: &ToolCall) -> ToolResult {
        let text = match self {
            Self::Text(text) => text,
            Self::Json(value) => json_text(&value),
            Self::Message(mut message) => {
                message.role = Role::Tool;
                message.tool_call_id.get_or_insert_with(|| call.id.clone());
                message.name.get_or_insert_with(|| call.name.clone());
                return ToolResult::Message(*message);
            }
            Self::Command(command) => return ToolResult::Command(command),
        };
        ToolResult::Message(Message { name: Some(call.name.clone()), ..Message::tool(&call.id, text) })
    }

    /// The output for whoever runs the tool without a call of a model: a value, a message, or a command as outputs of LangGraph are written.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Json(value) => value.clone(),
            Self::Message(message) => serde_json::to_value(message).unwrap_or_default(),
            Self::Command(command) => command.to_value(),
        }
    }
}

/// A value that a tool gives as JSON.
///
/// ```
/// use millstream_core::{IntoToolOutput, Json, ToolOutput};
///
/// let output = Json(vec![1, 2]).into_tool_output()?;
/// assert_eq!(output, ToolOutput::Json(serde_json::json!([1, 2])));
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json<T>(pub T);

/// Anything that a tool may return.
#[diagnostic::on_unimplemented(
    message = "a tool cannot return `{Self}`",
    note = "return a text, a number, `Json(value)` for anything that serialises, a `Message`, a `ToolCommand`, or a `Result` of one of these"
)]
pub trait IntoToolOutput {
    /// The value as what the tool gives.
    ///
    /// # Errors
    /// The tool's failure, where the value is one.
    fn into_tool_output(self) -> Result<ToolOutput>;
}

impl IntoToolOutput for ToolOutput {
    fn into_tool_output(self) -> Result<ToolOutput> {
        Ok(self)
    }
}

impl IntoToolOutput for String {
    fn into_tool_output(self) -> Result<ToolOutput> {
        Ok(ToolOutput::Text(self))
    }
}

impl IntoToolOutput for &str {
    fn into_tool_output(self) -> Result<ToolOutput> {
        Ok(ToolOutput::Text(self.to_owned()))
    }
}

/// What a tool without an answer says: `null`.
impl IntoToolOutput for () {
    fn into_tool_output(self) -> Result<ToolOutput> {
        Ok(ToolOutput::Json(Value::Null))
    }
}

macro_rules! is_json {
    ($($of:ty),+) => {$(
        impl IntoToolOutput for $of {
            fn into_tool_output(self) -> Result<ToolOutput> {
                Ok(ToolOutput::Json(self.into()))
            }
        }
    )+};
}

is_json!(Value, bool, i32, i64, u32, u64, usize, f64);

impl<T: Serialize> IntoToolOutput for Json<T> {
    fn into_tool_output(self) -> Result<ToolOutput> {
        serde_json::to_value(self.0).map(ToolOutput::Json).map_err(Error::failed)
    }
}

impl IntoToolOutput for Message {
    fn into_tool_output(self) -> Result<ToolOutput> {
        Ok(ToolOutput::Message(Box::new(self)))
    }
}

impl IntoToolOutput for ToolCommand {
    fn into_tool_output(self) -> Result<ToolOutput> {
        Ok(ToolOutput::Command(self))
    }
}

/// A tool that fails with `Err`.
impl<T: IntoToolOutput, E: Into<Error>> IntoToolOutput for Result<T, E> {
    fn into_tool_output(self) -> Result<ToolOutput> {
        self.map_err(Into::into)?.into_tool_output()
    }
}

/// JSON as a model reads it: with a space after `,` and `:`, as Python writes it and most training data has it.
fn json_text(value: &Value) -> String {
    if let Value::String(text) = value {
        return text.clone();
    }
    spaced(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_become_the_text_that_the_reference_writes() {
        for (value, text) in [
            (json!({ "deg": 21, "tags": ["a", null, 1.5] }), r#"{"deg": 21, "tags": ["a", null, 1.5]}"#),
            (json!("as it is"), "as it is"),
            (json!({ "größe": [] }), r#"{"größe": []}"#),
            (json!(true), "true"),
        ] {
            assert_eq!(json_text(&value), text);
        }
    }
}
