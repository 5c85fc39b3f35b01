//! Jinja templates.

use std::collections::HashSet;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

use super::Names;
use super::python::shown;
use crate::error::{Error, ErrorKind, Result};

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

/// The variables that are not set inside of the template. What Jinja itself has under a name need not be given.
pub(super) fn names(environment: &Environment<'_>) -> Names {
    let template = environment.get_template("prompt");
    let used = template.map(|template| template.undeclared_variables(false)).unwrap_or_default();
    let globals: HashSet<&str> = environment.globals().map(|(name, _)| name).collect();
    let needed = used.iter().filter(|name| !globals.contains(name.as_str())).cloned().collect();
    Names { needed, used: Some(used.into_iter().collect()) }
}

/// The text for `vars`, an object. What was undefined becomes an error by `undefined`.
///
/// # Errors
/// What `undefined` gives, or `bad_template` for anything else that goes wrong in the template.
pub(super) fn render(
    environment: &Environment<'_>,
    vars: &Value,
    undefined: impl FnOnce(Error) -> Error,
) -> Result<String> {
    let template = environment.get_template("prompt").map_err(failed)?;
    template.render(Serde(vars)).map_err(|error| match error.kind() {
        minijinja::ErrorKind::UndefinedError => undefined(failed(error)),
        _ => failed(error),
    })
}

fn failed(error: minijinja::Error) -> Error {
    Error::new(ErrorKind::BadTemplate, format!("the Jinja template failed: {error:#}")).with_source(error)
}
