//! Answers in a form that the provider is held to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Request;
use crate::message::{Block, Message, Role};
use crate::schema;

/// How long a name may be for OpenAI.
const LONGEST_NAME: usize = 64;

/// The JSON Schema that an answer has to follow.
///
/// A provider that [takes it](crate::ChatModel::takes_response_format) is sent it as it is. For any other the schema goes to the model, in
/// the instructions of the application.
///
/// ```
/// use millstream_core::ResponseFormat;
///
/// #[derive(schemars::JsonSchema)]
/// struct Country {
///     name: String,
///     area: Option<u32>,
/// }
///
/// let format = ResponseFormat::of::<Country>();
/// assert_eq!((format.name.as_str(), format.strict), ("Country", true));
/// assert_eq!(format.schema["required"], serde_json::json!(["area", "name"]));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseFormat {
    /// What the form is called: letters, digits, `_` and `-`.
    pub name: String,
    /// The schema.
    pub schema: Value,
    /// Whether the provider is to follow the schema to the letter. Not every schema can be followed so.
    #[serde(default)]
    pub strict: bool,
}

impl ResponseFormat {
    /// The form of a `T`: strict if its schema can be.
    pub fn of<T: JsonSchema>() -> Self {
        let schema = schema::of::<T>();
        let letters = T::schema_name();
        let letters = letters.chars().map(|letter| if is_of_name(letter) { letter } else { '_' });
        let name = letters.take(LONGEST_NAME).collect();
        match schema::strict(&schema) {
            Some(schema) => Self { name, schema, strict: true },
            None => Self { name, schema, strict: false },
        }
    }

    /// Whether providers take it at all: the outermost value has to be an object.
    fn is_object(&self) -> bool {
        self.schema["type"] == "object"
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

impl Request {
    /// Says in words what the provider cannot be told otherwise.
    pub(super) fn explain_format(&mut self, is_taken: bool) {
        let format = self.options.response_format.take_if(|format| !(is_taken && format.is_object()));
        let Some(format) = format else { return };
        let instructions = schema::instructions(&format.schema);
        let mut messages = std::mem::take(&mut self.messages).into_vec();
        match messages.first_mut().filter(|first| first.role == Role::System) {
            // Many providers take one message of this kind only.
            Some(system) => system.content.push(Block::text(format!("\n\n{instructions}"))),
            None => messages.insert(0, Message::system(instructions)),
        }
        self.messages = messages.into();
    }
}
