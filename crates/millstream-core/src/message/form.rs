//! The JSON of a message: LangChain's `{"type", "content", "id", ...}`, read in all the forms that people write.

use serde::de::{Deserializer, Error as _};
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ai_chunk::AiMessageChunk;
use super::{Block, Fields, Message, Role, constructor};
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

/// A content as it is written. Calls have a list of their own; only when they do not come last they are written here too, in their
/// places.
struct Content<'a>(&'a [Block]);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first_call = self.0.iter().position(Block::is_call).unwrap_or(self.0.len());
        let calls_come_last = self.0[first_call..].iter().all(Block::is_call);
        let shown = if calls_come_last { &self.0[..first_call] } else { self.0 };
        match shown {
            [] => return serializer.serialize_str(""),
            [Block::Text { text, extra }] if extra.is_nothing() => return serializer.serialize_str(text),
            _ => {}
        }
        // Beside blocks of somebody else a text of ours is what LangChain would make of it: a bare text.
        let bare = shown.iter().any(Block::is_given);
        let mut list = serializer.serialize_seq(Some(shown.len()))?;
        for block in shown {
            match block {
                Block::Text { text, extra } if bare && extra.is_nothing() => list.serialize_element(text)?,
                other => list.serialize_element(&other.json())?,
            }
        }
        list.end()
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
    let mut message = Message::new(role.map_err(|error| error.to_string())?, "");
    let content = fields.remove("content").unwrap_or_default();
    let calls = read_calls(&mut fields)?;
    if content == Value::Array(Vec::new()) {
        message.extra.insert("content", content);
        message.content = calls;
    } else {
        message.content = read_content(content, calls)?;
    }
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
    message.additional_kwargs = read_fields(&mut fields, "additional_kwargs")?;
    if name == "developer" {
        message.additional_kwargs.insert("__openai_role__", name);
    }
    // As LangChain has it: what else stands beside a role is meant for the provider.
    let rest = if by_role { &mut message.additional_kwargs } else { &mut message.extra };
    for (name, field) in fields.into_iter().filter(|(_, field)| !field.is_null()) {
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

/// The calls of the lists that messages have for them, in LangChain's form or in OpenAI's.
pub(super) fn read_calls(fields: &mut Metadata) -> Result<Vec<Block>, String> {
    let mut calls = Vec::new();
    for call in read_field::<Vec<Value>>(fields, "tool_calls")?.unwrap_or_default() {
        calls.push(match call.get("function") {
            Some(function) => {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let arguments = match &function["arguments"] {
                    Value::String(arguments) => arguments.clone(),
                    Value::Null => String::new(),
                    other => other.to_string(),
                };
                Block::call(text(&call["id"]), text(&function["name"]), arguments)
            }
            None => Block::ToolCall(
                serde_json::from_value(call).map_err(|error| format!("not a message: a tool call: {error}"))?,
            ),
        });
    }
    for call in read_field::<Vec<Value>>(fields, "invalid_tool_calls")?.unwrap_or_default() {
        let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        calls.push(Block::InvalidToolCall {
            id: text("id"),
            name: text("name"),
            args: text("args"),
            error: text("error"),
        });
    }
    Ok(calls)
}

/// The blocks of a content, with the message's calls in it or behind it.
pub(super) fn read_content(content: Value, mut calls: Vec<Block>) -> Result<Vec<Block>, String> {
    let items = match content {
        Value::Null => return Ok(calls),
        Value::String(text) => {
            if !text.is_empty() {
                calls.insert(0, Block::text(text));
            }
            return Ok(calls);
        }
        Value::Array(items) => items,
        other => return Err(format!("the content of a message is a text or a list of blocks, not {other}")),
    };
    if let Some(odd) = items.iter().find(|item| !item.is_string() && !item.is_object()) {
        return Err(format!("a content block is a text or an object, not {odd}"));
    }
    let is_call = |item: &Value| Block::of_call(item).is_some();
    let interleaved = !items.iter().is_sorted_by_key(is_call);
    let given = Value::Array(items.clone());
    let mut blocks = Vec::new();
    // The listed calls that the content has not named yet: the same call may be there twice.
    let mut unnamed = calls.clone();
    for item in items {
        let Some(call) = Block::of_call(&item) else {
            blocks.push(Block::of_item(item));
            continue;
        };
        let listed = unnamed.iter().position(|listed| *listed == call).map(|at| unnamed.remove(at));
        if interleaved {
            blocks.push(call);
        } else {
            // It is said twice: here, and among the calls.
            blocks.push(Block::NonStandard { value: item });
            if listed.is_none() {
                calls.push(call);
            }
        }
    }
    let behind = if interleaved { unnamed } else { calls };
    Ok(simplified(blocks, &given).into_iter().chain(behind).collect())
}

/// The blocks as blocks of ours, if those are written as these came.
fn simplified(blocks: Vec<Block>, given: &Value) -> Vec<Block> {
    let plain: Vec<Block> = blocks
        .iter()
        .cloned()
        .map(|mut block| {
            if let Some(extra) = block.extra_mut().filter(|extra| extra.is_object() && extra.is_empty()) {
                *extra = Fields::default();
            }
            block
        })
        .collect();
    let is_ours = |block: &Block| !matches!(block, Block::Text { extra, .. } if !extra.is_nothing());
    let as_given = || serde_json::to_value(Content(&plain)).is_ok_and(|written| written == *given);
    if plain.iter().all(is_ours) && as_given() { plain } else { blocks }
}
