//! The arguments of a call: their schema from a type, and the type from their JSON.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::schema;
use crate::error::{Error, ErrorKind, Result};
use crate::message::ToolCall;
use crate::model::ToolSpec;

/// LangChain's name for arguments that a tool does not take.
const INVALID_ARGUMENTS: &str = "ValidationError";

impl ToolCall {
    /// The arguments as a `T`.
    ///
    /// ```
    /// use millstream_core::ToolCall;
    ///
    /// let call = ToolCall { id: "c1".to_owned(), name: "add".to_owned(), args: serde_json::json!({ "a": 1, "b": 2 }) };
    /// let sum: i32 = call.arguments::<std::collections::BTreeMap<String, i32>>()?.values().sum();
    /// assert_eq!(sum, 3);
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_input`, which says what is wrong with them; whoever runs the tool tells the model.
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.args).map_err(|problem| invalid(problem.to_string()).with_source(problem))
    }
}

impl ToolSpec {
    /// Checks arguments against the schema, before the tool sees them.
    ///
    /// # Errors
    /// `invalid_input`, which says what is wrong, and where.
    pub fn check(&self, args: &Value) -> Result<()> {
        schema::check(&self.parameters, args).map_err(invalid)
    }
}

fn invalid(problem: String) -> Error {
    Error::new(ErrorKind::InvalidInput, problem).with_name(INVALID_ARGUMENTS)
}

/// Whether a failure is about the arguments, and not about what the tool does with them.
pub(super) fn are_invalid(failure: &Error) -> bool {
    failure.name() == Some(INVALID_ARGUMENTS)
}

/// The JSON Schema of a type, as models are told it: with everything in place rather than by reference, and without a title.
pub fn parameters<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    schema.to_value()
}
