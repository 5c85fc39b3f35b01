//! Jinja templates.

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};

use super::python::shown;
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::{Vars, missing};

/// Reads a template into an environment of its own.
///
/// # Errors
/// What cannot be read.
pub(super) fn read(text: &str) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // As in Python, where Jinja comes from.
    environment.set_formatter(|out, _, value| {
        let shown = match value.as_str() {
            Some(text) => out.write_str(text),
            None if value.is_undefined() => Ok(()),
            None => out.write_str(&serde_json::to_value(value).map_or_else(|_| value.to_string(), |json| shown(&json))),
        };
        shown.map_err(minijinja::Error::from)
    });
    environment.add_template_owned("prompt", text.to_owned()).map_err(|error| format!("{error:#}"))?;
    Ok(environment)
}

/// The variables that are not set inside of the template.
pub(super) fn variables(environment: &Environment<'_>) -> Vec<String> {
    let template = environment.get_template("prompt");
    template.map(|template| template.undeclared_variables(false).into_iter().collect()).unwrap_or_default()
}

/// The text for `vars`.
///
/// # Errors
/// `missing_variable`, or `bad_template` for anything else that goes wrong in the template.
pub(super) fn render(environment: &Environment<'_>, variables: &[String], vars: &Vars) -> Result<String> {
    let template = environment.get_template("prompt").map_err(failed)?;
    // A variable that the template itself tests for may be absent, so only a failed rendering is an error.
    template.render(Serde(vars)).map_err(|error| {
        let absent = variables.iter().filter(|name| vars.get(name).is_none()).min();
        match (error.kind(), absent) {
            (minijinja::ErrorKind::UndefinedError, Some(name)) => missing(name, vars),
            _ => failed(error),
        }
    })
}

fn failed(error: minijinja::Error) -> Error {
    Error::new(ErrorKind::BadTemplate, format!("the Jinja template failed: {error:#}")).with_source(error)
}
