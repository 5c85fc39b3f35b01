//! LangChain's own templates: `{variable}`, as Python's `str.format` reads them.

use serde_json::Value;

use super::python::{ascii, literal, shown};
use super::spec::Spec;
use super::value;
use crate::error::{Error, ErrorKind, Result};
use crate::vars::Vars;

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(String),
    Field(Field),
}

/// `{name!conversion:spec}`.
#[derive(Clone, Debug)]
pub(super) struct Field {
    name: String,
    conversion: Option<fn(&Value) -> String>,
    spec: Option<Spec>,
}

impl Piece {
    /// The variable that it needs.
    pub(super) fn variable(&self) -> Option<&String> {
        match self {
            Self::Text(_) => None,
            Self::Field(field) => Some(&field.name),
        }
    }
}

/// Reads a template.
///
/// # Errors
/// What cannot be read.
pub(super) fn read(text: &str) -> Result<Vec<Piece>, String> {
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
        let field = field(&brace[1..end])?;
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Field(field));
        rest = &brace[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

fn field(text: &str) -> Result<Field, String> {
    let end = text.find(['!', ':']).unwrap_or(text.len());
    let (name, mut rest) = (text[..end].trim(), &text[end..]);
    if name.contains(['.', '[', ']']) {
        return Err(format!("{name:?} looks into a variable; give the part that is needed as a variable of its own"));
    }
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if !is_name || name.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("{{{text}}} is not a variable; write {{name}}, or {{{{ }}}} for braces"));
    }
    let mut conversion: Option<fn(&Value) -> String> = None;
    if let Some(behind) = rest.strip_prefix('!') {
        let end = behind.find(':').unwrap_or(behind.len());
        conversion = Some(match &behind[..end] {
            "s" => shown,
            "r" => literal,
            "a" => ascii,
            other => return Err(format!("there is no conversion !{other} in {{{text}}}; use !s, !r or !a")),
        });
        rest = &behind[end..];
    }
    let spec = match rest.strip_prefix(':').unwrap_or(rest) {
        "" => None,
        spec if spec.contains('{') => return Err(format!("the format in {{{text}}} cannot be a variable itself")),
        spec => Some(Spec::read(spec).map_err(|problem| format!("{{{text}}}: {problem}"))?),
    };
    Ok(Field { name: name.to_owned(), conversion, spec })
}

/// The text with the variables in their places.
///
/// # Errors
/// `missing_variable`; `invalid_input` for a value that does not have the format.
pub(super) fn render(pieces: &[Piece], vars: &Vars) -> Result<String> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Field(field) => text.push_str(&field.show(&*value(&field.name, vars)?)?),
        }
    }
    Ok(text)
}

impl Field {
    fn show(&self, value: &Value) -> Result<String> {
        let converted = self.conversion.map(|conversion| Value::String(conversion(value)));
        let value = converted.as_ref().unwrap_or(value);
        let Some(spec) = &self.spec else {
            return Ok(shown(value));
        };
        spec.show(value).map_err(|problem| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("the variable {:?} does not have its format: {problem}", self.name),
            )
        })
    }
}
