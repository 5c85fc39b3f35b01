//! Blocks of data as earlier versions of LangChain wrote them, with a `source_type`.

use serde_json::{Map, Value, json};

use super::input::generated_id;
use super::{data, kind_of, without};

/// The standard block for a block with a `source_type`; the block itself if that is not known.
pub(super) fn block(block: &Map<String, Value>) -> Option<Value> {
    let kind = kind_of(block);
    let source = block.get("source_type")?;
    if !["image", "audio", "file"].contains(&kind) {
        return None;
    }
    Some(converted(kind, source.as_str()?, block).unwrap_or_else(|| Value::Object(block.clone())))
}

fn converted(kind: &str, source: &str, block: &Map<String, Value>) -> Option<Value> {
    let of = |name: &str| block.get(name).cloned();
    let mime_type = of("mime_type").filter(|mime_type| !mime_type.is_null() && *mime_type != "");
    let (kind, mut own, known): (&str, Value, &[&str]) = match (kind, source) {
        ("file", "id") => ("file", json!({"id": generated_id(), "file_id": of("id")?}), &["id"]),
        (_, "id") => return Some(plain(kind, json!({"file_id": of("id")?}), block, &["id"])),
        (_, "url") => (kind, json!({"url": of("url")?}), &["mime_type", "url"]),
        (_, "base64") => (kind, json!({"base64": of("data")?}), &["mime_type", "data"]),
        ("file", "text") => {
            ("text-plain", json!({"text": of("url")?, "mime_type": "text/plain"}), &["mime_type", "url"])
        }
        _ => return None,
    };
    if let Some(mime_type) = mime_type.filter(|_| known.contains(&"mime_type")) {
        own["mime_type"] = mime_type;
    }
    if (kind, source) == ("file", "id") || block.contains_key("id") {
        let known: Vec<&str> = known.iter().copied().chain(["type", "source_type"]).collect();
        return Some(data(kind, own, without(block, &known)));
    }
    Some(plain(kind, own, block, known))
}

/// A block without a place of its own for anything but its source.
fn plain(kind: &str, own: Value, block: &Map<String, Value>, known: &[&str]) -> Value {
    let mut written = own;
    written["type"] = kind.into();
    let known: Vec<&str> = known.iter().copied().chain(["type", "source_type"]).collect();
    let extras: Map<String, Value> = without(block, &known).filter(|(_, value)| !value.is_null()).collect();
    if !extras.is_empty() {
        written["extras"] = extras.into();
    }
    written
}
