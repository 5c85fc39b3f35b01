//! The JSON of a message: LangChain's `{"type", "content", "id", ...}`, read in all the forms that people write.

use serde::de::{Deserializer, Error as _};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ai_chunk::AiMessageChunk;
use super::content::{self, Content};
use super::{Block, Fields, Message, Role, calls, constructor};
use crate::event::Metadata;

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_map(None)?;
        written.serialize_entry("type", &self.role)?;
        if self.extra.get("content").is_none() {
            written.serialize_entry("content", &Content(&self.content))?;
        }
        for (name, text) in [("id", &self.id), ("name", &self.name), ("tool_call_id", &self.tool_call_id)] {
            if let Some(text) = text {
                written.serialize_entry(name, text)?;
            }
        }
        let is_valid = |block: &&Block| matches!(block, Block::ToolCall(_));
        let (calls, invalid): (Vec<&Block>, Vec<&Block>) =
            self.content.iter().filter(|block| block.is_call()).partition(is_valid);
        for (name, calls) in [("tool_calls", calls), ("invalid_tool_calls", invalid)] {
            if !calls.is_empty() {
                written.serialize_entry(name, &calls.into_iter().map(Block::json).collect::<Vec<_>>())?;
            }
        }
        if self.failed {
            written.serialize_entry("status", "error")?;
        }
        if let Some(artifact) = &self.artifact {
            written.serialize_entry("artifact", artifact)?;
        }
        for (name, fields) in
            [("additional_kwargs", &self.additional_kwargs), ("response_metadata", &self.response_metadata)]
        {
            if !fields.is_empty() {
                written.serialize_entry(name, fields)?;
            }
        }
        if let Some(usage) = &self.usage {
            written.serialize_entry("usage_metadata", &usage.in_message())?;
        }
        if let Some(finish) = &self.finish {
            written.serialize_entry("finish", finish)?;
        }
        for (name, field) in self.extra.iter() {
            written.serialize_entry(name, field)?;
        }
        written.end()
    }
}

/// Reads an object, a `[role, text]` pair, or a bare text (a human message), as LangChain's `convert_to_messages` does.
impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn read(value: Value) -> Result<Message, String> {
    match value {
        Value::String(text) => Ok(Message::human(text)),
        Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([Value::String(role), content]) => {
                read_object(Metadata::from_iter([("role".to_owned(), role.into()), ("content".to_owned(), content)]))
            }
            _ => Err("a message written as a list is [role, content]".to_owned()),
        },
        Value::Object(fields) => match constructor::opened(&fields) {
            Some((kind, mut fields)) => {
                fields.insert("type".to_owned(), kind.into());
                read_object(fields)
            }
            None => read_object(fields),
        },
        other => Err(format!("{other} is not a message; write {{\"type\":\"human\",\"content\":\"...\"}}")),
    }
}

/// A content that stands alone.
pub(super) fn read_content(content: Value) -> Result<Vec<Block>, String> {
    content::read(content, Vec::new(), &mut Fields::default())
}

fn read_object(mut fields: Metadata) -> Result<Message, String> {
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "AIMessageChunk" {
        let chunk = AiMessageChunk::read(fields)?;
        return Ok(chunk.into_message());
    }
    let by_role = fields.contains_key("role") && kind != "chat";
    let name = fields.remove(if by_role { "role" } else { "type" });
    let name = name.as_ref().and_then(Value::as_str).ok_or("not a message: it has no \"type\" and no \"role\"")?;
    let role = Role::parse(name.strip_suffix("MessageChunk").map(str::to_lowercase).as_deref().unwrap_or(name));
    let role = role.map_err(|error| error.to_string())?;
    if by_role && role == Role::Chat {
        return Err(
            "\"chat\" is a type and no role: write {\"type\":\"chat\",\"role\":\"...\",\"content\":\"...\"}".to_owned()
        );
    }
    let mut message = Message::new(role, "");
    // Beside a role an empty list says nothing, beside a type it is a list.
    let is_blank = |content: &Value| by_role && content.as_array().is_some_and(Vec::is_empty);
    let content = fields.remove("content").filter(|content| !is_blank(content)).unwrap_or_default();
    message.additional_kwargs = read_fields(&mut fields, "additional_kwargs")?;
    let mut calls = calls::listed(&mut fields)?;
    if calls.is_empty() && role == Role::Ai {
        calls = calls::of_provider(&message.additional_kwargs);
    }
    let content = if role == Role::Tool { content::shown(content) } else { content };
    message.content = content::read(content, calls, &mut message.extra)?;
    for (name, place) in
        [("id", &mut message.id), ("name", &mut message.name), ("tool_call_id", &mut message.tool_call_id)]
    {
        *place = read_field(&mut fields, name)?;
    }
    let status: Option<String> = read_field(&mut fields, "status")?;
    message.failed = status.as_deref() == Some("error");
    message.artifact = fields.remove("artifact").filter(|artifact| !artifact.is_null()).map(Box::new);
    message.finish = read_field(&mut fields, "finish")?;
    message.usage = read_field(&mut fields, "usage_metadata")?;
    message.response_metadata = read_fields(&mut fields, "response_metadata")?;
    if name == "developer" {
        message.additional_kwargs.insert("__openai_role__", name);
    }
    let is_example = |field: &str| field == "example" && matches!(role, Role::Human | Role::Ai);
    for (name, field) in fields.into_iter().filter(|(_, field)| !field.is_null()) {
        // As LangChain has it: what else stands beside a role is meant for the provider.
        let of_provider = by_role && !is_example(&name);
        let rest = if of_provider { &mut message.additional_kwargs } else { &mut message.extra };
        rest.insert(name, field);
    }
    Ok(message)
}

/// Takes a field out and reads it; `null` is no field.
pub(super) fn read_field<T: serde::de::DeserializeOwned>(
    fields: &mut Metadata,
    name: &str,
) -> Result<Option<T>, String> {
    let field = fields.remove(name).unwrap_or_default();
    serde_json::from_value(field).map_err(|error| format!("not a message: the field {name:?}: {error}"))
}

pub(super) fn read_fields(fields: &mut Metadata, name: &str) -> Result<Fields, String> {
    Ok(read_field::<Metadata>(fields, name)?.unwrap_or_default().into())
}
