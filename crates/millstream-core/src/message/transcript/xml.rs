//! Messages as XML elements.

use serde_json::Value;

use super::super::spaced::spaced;
use super::super::{ChunkContent, Message};
use super::function_call;

/// How many characters of a document, or of what a provider's own tool takes or gives, are shown.
const SHOWN: usize = 500;

/// How many characters of a call's id are shown.
const SHOWN_ID: usize = 64;

pub(super) fn message(message: &Message, speaker: &str) -> String {
    let said: Vec<String> = match message.given() {
        ChunkContent::Text(text) => Some(escaped(&text)).filter(|text| !text.is_empty()).into_iter().collect(),
        ChunkContent::List(items) => items.iter().filter_map(block).collect(),
    };
    let said = said.join(" ");
    let speaker = quoted(speaker);
    let mut calls: Vec<String> = message
        .tool_calls()
        .map(|call| {
            let (id, name, args) = (quoted(&shortened(&call.id, SHOWN_ID)), quoted(&call.name), spaced(&call.args));
            format!("  <tool_call id={id} name={name}>{}</tool_call>", escaped(&args))
        })
        .collect();
    if let Some(call) = function_call(message) {
        let text = |name: &str| call.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (name, arguments) = (quoted(text("name").unwrap_or_default()), text("arguments").unwrap_or("{}"));
        calls.push(format!("  <function_call name={name}>{}</function_call>", escaped(arguments)));
    }
    if calls.is_empty() {
        return format!("<message type={speaker}>{said}</message>");
    }
    let mut lines = vec![format!("<message type={speaker}>")];
    if !said.is_empty() {
        lines.push(format!("  <content>{said}</content>"));
    }
    lines.append(&mut calls);
    lines.push("</message>".to_owned());
    lines.join("\n")
}

/// A block of a content, if it can be shown: not what is only data.
fn block(item: &Value) -> Option<String> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Value::String(bare) = item {
        return Some(escaped(bare)).filter(|text| !text.is_empty());
    }
    if has_data(item) {
        return None;
    }
    let attribute = |name: &str| quoted(text(name).unwrap_or_default());
    match text("type")? {
        "text" => text("text").map(escaped),
        "reasoning" => text("reasoning").map(|text| format!("<reasoning>{}</reasoning>", escaped(text))),
        medium @ ("image" | "audio" | "video") => {
            let place = ["url", "file_id"].into_iter().find_map(|name| Some((name, text(name)?)));
            place.map(|(name, place)| format!("<{medium} {name}={} />", quoted(place)))
        }
        "image_url" => {
            let url = item["image_url"]["url"].as_str().filter(|url| !url.is_empty());
            url.map(|url| format!("<image url={} />", quoted(url)))
        }
        "text-plain" => text("text").map(|text| escaped(&shortened(text, SHOWN))),
        "server_tool_call" => {
            let args = item.get("args").map_or_else(|| "{}".to_owned(), spaced);
            let (id, name, args) = (attribute("id"), attribute("name"), escaped(&shortened(&args, SHOWN)));
            Some(format!("<server_tool_call id={id} name={name}>{args}</server_tool_call>"))
        }
        "server_tool_result" => {
            let output = item.get("output").filter(|output| is_something(output)).map(spaced).unwrap_or_default();
            let (id, status) = (attribute("tool_call_id"), attribute("status"));
            let output = escaped(&shortened(&output, SHOWN));
            Some(format!("<server_tool_result tool_call_id={id} status={status}>{output}</server_tool_result>"))
        }
        _ => None,
    }
}

fn has_data(item: &Value) -> bool {
    let is_data = |url: Option<&Value>| url.and_then(Value::as_str).is_some_and(|url| url.starts_with("data:"));
    item.get("base64").is_some_and(is_something)
        || is_data(item.get("url"))
        || is_data(item.get("image_url").and_then(|image| image.get("url")))
}

/// What Python takes for true.
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn shortened(text: &str, shown: usize) -> String {
    match text.char_indices().nth(shown) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('>', "&gt;").replace('<', "&lt;")
}

/// An attribute's value, in the quotes that it does not have itself.
fn quoted(text: &str) -> String {
    let text = escaped(text).replace('\n', "&#10;").replace('\r', "&#13;").replace('\t', "&#9;");
    match (text.contains('"'), text.contains('\'')) {
        (true, true) => format!("\"{}\"", text.replace('"', "&quot;")),
        (true, false) => format!("'{text}'"),
        _ => format!("\"{text}\""),
    }
}
