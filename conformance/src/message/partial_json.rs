//! JSON that is still being written, read as far as it goes: the rules of LangChain's `parse_partial_json`.

use serde_json::Value;

/// What `text` is so far; `None` if it can not become JSON.
pub(super) fn parse(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let mut open = Vec::new();
    let mut kept: Vec<String> = Vec::new();
    let (mut in_text, mut escaped) = (false, false);
    for character in text.chars() {
        let mut written = character.to_string();
        match (in_text, character) {
            (true, '"') if !escaped => in_text = false,
            (true, '\n') if !escaped => written = "\\n".to_owned(),
            (true, '\\') => escaped = !escaped,
            (true, _) => escaped = false,
            (false, '"') => (in_text, escaped) = (true, false),
            (false, '{') => open.push('}'),
            (false, '[') => open.push(']'),
            (false, '}' | ']') if open.pop() != Some(character) => return None,
            (false, _) => {}
        }
        kept.push(written);
    }
    if in_text {
        if escaped {
            kept.pop();
        }
        kept.push("\"".to_owned());
    }
    let ends: String = open.into_iter().rev().collect();
    while !kept.is_empty() {
        if let Ok(value) = serde_json::from_str(&(kept.concat() + &ends)) {
            return Some(value);
        }
        kept.pop();
    }
    None
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
    }
}
