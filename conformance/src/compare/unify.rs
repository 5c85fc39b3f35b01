//! Equality up to a one-to-one renaming of ids.

use std::collections::{BTreeSet, HashMap};

use regex::Regex;
use serde_json::Value;

use super::shape::{blank, ids, is_bare_id, is_message};

/// Which id of the expectation is which id of the output.
#[derive(Default)]
pub(super) struct Bijection {
    forward: HashMap<String, String>,
    backward: HashMap<String, String>,
    trail: Vec<(String, String)>,
}

impl Bijection {
    /// A point to come back to.
    pub(super) fn mark(&self) -> usize {
        self.trail.len()
    }

    /// Forgets what was paired since `mark`.
    pub(super) fn undo(&mut self, mark: usize) {
        for (expected, actual) in self.trail.drain(mark..) {
            self.forward.remove(&expected);
            self.backward.remove(&actual);
        }
    }

    fn pair(&mut self, expected: &str, actual: &str) -> bool {
        match (self.forward.get(expected), self.backward.contains_key(actual)) {
            (Some(known), _) => known == actual,
            (None, true) => false,
            (None, false) => {
                self.forward.insert(expected.to_owned(), actual.to_owned());
                self.backward.insert(actual.to_owned(), expected.to_owned());
                self.trail.push((expected.to_owned(), actual.to_owned()));
                true
            }
        }
    }
}

/// The differences that were found, up to a limit.
pub(super) struct Differences {
    texts: Vec<String>,
    limit: usize,
}

impl Differences {
    pub(super) fn new(limit: usize) -> Self {
        Self { texts: Vec::new(), limit }
    }

    /// Keeps a difference; comes back with the answer to "are they the same?".
    pub(super) fn say(&mut self, text: impl Into<String>) -> bool {
        if !self.is_full() {
            self.texts.push(text.into());
        }
        false
    }

    pub(super) fn push(&mut self, text: String) {
        self.texts.push(text);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.texts.len() >= self.limit
    }
}

impl IntoIterator for Differences {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;
    fn into_iter(self) -> Self::IntoIter {
        self.texts.into_iter()
    }
}

/// Compares values, and learns which id is which.
pub(super) struct Matcher<'a> {
    pub(super) ids: &'a mut Bijection,
    pub(super) masks: &'a [Regex],
}

impl Matcher<'_> {
    /// Whether two values are the same.
    pub(super) fn unify(&mut self, expected: &Value, actual: &Value, path: &str, out: &mut Differences) -> bool {
        if out.is_full() {
            return false;
        }
        match (expected, actual) {
            (Value::String(expected), Value::String(actual)) => self.texts(expected, actual, path, out),
            (Value::Array(expected), Value::Array(actual)) => self.lists(expected, actual, path, out),
            (Value::Object(_), Value::Object(_)) => self.objects(expected, actual, path, out),
            _ if same_scalar(expected, actual) => true,
            _ => out.say(format!("{path}: expected {}, got {}", show(expected), show(actual))),
        }
    }

    /// Whether two errors are the same: a message counts only where one was recorded.
    pub(super) fn unify_error(&mut self, expected: &Value, actual: &Value, out: &mut Differences) -> bool {
        let (Some(wanted), Some(fields)) = (expected.as_object(), actual.as_object()) else {
            return self.unify(expected, actual, "error", out);
        };
        let counts = |name: &str| name == "type" || (name == "message" && wanted.contains_key("message"));
        let counted = fields.iter().filter(|(name, _)| counts(name)).map(|(name, field)| (name.clone(), field.clone()));
        self.unify(expected, &Value::Object(counted.collect()), "error", out)
    }

    fn texts(&mut self, expected: &str, actual: &str, path: &str, out: &mut Differences) -> bool {
        if self.masks.iter().any(|mask| mask.is_match(expected) && mask.is_match(actual)) {
            return true;
        }
        let (wanted, got) = (ids(expected), ids(actual));
        if blank(expected) != blank(actual) || wanted.len() != got.len() {
            return out.say(format!("{path}: expected {expected:?}, got {actual:?}"));
        }
        for (wanted, got) in wanted.into_iter().zip(got) {
            if !self.ids.pair(wanted, got) {
                return out.say(format!(
                    "{path}: {expected:?} and {actual:?} are the same text, but the id is not the one this id was matched with before"
                ));
            }
        }
        true
    }

    fn lists(&mut self, expected: &[Value], actual: &[Value], path: &str, out: &mut Differences) -> bool {
        let mut same = true;
        if expected.len() != actual.len() {
            same = out.say(format!("{path}: expected {} items, got {}", expected.len(), actual.len()));
        }
        for (at, (expected, actual)) in expected.iter().zip(actual).enumerate() {
            same &= self.unify(expected, actual, &format!("{path}[{at}]"), out);
        }
        if let Some(missing) = expected.get(actual.len()) {
            out.say(format!("{path}[{}]: missing {}", actual.len(), show(missing)));
        }
        if let Some(unexpected) = actual.get(expected.len()) {
            out.say(format!("{path}[{}]: unexpected {}", expected.len(), show(unexpected)));
        }
        same
    }

    fn objects(&mut self, expected: &Value, actual: &Value, path: &str, out: &mut Differences) -> bool {
        let (Some(wanted), Some(got)) = (expected.as_object(), actual.as_object()) else { return false };
        // A reducer gives the id to a message without one: what left before may or may not show it.
        let id = wanted.get("id").or_else(|| got.get("id")).and_then(Value::as_str);
        let late = is_message(expected) && id.is_some_and(is_bare_id);
        let names: BTreeSet<&String> = wanted.keys().chain(got.keys()).collect();
        let mut same = true;
        for name in names {
            match (wanted.get(name), got.get(name)) {
                (Some(wanted), Some(got)) if name == "error" && hides_message(wanted, got) => {
                    let mut got = got.clone();
                    if let Some(fields) = got.as_object_mut() {
                        fields.remove("message");
                    }
                    same &= self.unify(wanted, &got, &format!("{path}.{name}"), out);
                }
                (Some(wanted), Some(got)) => same &= self.unify(wanted, got, &format!("{path}.{name}"), out),
                _ if (late && name == "id") || !ids(name).is_empty() => {}
                (Some(wanted), None) => same = out.say(format!("{path}.{name}: missing, expected {}", show(wanted))),
                (None, Some(got)) => same = out.say(format!("{path}.{name}: unexpected {}", show(got))),
                (None, None) => {}
            }
            if !same && out.is_full() {
                return false;
            }
        }
        // Names that are themselves ids are paired in order.
        let renamed = |fields: &serde_json::Map<String, Value>, others: &serde_json::Map<String, Value>| {
            let names = fields.keys().filter(|name| !others.contains_key(*name) && !ids(name).is_empty());
            let mut names: Vec<String> = names.cloned().collect();
            names.sort_by_key(|name| blank(name));
            names
        };
        let (wanted_names, got_names) = (renamed(wanted, got), renamed(got, wanted));
        if wanted_names.len() != got_names.len() {
            return out.say(format!("{path}: expected keys {wanted_names:?}, got {got_names:?}"));
        }
        for (name, other) in wanted_names.iter().zip(&got_names) {
            same &= self.texts(name, other, &format!("{path}.{name}(key)"), out);
            same &= self.unify(&wanted[name], &got[other], &format!("{path}.{name}"), out);
        }
        same
    }
}

fn hides_message(expected: &Value, actual: &Value) -> bool {
    expected.is_object() && actual.is_object() && expected.get("message").is_none()
}

fn same_scalar(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(expected), Value::Number(actual)) => {
            expected == actual
                || matches!((expected.as_f64(), actual.as_f64()), (Some(a), Some(b)) if a == b || (a - b).abs() < 1e-9)
        }
        (Value::Array(_) | Value::Object(_), _) => false,
        _ => expected == actual,
    }
}

/// Whether a value counts as nothing: null, false, zero, an empty text, list or object.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// The value as a text short enough for a terminal.
pub(super) fn show(value: &Value) -> String {
    const LENGTH: usize = 300;
    let text = value.to_string();
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
