//! The arguments of a call: a type from their JSON, and the check against their schema.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::message::ToolCall;
use crate::model::ToolSpec;
use crate::schema;

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
        schema::check(&self.parameters, args, "the arguments").map_err(invalid)
    }
}

fn invalid(problem: String) -> Error {
    Error::new(ErrorKind::InvalidInput, problem).with_name(INVALID_ARGUMENTS)
}

/// Whether a failure is about the arguments, and not about what the tool does with them.
pub(super) fn are_invalid(failure: &Error) -> bool {
    failure.name() == Some(INVALID_ARGUMENTS)
}
