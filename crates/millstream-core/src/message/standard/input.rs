//! Items of a content in the forms of several providers, each as a standard block.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{data, earlier, is_known, kind_of, non_standard, without};

type Object = Map<String, Value>;

/// What knows a form: the block in it, as a standard one.
type Form = fn(&Object) -> Option<Value>;

/// The standard block that an item of a content is.
pub(super) fn standard(item: &Value) -> Value {
    let Value::Object(fields) = item else {
        return json!({"type": "text", "text": item});
    };
    let mut block = fields.clone();
    // LangChain asks in this order, and what one form makes of a block the next may take for its own.
    for form in [earlier::block as Form, openai, anthropic, google] {
        let inside = block.get("value").and_then(Value::as_object).filter(|_| kind_of(&block) == "non_standard");
        block = inside.cloned().unwrap_or(block);
        block = match form(&block) {
            Some(Value::Object(converted)) => converted,
            _ if is_known(&block) => block,
            _ => Object::from_iter([("type".to_owned(), "non_standard".into()), ("value".to_owned(), block.into())]),
        };
    }
    Value::Object(block)
}

/// An id as LangChain gives it to blocks that it makes.
pub(super) fn generated_id() -> Value {
    format!("lc_{}", Uuid::new_v4()).into()
}

/// OpenAI's chat completions: images, audio and files.
fn openai(block: &Object) -> Option<Value> {
    let kind = kind_of(block);
    let inner = match kind {
        "image_url" | "input_audio" | "file" => block.get(kind)?.as_object()?,
        _ => return None,
    };
    let text = |name: &str| inner.get(name).and_then(Value::as_str);
    let rest = |known: &'static [&'static str], prefix: &'static str| {
        let inside = without(inner, known).map(move |(name, value)| match name.as_str() {
            "detail" if prefix == "image_url_" => (name, value),
            _ => (format!("{prefix}{name}"), value),
        });
        without(block, &["type", "image_url", "input_audio", "file"]).chain(inside).collect::<Vec<_>>()
    };
    let id = generated_id();
    match kind {
        "image_url" if block.keys().all(|name| ["type", "image_url", "detail"].contains(&name.as_str())) => {
            let url = text("url").filter(|url| !url.is_empty())?;
            let own = match data_of(url) {
                Some((mime_type, base64)) => json!({"id": id, "base64": base64, "mime_type": mime_type}),
                None => json!({"id": id, "url": url}),
            };
            Some(data("image", own, rest(&["url"], "image_url_")))
        }
        "input_audio" => {
            let (base64, format) = (text("data")?, text("format")?);
            let own = json!({"id": id, "base64": base64, "mime_type": format!("audio/{format}")});
            Some(data("audio", own, rest(&["data", "format"], "audio_")))
        }
        "file" => match (inner.get("file_id"), data_of(text("file_data").unwrap_or_default())) {
            (Some(file), _) => Some(data("file", json!({"id": id, "file_id": file}), rest(&["file_id"], "file_"))),
            (None, Some((_, base64))) => {
                let own = json!({"id": id, "base64": base64, "mime_type": "application/pdf"});
                let name = inner.get("filename").map(|name| ("filename".to_owned(), name.clone()));
                Some(data("file", own, rest(&["file_data", "filename"], "file_").into_iter().chain(name)))
            }
            (None, None) => None,
        },
        _ => None,
    }
}

/// The media type and the data of an address that is data.
fn data_of(url: &str) -> Option<(&str, &str)> {
    let (mime_type, rest) = url.strip_prefix("data:")?.split_once(';')?;
    let data = rest.strip_prefix("base64,")?;
    (!mime_type.is_empty() && !data.is_empty() && !data.contains('\n')).then_some((mime_type, data))
}

/// Anthropic's documents and images.
fn anthropic(block: &Object) -> Option<Value> {
    let kind = match kind_of(block) {
        "document" => "file",
        "image" => "image",
        _ => return None,
    };
    let source = block.get("source")?.as_object().filter(|source| source.contains_key("type"))?;
    let of = |name: &str| source.get(name);
    let own = match (source["type"].as_str(), of("data"), of("media_type"), of("url"), of("file_id")) {
        (Some("base64"), Some(data), Some(mime_type), _, _) => Some(json!({"base64": data, "mime_type": mime_type})),
        (Some("url"), _, _, Some(url), _) => Some(json!({ "url": url })),
        (Some("file"), _, _, _, Some(id)) => Some(json!({ "id": id })),
        (Some("text"), Some(text), _, _, _) if kind == "file" => {
            let mime_type = block.get("media_type").cloned().unwrap_or_else(|| "text/plain".into());
            Some(json!({"type": "text-plain", "text": text, "mime_type": mime_type}))
        }
        _ => None,
    };
    let Some(mut own) = own else { return Some(non_standard(block)) };
    let extras: Object = without(block, &["type", "source"]).collect();
    if own.get("type").is_none() {
        own["type"] = kind.into();
    }
    if !extras.is_empty() {
        own["extras"] = extras.into();
    }
    Some(own)
}

/// Google's parts, and Bedrock's blocks, which have no type.
fn google(block: &Object) -> Option<Value> {
    let only = |name: &str| block.get(name).filter(|_| block.len() == 1);
    if let Some(text) = only("text").filter(|text| **text != "") {
        return Some(json!({"type": "text", "text": text}));
    }
    for name in ["document", "image"] {
        if let Some(medium) = only(name).and_then(Value::as_object).filter(|medium| medium.contains_key("format")) {
            return Some(with_format(name, medium).unwrap_or_else(|| non_standard(block)));
        }
    }
    let or = |name: &str, default: Value| block.get(name).cloned().unwrap_or(default);
    match kind_of(block) {
        "file_data" => {
            let mut file = json!({"type": "file", "url": block.get("file_uri")?});
            if let Some(mime_type) =
                block.get("mime_type").filter(|mime_type| !mime_type.is_null() && **mime_type != "")
            {
                file["mime_type"] = mime_type.clone();
            }
            Some(file)
        }
        "function_call" => {
            let name = block.get("name")?;
            Some(json!({"type": "tool_call", "name": name, "args": or("args", json!({})), "id": or("id", "".into())}))
        }
        "executable_code" => {
            let args = json!({"code": or("executable_code", "".into()), "language": or("language", "python".into())});
            Some(
                json!({"type": "server_tool_call", "name": "code_interpreter", "args": args, "id": or("id", "".into())}),
            )
        }
        "code_execution_result" => {
            let outcome = or("outcome", 1.into());
            let mut result = json!({
                "type": "server_tool_result", "tool_call_id": or("tool_call_id", "".into()),
                "status": if outcome == 1 { "success" } else { "error" }, "output": or("code_execution_result", "".into()),
            });
            if !outcome.is_null() {
                result["extras"] = json!({ "outcome": outcome });
            }
            Some(result)
        }
        _ => None,
    }
}

/// A document or an image with a format and a source.
fn with_format(name: &str, medium: &Object) -> Option<Value> {
    let (format, source) = (medium["format"].as_str()?, medium.get("source")?);
    let mut block = match (name, format) {
        ("document", "pdf") => json!({"type": "file", "base64": source.get("bytes")?, "mime_type": "application/pdf"}),
        ("document", "txt") => json!({"type": "text-plain", "text": source.get("text")?, "mime_type": "text/plain"}),
        ("image", format) => {
            json!({"type": "image", "base64": source.get("bytes")?, "mime_type": format!("image/{format}")})
        }
        _ => return None,
    };
    let extras: Object = without(medium, &["format", "source"]).collect();
    if !extras.is_empty() {
        block["extras"] = extras.into();
    }
    Some(block)
}
