//! Answers of Anthropic: thinking, citations, and calls of tools, ours and its own.

use serde_json::{Map, Value, json};

use super::{Answer, kind_of, non_standard, without};
use crate::message::ChunkContent;

type Object = Map<String, Value>;

/// The blocks of an answer.
pub(super) fn blocks(answer: &Answer<'_>) -> Vec<Value> {
    let mut blocks: Vec<Value> = match answer.content {
        ChunkContent::Text(text) => vec![json!({"type": "text", "text": text})],
        ChunkContent::List(items) => {
            items.iter().filter_map(Value::as_object).map(|item| block(item, answer)).collect()
        }
    };
    let refused = answer.response_metadata.get("stop_reason").is_some_and(|reason| reason == "refusal");
    if refused && blocks.iter().all(|block| block["type"] != "refusal") {
        let details = answer.response_metadata.get("stop_details");
        let of = |name: &str| details.and_then(|details| details.get(name)?.as_str()).filter(|text| !text.is_empty());
        let mut refusal = json!({"type": "refusal", "refusal": of("explanation").unwrap_or_default()});
        if let Some(category) = of("category") {
            refusal["extras"] = json!({ "category": category });
        }
        blocks.push(refusal);
    }
    blocks
}

fn block(item: &Object, answer: &Answer<'_>) -> Value {
    let or = |name: &str, default: Value| item.get(name).cloned().unwrap_or(default);
    let kind = kind_of(item);
    let block = match kind {
        "text" => {
            let mut text = json!({"type": "text", "text": or("text", "".into())});
            if let Some(citations) = item.get("citations").and_then(Value::as_array).filter(|all| !all.is_empty()) {
                text["annotations"] = citations.iter().map(annotation).collect();
            }
            text
        }
        "refusal" => {
            let mut refusal = json!({"type": "refusal", "refusal": or("refusal", "".into())});
            if let Some(extras) = item.get("extras").and_then(Value::as_object).filter(|extras| !extras.is_empty()) {
                refusal["extras"] = json!(extras);
            }
            refusal
        }
        "thinking" => {
            let thought = json!({"type": "reasoning", "reasoning": or("thinking", "".into())});
            with_extras(thought, without(item, &["type", "thinking", "index", "extras"]))
        }
        "tool_use" => {
            let extras: Vec<_> = ["caller", "toolset_name"]
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())))
                .collect();
            match answer.pieces.map(Vec::as_slice) {
                Some([piece]) => return with_extras(piece.clone(), extras),
                _ => with_extras(call(item, answer.calls), extras),
            }
        }
        "input_json_delta" if answer.pieces.is_some() => match answer.pieces.map(Vec::as_slice) {
            Some([piece]) => return piece.clone(),
            _ => json!({"type": "server_tool_call_chunk", "args": or("partial_json", "".into())}),
        },
        "server_tool_use" | "mcp_tool_use" => server_call(kind, item, answer.pieces.is_some()),
        result if result.ends_with("_tool_result") => {
            let output = or("content", Value::Null);
            let failed =
                output.get("error_code").is_some() || item.get("is_error").is_some_and(|failed| *failed == true);
            let status = if failed { "error" } else { "success" };
            let id = or("tool_use_id", "".into());
            let mut told = json!({"type": "server_tool_result", "tool_call_id": id, "status": status});
            if !matches!(&output, Value::Null) && output != json!([]) && output != json!({}) && output != "" {
                told["output"] = output;
            }
            told["extras"] = json!({ "block_type": result });
            with_extras(told, without(item, &["type", "tool_use_id", "content", "is_error", "index"]))
        }
        _ => {
            let inside: Object = without(item, &["index"]).collect();
            non_standard(&inside)
        }
    };
    with_index(block, item)
}

/// The call that a block of the provider stands for: the only one, or that of its id.
fn call(item: &Object, calls: &[Value]) -> Value {
    let id = item.get("id").filter(|id| !id.is_null() && **id != "");
    let known = match calls {
        [only] => Some(only),
        _ => calls.iter().find(|call| Some(&call["id"]) == id),
    };
    let or = |name: &str, default: Value| item.get(name).cloned().unwrap_or(default);
    known.cloned().unwrap_or_else(|| {
        let (name, args, id) = (or("name", "".into()), or("input", json!({})), or("id", "".into()));
        json!({"type": "tool_call", "name": name, "args": args, "id": id})
    })
}

/// A call of a tool that the provider runs itself; the first piece of one while the answer goes on.
fn server_call(kind: &str, item: &Object, goes_on: bool) -> Value {
    let or = |name: &str, default: Value| item.get(name).cloned().unwrap_or(default);
    let (id, given, partial) = (or("id", "".into()), or("input", json!({})), item.get("partial_json"));
    let is_mcp = kind == "mcp_tool_use";
    let name = match item.get("name").and_then(Value::as_str) {
        _ if is_mcp => "remote_mcp",
        Some("code_execution") => "code_interpreter",
        name => name.unwrap_or_default(),
    };
    let is_blank = item.get("input").is_some_and(|input| *input == json!({}));
    let mut call = if goes_on && is_blank && partial.is_none() {
        json!({"type": "server_tool_call_chunk", "name": name, "args": "", "id": id})
    } else {
        let read = partial.and_then(Value::as_str).filter(|_| is_blank);
        let read = read.and_then(|text| serde_json::from_str::<Object>(text).ok());
        json!({"type": "server_tool_call", "name": name, "args": read.map_or(given, Value::Object), "id": id})
    };
    if let Some(name) = item.get("name").filter(|_| is_mcp) {
        call["extras"] = json!({ "tool_name": name });
    }
    with_extras(call, without(item, &["type", "name", "input", "partial_json", "id", "index"]))
}

fn annotation(citation: &Value) -> Value {
    let other = || json!({"type": "non_standard_annotation", "value": citation});
    let Some(fields) = citation.as_object() else { return other() };
    let title = |name: &str| fields.get(name).filter(|title| !title.is_null() && **title != "");
    let (place, title) = match kind_of(fields) {
        "web_search_result_location" if fields.contains_key("url") => (Some("url"), title("title")),
        "char_location" | "content_block_location" | "page_location" | "search_result_location" => {
            (None, fields.get("document_title").or_else(|| title("title")))
        }
        _ => return other(),
    };
    let Some(text) = fields.get("cited_text") else { return other() };
    let mut told = json!({"type": "citation", "cited_text": text});
    if let Some(place) = place {
        told[place] = fields[place].clone();
    }
    if let Some(title) = title {
        told["title"] = title.clone();
    }
    let own = ["type", "cited_text", "title", "index", "extras", place.unwrap_or("document_title")];
    with_extras(told, without(fields, &own))
}

fn with_extras(mut block: Value, more: impl IntoIterator<Item = (String, Value)>) -> Value {
    for (name, value) in more {
        block["extras"][name] = value;
    }
    block
}

fn with_index(mut block: Value, item: &Object) -> Value {
    if let Some(index) = item.get("index") {
        block["index"] = index.clone();
    }
    block
}
