//! Values as Python shows them: what LangChain writes where it prints an object.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::ToolCall;

/// `repr` of what JSON is in Python.
pub(super) fn repr(value: &Value) -> String {
    let mut shown = String::new();
    show(value, &mut shown);
    shown
}

/// `repr` of a message's list of tool calls.
pub(super) fn repr_of_calls<'a>(calls: impl IntoIterator<Item = &'a ToolCall>) -> String {
    let one = |call: &ToolCall| {
        let id = if call.id.is_empty() { "None".to_owned() } else { repr_of_text(&call.id) };
        let (name, args) = (repr_of_text(&call.name), repr(&call.args));
        format!("{{'name': {name}, 'args': {args}, 'id': {id}, 'type': 'tool_call'}}")
    };
    format!("[{}]", calls.into_iter().map(one).collect::<Vec<_>>().join(", "))
}

/// A float as Python writes it, in `repr` and in JSON: with an exponent below 1e-4 and from 1e16 on.
pub(crate) fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => format!("{number:?}"),
    }
}

fn show(value: &Value, shown: &mut String) {
    match value {
        Value::Null => shown.push_str("None"),
        Value::Bool(true) => shown.push_str("True"),
        Value::Bool(false) => shown.push_str("False"),
        Value::Number(number) => shown.push_str(&repr_of_number(number)),
        Value::String(text) => shown.push_str(&repr_of_text(text)),
        Value::Array(items) => {
            shown.push('[');
            for (at, item) in items.iter().enumerate() {
                shown.push_str(if at == 0 { "" } else { ", " });
                show(item, shown);
            }
            shown.push(']');
        }
        Value::Object(fields) => {
            shown.push('{');
            for (at, (name, field)) in fields.iter().enumerate() {
                shown.push_str(if at == 0 { "" } else { ", " });
                shown.push_str(&repr_of_text(name));
                shown.push_str(": ");
                show(field, shown);
            }
            shown.push('}');
        }
    }
}

fn repr_of_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float_of) if number.is_f64() => float(float_of),
        _ => number.to_string(),
    }
}

fn repr_of_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push(quote);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\\' => shown.push_str("\\\\"),
            quoted if quoted == quote => shown.extend(['\\', quote]),
            shy if !is_printable(shy) => {
                let code = u32::from(shy);
                // A text takes all that is written to it.
                let _ = match code {
                    0..=0xff => write!(shown, "\\x{code:02x}"),
                    0x100..=0xffff => write!(shown, "\\u{code:04x}"),
                    _ => write!(shown, "\\U{code:08x}"),
                };
            }
            plain => shown.push(plain),
        }
    }
    shown.push(quote);
    shown
}

/// Behind another character a combining one is shown as it is.
fn is_printable(character: char) -> bool {
    matches!(character, '\'' | '"') || ['a', character].iter().collect::<String>().escape_debug().nth(1) != Some('\\')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_shown_as_python_shows_them() {
        let value = json!({"a": [1, -2.5, 1e16, 1e-5, 100000.0, true, null], "b": "it's", "c": "it's \"so\"", "d": "\n\u{7f}\u{a0}é\u{301}\u{200b}🎈"});
        let shown =
            r#"{'a': [1, -2.5, 1e+16, 1e-05, 100000.0, True, None], 'b': "it's", 'c': 'it\'s "so"', 'd': '\n\x7f\xa0é"#;
        assert_eq!(repr(&value), format!("{shown}\u{301}\\u200b🎈'}}"));
    }

    #[test]
    fn calls_are_shown_with_their_name_first() {
        let call = ToolCall { id: String::new(), name: "f".to_owned(), args: json!({"x": 1}) };
        assert_eq!(repr_of_calls([&call]), "[{'name': 'f', 'args': {'x': 1}, 'id': None, 'type': 'tool_call'}]");
    }
}
