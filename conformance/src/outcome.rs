//! What a case produced, as the document that is printed.

use millstream::{Error, TaskError};
use serde::Serialize;
use serde_json::{Value, json};

/// Why a case is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip(pub String);

/// A case with something that there is not.
pub fn unsupported(what: impl Into<String>) -> Skip {
    Skip(format!("not supported: {}", what.into()))
}

/// What a step produced.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepOutcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

impl StepOutcome {
    /// A step that returned something, or failed.
    pub fn of(result: millstream::Result<Value>) -> Self {
        match result {
            Ok(value) => Self { result: Some(value), ..Self::default() },
            Err(error) => Self { error: Some(failure_of(&error)), ..Self::default() },
        }
    }

    /// A step that yields events; none yet.
    pub fn streamed() -> Self {
        Self { events: Some(Vec::new()), ..Self::default() }
    }

    /// Adds an event.
    pub fn push(&mut self, event: Value) {
        self.events.get_or_insert_default().push(event);
    }

    /// Ends the step with an error.
    pub fn fail(&mut self, error: Value) {
        self.error = Some(error);
    }
}

/// An error as outputs write it: by the name of the Python class for the same mistake.
pub fn failure_of(error: &Error) -> Value {
    failure(error.name(), error.code(), &error.to_string())
}

/// Why a task failed, as outputs write it.
pub fn task_failure(error: &TaskError) -> Value {
    failure(error.name.as_deref(), &error.code, &error.message)
}

fn failure(name: Option<&str>, code: &str, message: &str) -> Value {
    let name = name.unwrap_or(match code {
        "missing_variable" => "KeyError",
        "invalid_input" | "bad_template" => "ValueError",
        "provider_unreachable" => "ConnectionError",
        _ => "RuntimeError",
    });
    json!({"type": name, "message": message})
}

/// The document of a case.
pub fn document(name: &str, outcome: &Result<Vec<StepOutcome>, Skip>) -> Value {
    match outcome {
        Ok(steps) => json!({"name": name, "steps": steps}),
        Err(Skip(reason)) => json!({"name": name, "skip": reason}),
    }
}
