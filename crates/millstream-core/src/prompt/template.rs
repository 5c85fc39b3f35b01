//! One text with variables in it: in LangChain's braces, in Jinja or in Mustache.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use minijinja::Environment;
use serde_json::Value;

use super::{Vars, missing};
use crate::error::{Error, ErrorKind, Result};

mod braces;
mod jinja;
mod mustache;
mod number;
mod python;
mod spec;

pub(crate) use python::shown;

/// How templates are written.
///
/// ```
/// use millstream_core::{Prompt, TemplateFormat, vars};
///
/// for (format, template) in [
///     (TemplateFormat::Braces, "Hello {name}"),
///     (TemplateFormat::Jinja, "Hello {{ name }}"),
///     (TemplateFormat::Mustache, "Hello {{name}}"),
/// ] {
///     let messages = Prompt::written_in(format).human(template).format(&vars! { name: "Ada" })?;
///     assert_eq!(messages[0].text(), "Hello Ada");
/// }
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemplateFormat {
    /// `{variable}`, as Python's f-strings: LangChain's default.
    #[default]
    Braces,
    /// `{{ variable }}`, `{% if %}`, `{% for %}`.
    Jinja,
    /// `{{variable}}`, `{{#section}}..{{/section}}`.
    Mustache,
}

/// A template that was read once. One that cannot be read is an error of every use, so that building a prompt stays simple.
#[derive(Clone)]
pub(crate) struct Template {
    text: Arc<str>,
    body: Body,
    variables: Arc<[String]>,
}

#[derive(Clone)]
enum Body {
    Braces(Arc<[braces::Piece]>),
    Jinja(Arc<Environment<'static>>),
    Mustache(Arc<[mustache::Node]>),
    Broken,
}

impl Template {
    /// Reads a template.
    pub(crate) fn read(format: TemplateFormat, text: &str) -> Self {
        let read = match format {
            TemplateFormat::Braces => braces::read(text).map(|pieces| {
                let names = pieces.iter().filter_map(braces::Piece::variable).cloned().collect();
                (Body::Braces(pieces.into()), names)
            }),
            TemplateFormat::Jinja => jinja::read(text).map(|environment| {
                let names = jinja::variables(&environment);
                (Body::Jinja(environment.into()), names)
            }),
            TemplateFormat::Mustache => mustache::read(text).map(|nodes| {
                let names = mustache::variables(&nodes).cloned().collect();
                (Body::Mustache(nodes.into()), names)
            }),
        };
        let broken = |problem| Self::broken(format!("the template {text:?} cannot be read: {problem}"));
        read.map(|(body, variables)| Self { text: text.into(), body, variables: variables.into() })
            .unwrap_or_else(broken)
    }

    /// What is an error of every use.
    pub(crate) fn broken(problem: impl Into<Arc<str>>) -> Self {
        Self { text: problem.into(), body: Body::Broken, variables: Arc::default() }
    }

    /// Why it cannot be used, if it cannot.
    pub(crate) fn problem(&self) -> Option<&str> {
        matches!(self.body, Body::Broken).then_some(&self.text)
    }

    /// The variables that it needs.
    pub(crate) fn variables(&self) -> &[String] {
        &self.variables
    }

    /// The text for `vars`.
    ///
    /// # Errors
    /// `missing_variable`, `bad_template`, or `invalid_input` for a value that does not have the format that the template wants.
    pub(crate) fn render(&self, vars: &Vars) -> Result<String> {
        match &self.body {
            Body::Braces(pieces) => braces::render(pieces, vars),
            Body::Jinja(environment) => jinja::render(environment, &self.variables, vars),
            Body::Mustache(nodes) => {
                if let Some(name) = self.variables.iter().find(|name| vars.get(name).is_none()) {
                    return Err(missing(name, vars));
                }
                Ok(mustache::render(nodes, &object(vars)?))
            }
            Body::Broken => Err(Error::new(ErrorKind::BadTemplate, &*self.text)),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}

/// The value of a variable, as JSON.
fn value<'a>(name: &str, vars: &'a Vars) -> Result<Cow<'a, Value>> {
    vars.get(name).map(Cow::Borrowed).ok_or_else(|| missing(name, vars))
}

/// All variables, as JSON.
pub(super) fn object(vars: &Vars) -> Result<Value> {
    serde_json::to_value(vars).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("the variables of the prompt cannot be JSON: {error}"))
            .with_source(error)
    })
}
