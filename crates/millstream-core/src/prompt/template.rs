//! One text with variables in it, in LangChain's braces or in Jinja.

use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

use super::missing;
use crate::error::{Error, ErrorKind, Result};
use crate::payload::Payload;
use crate::vars::Vars;

/// A template that was read once. One that cannot be read is an error of every use, so that building a prompt stays simple.
#[derive(Clone, Debug)]
pub(super) enum Template {
    Braces(Arc<[Piece]>),
    Jinja(Arc<Environment<'static>>),
    Broken(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Variable(String),
}

impl Template {
    /// Reads `{variable}`, `{{` and `}}`, as Python's f-strings and LangChain's default templates have them.
    pub(super) fn braces(text: &str) -> Self {
        match pieces(text) {
            Ok(pieces) => Self::Braces(pieces.into()),
            Err(problem) => Self::Broken(format!("the template {text:?} cannot be read: {problem}")),
        }
    }

    /// Reads a Jinja template.
    pub(super) fn jinja(text: String) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        match environment.add_template_owned("prompt", text) {
            Ok(()) => Self::Jinja(Arc::new(environment)),
            Err(error) => Self::Broken(format!("the Jinja template cannot be read: {error}")),
        }
    }

    pub(super) fn render(&self, vars: &Vars) -> Result<String> {
        match self {
            Self::Braces(pieces) => {
                let mut text = String::new();
                for piece in &**pieces {
                    match piece {
                        Piece::Text(plain) => text.push_str(plain),
                        Piece::Variable(name) => {
                            push(&mut text, name, vars.get(name).ok_or_else(|| missing(name, vars))?)?
                        }
                    }
                }
                Ok(text)
            }
            Self::Jinja(environment) => {
                let template = environment.get_template("prompt").map_err(unreadable)?;
                let absent =
                    template.undeclared_variables(false).into_iter().filter(|name| vars.get(name).is_none()).min();
                // A variable that the template itself tests for may be absent, so only a failed rendering is an error.
                template.render(Serde(vars)).map_err(|error| match (error.kind(), absent) {
                    (minijinja::ErrorKind::UndefinedError, Some(name)) => missing(&name, vars),
                    _ => unreadable(error),
                })
            }
            Self::Broken(problem) => Err(Error::new(ErrorKind::BadTemplate, problem.clone())),
        }
    }
}

fn unreadable(error: minijinja::Error) -> Error {
    Error::new(ErrorKind::BadTemplate, format!("the Jinja template failed: {error:#}")).with_source(error)
}

fn push(text: &mut String, name: &str, value: &Payload) -> Result<()> {
    if let Some(plain) = value.as_text() {
        text.push_str(plain);
        return Ok(());
    }
    let json = value.try_json().map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("the variable {name:?} cannot be JSON: {error}")).with_source(error)
    })?;
    match json {
        Value::String(plain) => text.push_str(&plain),
        other => text.push_str(&other.to_string()),
    }
    Ok(())
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let brace = &rest[at..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            plain.push_str(&brace[..1]);
            rest = &brace[2..];
            continue;
        }
        if brace.starts_with('}') {
            return Err("a single } stands alone; write }} for a brace".to_owned());
        }
        let end = brace.find('}').ok_or("a { is not closed; write {{ for a brace")?;
        let name = brace[1..end].trim();
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(format!("{:?} is not a variable; write {{name}}, or {{{{ }}}} for braces", &brace[..=end]));
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Variable(name.to_owned()));
        rest = &brace[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vars;

    fn render(text: &str, vars: &Vars) -> Result<String> {
        Template::braces(text).render(vars)
    }

    #[test]
    fn braces_stand_for_variables_and_double_braces_for_braces() {
        let vars = vars! { a: "1", b: 2, c: "{a}" };
        assert_eq!(render("x {a} {{a}} {b} {c}}}", &vars).unwrap(), "x 1 {a} 2 {a}}");
    }

    #[test]
    fn a_missing_variable_is_named_with_what_was_given() {
        let error = render("{topic}", &vars! { topci: "x", kind: "y" }).unwrap_err();
        assert_eq!(error.code(), "missing_variable");
        assert_eq!(
            error.to_string(),
            "the prompt needs the variable \"topic\", which was not given (given: kind, topci)"
        );
    }

    #[test]
    fn a_broken_template_says_what_to_write() {
        for broken in ["{", "a } b", "{a b}", "{}", "{a", "{a!r}"] {
            let error = render(broken, &Vars::new()).unwrap_err();
            assert_eq!(error.code(), "bad_template", "{broken}");
        }
    }

    #[test]
    fn jinja_has_conditions_and_names_what_is_missing() {
        let template = Template::jinja("{% if name is defined %}Hi {{ name }}{% endif %}{{ topic }}\n".to_owned());
        assert_eq!(template.render(&vars! { topic: "!" }).unwrap(), "!");
        let error = template.render(&vars! { name: "Ada" }).unwrap_err();
        assert_eq!(error.code(), "missing_variable");
        assert!(error.to_string().contains("\"topic\"") && error.to_string().contains("(given: name)"));
    }
}
