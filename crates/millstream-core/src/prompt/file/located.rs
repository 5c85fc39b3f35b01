//! JSON and TOML as one tree, in which every value knows its line.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, ErrorKind, Result};

/// A value and the line in which it begins.
pub(super) struct Located {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Text(String),
    List(Vec<Located>),
    Table(BTreeMap<String, Located>),
    Other(Value),
}

impl Located {
    /// The value alone.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Text(text) => text.as_str().into(),
            Kind::List(items) => items.iter().map(Self::value).collect(),
            Kind::Table(fields) => {
                Value::Object(fields.iter().map(|(name, field)| (name.clone(), field.value())).collect())
            }
            Kind::Other(value) => value.clone(),
        }
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    /// The number of the line that the byte `at` is in.
    fn number(&self, at: usize) -> usize {
        self.0.partition_point(|begin| *begin <= at) + 1
    }
}

/// Reads JSON.
///
/// # Errors
/// `bad_template`, with the line.
pub(super) fn json(text: &str) -> Result<Located> {
    // All of it, so that what follows has no syntax to refuse and is not nested too deep.
    let whole: Result<Value, _> = serde_json::from_str(text);
    whole.and_then(|_| of_json(serde_json::from_str(text)?, text, &Lines::of(text))).map_err(|error| {
        Error::new(ErrorKind::BadTemplate, format!("line {}: the prompt is not JSON: {error}", error.line()))
            .with_source(error)
    })
}

fn of_json(raw: &RawValue, text: &str, lines: &Lines) -> Result<Located, serde_json::Error> {
    let json = raw.get();
    let at = json.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let kind = match json.as_bytes().first() {
        Some(b'"') => Kind::Text(serde_json::from_str(json)?),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json)?;
            Kind::List(items.into_iter().map(|item| of_json(item, text, lines)).collect::<Result<_, _>>()?)
        }
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
            let fields = fields.into_iter().map(|(name, field)| Ok((name, of_json(field, text, lines)?)));
            Kind::Table(fields.collect::<Result<_, serde_json::Error>>()?)
        }
        _ => Kind::Other(Value::deserialize(raw)?),
    };
    Ok(Located { line: lines.number(at), kind })
}

/// Reads TOML.
///
/// # Errors
/// `bad_template`, with the line.
pub(super) fn toml(text: &str) -> Result<Located> {
    let lines = Lines::of(text);
    match DeTable::parse(text) {
        Ok(table) => {
            let span = table.span();
            Ok(of_table(table.into_inner(), &span, &lines))
        }
        Err(error) => {
            let line = lines.number(error.span().map_or(0, |span| span.start));
            let message = format!("line {line}: the prompt is not TOML: {}", error.message());
            Err(Error::new(ErrorKind::BadTemplate, message).with_source(error))
        }
    }
}

fn of_table(table: DeTable<'_>, span: &Range<usize>, lines: &Lines) -> Located {
    let fields = table.into_iter().map(|(name, field)| (name.into_inner().into_owned(), of_toml(field, lines)));
    Located { line: lines.number(span.start), kind: Kind::Table(fields.collect()) }
}

fn of_toml(value: Spanned<DeValue<'_>>, lines: &Lines) -> Located {
    let span = value.span();
    let kind = match value.into_inner() {
        DeValue::String(text) => Kind::Text(text.into_owned()),
        DeValue::Array(items) => Kind::List(items.into_iter().map(|item| of_toml(item, lines)).collect()),
        DeValue::Table(table) => return of_table(table, &span, lines),
        DeValue::Boolean(truth) => Kind::Other(truth.into()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Kind::Other(number.into()),
            Err(_) => Kind::Text(number.to_string()),
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Kind::Other(number.into()),
            _ => Kind::Text(number.to_string()),
        },
        DeValue::Datetime(time) => Kind::Text(time.to_string()),
    };
    Located { line: lines.number(span.start), kind }
}
