//! JSON that is still being written, read as far as it goes: the rules of LangChain's `parse_partial_json`.

use serde_json::Value;

/// How often a text is shortened before it counts as no JSON: for JSON that was cut, a few times are enough.
const ATTEMPTS: usize = 64;

/// What `text` is so far; `None` if it cannot become JSON.
pub(super) fn parse(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let mut open = Vec::new();
    let mut kept = String::with_capacity(text.len() + 1);
    let (mut in_text, mut escaped, mut last_text) = (false, false, 0);
    for character in text.chars() {
        match (in_text, character) {
            (true, '"') if !escaped => in_text = false,
            (true, '\n') if !escaped => {
                kept.push_str("\\n");
                continue;
            }
            (true, '\\') => escaped = !escaped,
            (true, _) => escaped = false,
            (false, '"') => (in_text, escaped, last_text) = (true, false, kept.len()),
            (false, '{') => open.push('}'),
            (false, '[') => open.push(']'),
            (false, '}' | ']') if open.pop() != Some(character) => return None,
            (false, _) => {}
        }
        kept.push(character);
    }
    let unended = in_text;
    if unended {
        if escaped {
            kept.pop();
        }
        kept.push('"');
    }
    let ends: String = open.into_iter().rev().collect();
    for _ in 0..ATTEMPTS {
        if kept.is_empty() {
            return None;
        }
        let length = kept.len();
        kept.push_str(&ends);
        let error = match serde_json::from_str(&kept) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let wrong = offset(&kept, &error);
        kept.truncate(length);
        if wrong < length {
            // Whatever goes on behind this place is as wrong.
            kept.truncate(floor(&kept, wrong));
        } else if unended && last_text < length && kept[last_text..].trim_end().len() == length - last_text {
            // Inside a text there is no place to stop.
            kept.truncate(last_text);
        } else {
            kept.pop();
        }
        kept.truncate(kept.trim_end().len());
    }
    None
}

/// The byte at which an error was found.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let line: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    (line + error.column()).saturating_sub(1)
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_there_is_read_and_what_cannot_be_json_is_not() {
        assert_eq!(parse(r#"{"a": 1, "b": "x"#), Some(json!({"a": 1, "b": "x"})));
        assert_eq!(parse(r#"{"cit"#), Some(json!({})));
        assert_eq!(parse(r#"{"q": "#), Some(json!({})));
        assert_eq!(parse(r#"[1, {"a": [2"#), Some(json!([1, {"a": [2]}])));
        assert_eq!(parse(r#""}"#), Some(json!("}")));
        assert_eq!(parse("3}"), None);
        assert_eq!(parse("not json"), None);
        assert_eq!(parse(r#"y": ""#), None);
        assert_eq!(parse("{\"a\": \"x\ny"), Some(json!({"a": "x\ny"})));
        assert_eq!(parse("{\"a\": \"x\\"), Some(json!({"a": "x"})));
        assert_eq!(parse("{\"a\":\n 1, \"b\": tru"), Some(json!({"a": 1})));
        assert_eq!(parse("{\"a\": 1."), Some(json!({"a": 1})));
        assert_eq!(parse("{\"a\": 1} and more"), Some(json!({"a": 1})));
    }

    #[test]
    fn a_long_text_is_not_read_again_and_again() {
        let key = format!("{{\"a\": 1, \"{}", "k".repeat(1 << 20));
        assert_eq!(parse(&key), Some(json!({"a": 1})));
        assert_eq!(parse(&format!("{{\"a\": 1,{}", " ".repeat(1 << 20))), Some(json!({"a": 1})));
        assert_eq!(parse(&"x".repeat(1 << 20)), None);
    }
}
