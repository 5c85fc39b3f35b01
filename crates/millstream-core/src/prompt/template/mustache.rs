//! Mustache templates: `{{name}}`, `{{#section}}..{{/section}}`, `{{^inverted}}..{{/inverted}}`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Names;
use super::python::shown;

mod reader;

pub(super) use reader::read;

/// One tag, or the text between tags.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Value { path: Path, escaped: bool },
    Section { path: Path, nodes: Vec<Node> },
    Inverted { path: Path, nodes: Vec<Node> },
}

/// The names of `a.b.c`; none of `.`, which is what is around.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path(Vec<String>);

static TRUE: Value = Value::Bool(true);

/// The variables: those outside of all sections must be given, by the first names of their paths.
pub(super) fn names(nodes: &[Node]) -> Names {
    let mut used = BTreeSet::new();
    let looks_at_all = collect(nodes, &mut used);
    let needed = nodes.iter().filter_map(|node| node.path()?.0.first()).cloned().collect();
    Names { needed, used: (!looks_at_all).then(|| used.into_iter().cloned().collect()) }
}

/// Collects the names that are looked up. Whether there is a path without a name: what it is may be all variables.
fn collect<'a>(nodes: &'a [Node], used: &mut BTreeSet<&'a String>) -> bool {
    let mut looks_at_all = false;
    for node in nodes {
        if let Some(path) = node.path() {
            looks_at_all |= path.0.is_empty();
            used.extend(path.0.first());
        }
        if let Node::Section { nodes, .. } | Node::Inverted { nodes, .. } = node {
            looks_at_all |= collect(nodes, used);
        }
    }
    looks_at_all
}

impl Node {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Text(_) => None,
            Self::Value { path, .. } | Self::Section { path, .. } | Self::Inverted { path, .. } => Some(path),
        }
    }
}

/// The text for `vars`, an object.
pub(super) fn render(nodes: &[Node], vars: &Value) -> String {
    let mut text = String::new();
    write(&mut text, nodes, &mut vec![vars]);
    text
}

fn write(text: &mut String, nodes: &[Node], scopes: &mut Vec<&Value>) {
    for node in nodes {
        match node {
            Node::Text(plain) => text.push_str(plain),
            Node::Value { path, escaped } => {
                let mut value = found(path, scopes);
                // The truth of a condition is not what is around: that is one further out. As it is, it is seen unescaped.
                if *escaped && path.0.is_empty() && value == Some(&TRUE) {
                    value = scopes.iter().rev().nth(1).copied();
                }
                let shown = value.map(shown).unwrap_or_default();
                if *escaped { escape(text, &shown) } else { text.push_str(&shown) }
            }
            Node::Section { path, nodes } => match found(path, scopes) {
                Some(Value::Array(items)) => items.iter().for_each(|item| inside(text, nodes, scopes, item)),
                Some(value) => inside(text, nodes, scopes, value),
                None => {}
            },
            Node::Inverted { path, nodes } => {
                if !found(path, scopes).is_some_and(is_something) {
                    inside(text, nodes, scopes, &TRUE);
                }
            }
        }
    }
}

fn inside<'a>(text: &mut String, nodes: &[Node], scopes: &mut Vec<&'a Value>, scope: &'a Value) {
    if is_something(scope) {
        scopes.push(scope);
        write(text, nodes, scopes);
        scopes.pop();
    }
}

/// What a path names: in the innermost scope that has all of it. What is there and empty is nothing, except zero and false.
fn found<'a>(path: &Path, scopes: &[&'a Value]) -> Option<&'a Value> {
    if path.0.is_empty() {
        return scopes.last().copied();
    }
    let value = scopes.iter().rev().find_map(|scope| path.within(scope))?;
    (is_something(value) || is_zero(value)).then_some(value)
}

impl Path {
    fn within<'a>(&self, scope: &'a Value) -> Option<&'a Value> {
        let mut value = scope;
        for name in &self.0 {
            value = match value {
                zero if is_zero(zero) => return Some(zero),
                Value::Object(fields) => fields.get(name)?,
                Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value)
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    }
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        other => !is_zero(other),
    }
}

fn escape(text: &mut String, shown: &str) {
    for character in shown.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '"' => text.push_str("&quot;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            other => text.push(other),
        }
    }
}
