//! Runs a case file.

use std::panic::AssertUnwindSafe;
use std::path::Path;

use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::case::{Case, read_in_order};
use crate::outcome::{Skip, StepOutcome, document};

/// Reads a case file and gives the document that the case produces; a case that is not understood is skipped with the reason.
///
/// # Errors
/// If the file cannot be read or is not JSON.
pub async fn run_file(path: &Path) -> Result<Value, String> {
    Ok(run_case(read_json(path)?).await)
}

/// Reads a JSON file.
///
/// # Errors
/// A sentence that names the file.
pub fn read_json(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    read_in_order(&text).map_err(|error| format!("{} is not JSON: {error}", path.display()))
}

/// The document that a case produces.
pub async fn run_case(case: Value) -> Value {
    let name = Case::name_of(&case);
    let outcome = match Case::read(case) {
        // A panic fails one case, not those after it.
        Ok(case) => AssertUnwindSafe(run(case)).catch_unwind().await,
        Err(reason) => Ok(Err(Skip(reason))),
    };
    match outcome {
        Ok(outcome) => document(&name, &outcome),
        Err(_) => json!({"name": name, "fatal": "the case panicked"}),
    }
}

async fn run(case: Case) -> Result<Vec<StepOutcome>, Skip> {
    match case {
        Case::Graph(case) => crate::graph::run(case).await,
        Case::Chain(case) => crate::chain::run(case).await,
        Case::Messages(case) => crate::messages::run(case),
    }
}
