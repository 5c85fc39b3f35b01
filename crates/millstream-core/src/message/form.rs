//! The JSON of a message: LangChain's `{"type", "content", "id", ...}`, read in all the forms that people write.

use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Block, Finish, Message, Role, ToolCall};
use crate::usage::Usage;

#[derive(Serialize)]
struct Written<'a> {
    r#type: Role,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish: Option<Finish>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<&'a Usage>,
}

enum Content<'a> {
    Text(&'a str),
    Blocks(&'a [Block]),
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Blocks(blocks) => blocks.serialize(serializer),
        }
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content = match self.content.as_slice() {
            [] => Content::Text(""),
            [Block::Text { text }] => Content::Text(text),
            blocks => Content::Blocks(blocks),
        };
        let written = Written {
            r#type: self.role,
            content,
            id: self.id.as_deref(),
            name: self.name.as_deref(),
            tool_call_id: self.tool_call_id.as_deref(),
            status: self.failed.then_some("error"),
            finish: self.finish,
            usage_metadata: self.usage.as_ref(),
        };
        written.serialize(serializer)
    }
}

#[derive(Deserialize)]
struct Read {
    #[serde(alias = "role")]
    r#type: String,
    #[serde(default)]
    content: Value,
    id: Option<String>,
    name: Option<String>,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
    tool_call_id: Option<String>,
    status: Option<String>,
    finish: Option<Finish>,
    usage_metadata: Option<Usage>,
}

/// Reads an object, a `[role, text]` pair, or a bare text (a human message), as LangChain's `convert_to_messages` does.
impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Message::human(text)),
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(role), content] => read(Read::of(role, content)).map_err(D::Error::custom),
                _ => Err(D::Error::custom("a message written as a list is [role, content]")),
            },
            object @ Value::Object(_) => {
                let form = serde_json::from_value(object)
                    .map_err(|error| D::Error::custom(format!("not a message: {error}")))?;
                read(form).map_err(D::Error::custom)
            }
            other => Err(D::Error::custom(format!(
                "{other} is not a message; write {{\"type\":\"human\",\"content\":\"...\"}}"
            ))),
        }
    }
}

impl Read {
    fn of(role: &str, content: &Value) -> Self {
        Self {
            r#type: role.to_owned(),
            content: content.clone(),
            id: None,
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            status: None,
            finish: None,
            usage_metadata: None,
        }
    }
}

fn read(form: Read) -> Result<Message, String> {
    let role = Role::parse(&form.r#type).map_err(|error| error.to_string())?;
    let mut content = match form.content {
        Value::Null => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) => vec![Block::Text { text }],
        Value::Array(items) => items.into_iter().map(read_block).collect::<Result<_, _>>()?,
        other => return Err(format!("the content of a message is a text or a list of blocks, not {other}")),
    };
    for call in form.tool_calls {
        let known = content.iter().any(|block| matches!(block, Block::ToolCall(other) if other.id == call.id));
        if !known {
            content.push(Block::ToolCall(call));
        }
    }
    Ok(Message {
        id: form.id,
        role,
        content,
        name: form.name,
        tool_call_id: form.tool_call_id,
        failed: form.status.as_deref() == Some("error"),
        finish: form.finish,
        usage: form.usage_metadata,
    })
}

fn read_block(item: Value) -> Result<Block, String> {
    if let Value::String(text) = item {
        return Ok(Block::Text { text });
    }
    match item["type"].as_str() {
        Some("text" | "reasoning" | "tool_call" | "invalid_tool_call" | "image" | "non_standard") => {
            serde_json::from_value(item).map_err(|error| format!("not a content block: {error}"))
        }
        Some("image_url") => {
            let url = item["image_url"]["url"].as_str().or(item["image_url"].as_str());
            let url = url.ok_or("an image_url block has {\"image_url\":{\"url\":\"...\"}}")?;
            Ok(Block::Image(super::Media { url: Some(url.to_owned()), ..super::Media::default() }))
        }
        Some(_) => Ok(Block::NonStandard { value: item }),
        None => Err(format!("a content block needs a \"type\": {}", json!(item))),
    }
}
