//! What a value looks like: which objects are messages, which words are ids.

use serde_json::Value;

const MESSAGE_TYPES: [&str; 14] = [
    "human",
    "ai",
    "system",
    "tool",
    "function",
    "chat",
    "remove",
    "developer",
    "AIMessageChunk",
    "HumanMessageChunk",
    "SystemMessageChunk",
    "ToolMessageChunk",
    "FunctionMessageChunk",
    "ChatMessageChunk",
];

/// Whether a value is a message, whole or a piece.
pub(super) fn is_message(value: &Value) -> bool {
    value.get("content").is_some()
        && value.get("type").and_then(Value::as_str).is_some_and(|name| MESSAGE_TYPES.contains(&name))
}

/// A text cut at its ids: `Ok` is an id (its number as text), `Err` is what is between.
pub(super) fn places(text: &str) -> Vec<Result<&str, &str>> {
    let mut pieces = Vec::new();
    let (mut plain, mut at) = (0, 0);
    while let Some(found) = text[at..].find("<id:") {
        let start = at + found;
        let digits = text[start + 4..].bytes().take_while(u8::is_ascii_digit).count();
        let end = start + 4 + digits;
        at = start + 4;
        if digits == 0 || !text[end..].starts_with('>') {
            continue;
        }
        if plain < start {
            pieces.push(Err(&text[plain..start]));
        }
        pieces.push(Ok(&text[start + 4..end]));
        (plain, at) = (end + 1, end + 1);
    }
    if plain < text.len() {
        pieces.push(Err(&text[plain..]));
    }
    pieces
}

/// The ids of a text, in order.
pub(super) fn ids(text: &str) -> Vec<&str> {
    places(text).into_iter().filter_map(Result::ok).collect()
}

/// The text with every id in it made equal.
pub(super) fn blank(text: &str) -> String {
    if !text.contains("<id:") {
        return text.to_owned();
    }
    places(text).into_iter().map(|piece| piece.map_or_else(|plain| plain, |_| "<id>")).collect()
}

/// Whether the text is one id and nothing else.
pub(super) fn is_bare_id(text: &str) -> bool {
    matches!(places(text.trim_end_matches('\n')).as_slice(), [Ok(_)])
}

/// How long the id is that begins `text`: a UUID, or 32 hex digits that stand alone. `before` is the character before.
pub(super) fn id_length(text: &[u8], before: Option<u8>) -> Option<usize> {
    if is_uuid(text) {
        return Some(36);
    }
    let hex = text.len() >= 32 && text[..32].iter().all(|byte| is_hex(*byte));
    let stands_alone = |neighbour: Option<u8>| !neighbour.is_some_and(|byte| byte.is_ascii_alphanumeric());
    (hex && stands_alone(before) && stands_alone(text.get(32).copied())).then_some(32)
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() >= 36
        && text[..36].iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => is_hex(*byte),
        })
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// A value in which ids and the errors' messages (if `without_messages`) take no part, as one text.
pub(super) fn skeleton(value: &Value, without_messages: bool) -> String {
    let mut text = String::new();
    write(value, without_messages, &mut text);
    text
}

fn write(value: &Value, without_messages: bool, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) => out.push_str(&value.to_string()),
        Value::Number(number) => match number.as_f64() {
            // 1.0 and 1 are one number.
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                out.push_str(&(float as i64).to_string());
            }
            _ => out.push_str(&number.to_string()),
        },
        Value::String(text) => out.push_str(&Value::from(blank(text)).to_string()),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write(item, without_messages, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let generated = is_message(value) && fields.get("id").and_then(Value::as_str).is_some_and(is_bare_id);
            let mut entries: Vec<(String, &Value)> = fields
                .iter()
                .filter(|(name, _)| !(generated && name.as_str() == "id"))
                .map(|(name, field)| (blank(name), field))
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            out.push('{');
            for (name, field) in entries {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                match field.as_object() {
                    Some(error)
                        if without_messages
                            && name == "error"
                            && error.keys().all(|key| key == "type" || key == "message") =>
                    {
                        let kind = error.get("type").map(|kind| skeleton(kind, true));
                        out.push_str(&format!("{{{}}}", kind.unwrap_or_default()));
                    }
                    _ => write(field, without_messages, out),
                }
                out.push(',');
            }
            out.push('}');
        }
    }
}
