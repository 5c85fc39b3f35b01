//! How Python shows values: what LangChain's prompts have in the place of a variable that is not a text.

use serde_json::{Number, Value};

/// What `str` gives: a text as it is, everything else as [`literal`] writes it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => literal(other),
    }
}

/// What `repr` gives: `True`, `None`, `1.0`, `'text'`, `['a', 1]`, `{'a': 1}`.
pub(super) fn literal(value: &Value) -> String {
    let mut written = String::new();
    write(&mut written, value);
    written
}

/// What `ascii` gives: [`literal`] with escapes for everything that is not ASCII.
pub(super) fn ascii(value: &Value) -> String {
    let mut written = String::new();
    for character in literal(value).chars() {
        if character.is_ascii() { written.push(character) } else { escape(&mut written, character) }
    }
    written
}

fn write(written: &mut String, value: &Value) {
    match value {
        Value::Null => written.push_str("None"),
        Value::Bool(true) => written.push_str("True"),
        Value::Bool(false) => written.push_str("False"),
        Value::Number(number) => written.push_str(&of_number(number)),
        Value::String(text) => quote(written, text),
        Value::Array(items) => {
            written.push('[');
            for (at, item) in items.iter().enumerate() {
                written.push_str(if at > 0 { ", " } else { "" });
                write(written, item);
            }
            written.push(']');
        }
        Value::Object(fields) => {
            written.push('{');
            for (at, (name, field)) in fields.iter().enumerate() {
                written.push_str(if at > 0 { ", " } else { "" });
                quote(written, name);
                written.push_str(": ");
                write(written, field);
            }
            written.push('}');
        }
    }
}

fn of_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => of_float(float),
        _ => number.to_string(),
    }
}

/// The shortest digits that give the number again, with an exponent where it is below -4 or above 15.
pub(super) fn of_float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..16).contains(&exponent) {
        return format!("{digits}{}", of_exponent(exponent));
    }
    let plain = number.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// An exponent with its sign and at least two digits.
pub(super) fn of_exponent(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("e{sign}{:02}", exponent.abs())
}

fn quote(written: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    written.push(quote);
    for character in text.chars() {
        match character {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if character == quote => written.extend(['\\', quote]),
            _ if is_printable(character) => written.push(character),
            _ => escape(written, character),
        }
    }
    written.push(quote);
}

fn escape(written: &mut String, character: char) {
    let code = u32::from(character);
    written.push_str(&match code {
        0..=0xff => format!("\\x{code:02x}"),
        0x100..=0xffff => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    });
}

/// Whether it is seen: Rust's own escapes know the same classes as Python, once the character is not the first one.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    let behind_a_letter: String = ['a', character].iter().collect();
    behind_a_letter.escape_debug().nth(1) != Some('\\')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_look_as_in_python() {
        for (value, expected) in [
            (json!("it's"), "it's"),
            (json!(null), "None"),
            (json!([true, false, null, 1, -2, 1.0, 0.1]), "[True, False, None, 1, -2, 1.0, 0.1]"),
            (json!(1e15), "1000000000000000.0"),
            (json!(1e16), "1e+16"),
            (json!(0.0001), "0.0001"),
            (json!(0.00001), "1e-05"),
            (json!(-1.5e300), "-1.5e+300"),
            (json!({"b": {"c": []}, "a": "x"}), "{'a': 'x', 'b': {'c': []}}"),
            (json!(["it's", "\"", "'\"", "\\\n\r\t"]), r#"["it's", '"', '\'"', '\\\n\r\t']"#),
            (
                json!(["é", "\u{7f}", "\u{a0}", "\u{200b}", "😀", "e\u{301}"]),
                "['é', '\\x7f', '\\xa0', '\\u200b', '😀', 'e\u{301}']",
            ),
        ] {
            assert_eq!(shown(&value), expected);
        }
        assert_eq!(ascii(&json!("é€😀")), r"'\xe9\u20ac\U0001f600'");
    }
}
