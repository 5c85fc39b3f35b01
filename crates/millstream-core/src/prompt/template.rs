//! One text with variables in it: in LangChain's braces, in Jinja or in Mustache.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use minijinja::Environment;
use serde_json::Value;

use super::missing;
use crate::error::{Error, ErrorKind, Result};
use crate::vars::Vars;

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
    names: Arc<Names>,
}

#[derive(Clone)]
enum Body {
    Braces(Arc<[braces::Piece]>),
    Jinja(Arc<Environment<'static>>),
    Mustache(Arc<[mustache::Node]>),
    Broken,
}

/// The variables of a template.
#[derive(Default)]
struct Names {
    /// Which must be given.
    needed: Vec<String>,
    /// Which are looked at if they are given; `None` for all.
    used: Option<Vec<String>>,
}

impl Template {
    /// Reads a template.
    pub(crate) fn read(format: TemplateFormat, text: &str) -> Self {
        let read = match format {
            TemplateFormat::Braces => braces::read(text).map(|pieces| {
                let needed = pieces.iter().filter_map(braces::Piece::variable).cloned().collect();
                (Body::Braces(pieces.into()), Names { needed, used: None })
            }),
            TemplateFormat::Jinja => jinja::read(text).map(|environment| {
                let names = jinja::names(&environment);
                (Body::Jinja(environment.into()), names)
            }),
            TemplateFormat::Mustache => mustache::read(text).map(|nodes| {
                let names = mustache::names(&nodes);
                (Body::Mustache(nodes.into()), names)
            }),
        };
        match read {
            Ok((body, names)) => Self { text: text.into(), body, names: names.into() },
            Err(problem) => Self::broken(format!("the template {text:?} cannot be read: {problem}")),
        }
    }

    /// What is an error of every use.
    pub(crate) fn broken(problem: impl Into<Arc<str>>) -> Self {
        Self { text: problem.into(), body: Body::Broken, names: Arc::default() }
    }

    /// Why it cannot be used, if it cannot.
    pub(crate) fn problem(&self) -> Option<&str> {
        matches!(self.body, Body::Broken).then_some(&self.text)
    }

    /// The variables that it needs.
    pub(crate) fn variables(&self) -> &[String] {
        &self.names.needed
    }

    /// The text for `vars`.
    ///
    /// # Errors
    /// `missing_variable`, `bad_template`, or `invalid_input` for a value that does not have the format that the template wants.
    pub(crate) fn render(&self, vars: &Vars) -> Result<String> {
        match &self.body {
            Body::Braces(pieces) => braces::render(pieces, vars),
            Body::Jinja(environment) => {
                let given = self.names.object(vars)?;
                jinja::render(environment, &given, |error| {
                    // A variable that the template itself tests for may be absent, so only a failed rendering is an error.
                    let absent = self.names.needed.iter().filter(|name| vars.get(name).is_none()).min();
                    absent.map_or(error, |name| missing(name, vars))
                })
            }
            Body::Mustache(nodes) => {
                if let Some(name) = self.names.needed.iter().find(|name| vars.get(name).is_none()) {
                    return Err(missing(name, vars));
                }
                Ok(mustache::render(nodes, &self.names.object(vars)?))
            }
            Body::Broken => Err(Error::new(ErrorKind::BadTemplate, &*self.text)),
        }
    }
}

impl Names {
    /// The variables that are used and given, as one JSON object.
    fn object(&self, vars: &Vars) -> Result<Value> {
        let Some(used) = &self.used else {
            return object(vars);
        };
        let given = used.iter().filter(|name| vars.get(name).is_some());
        let fields = given.map(|name| Ok((name.clone(), value(name, vars)?.into_owned())));
        fields.collect::<Result<_>>().map(Value::Object)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}

/// The value of a variable, as JSON.
fn value<'a>(name: &str, vars: &'a Vars) -> Result<Cow<'a, Value>> {
    let value = vars.get(name).ok_or_else(|| missing(name, vars))?;
    if let Some(json) = value.downcast::<Value>() {
        return Ok(Cow::Borrowed(json));
    }
    value.try_json().map(Cow::Owned).map_err(|error| {
        let message = format!("the variable {name:?} cannot be JSON: {error}");
        Error::new(ErrorKind::InvalidInput, message).with_source(error)
    })
}

/// All variables, as one JSON object.
pub(super) fn object(vars: &Vars) -> Result<Value> {
    let fields = vars.iter().map(|(name, _)| Ok((name.to_owned(), value(name, vars)?.into_owned())));
    fields.collect::<Result<_>>().map(Value::Object)
}
