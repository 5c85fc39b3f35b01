//! Messages in the form of OpenAI's chat completions: LangChain's `convert_to_openai_messages`.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::spaced::spaced;
use super::{ChunkContent, Message, Role};
use crate::error::{Error, ErrorKind, Result};

mod block;

use block::Said;

/// How [`to_openai_messages`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenAiForm {
    /// How texts are written.
    pub text: OpenAiText,
    /// Whether ids of messages are written.
    pub include_id: bool,
    /// Whether blocks that nobody knows are written as they are; otherwise they are an error.
    pub pass_unknown_blocks: bool,
}

/// How texts are written in OpenAI's form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenAiText {
    /// A content of texts alone is a text, its blocks joined by line breaks.
    #[default]
    Text,
    /// A content is always a list of blocks.
    Blocks,
}

impl Default for OpenAiForm {
    fn default() -> Self {
        Self { text: OpenAiText::default(), include_id: false, pass_unknown_blocks: true }
    }
}

/// Messages as OpenAI's chat completions take them. Images, files and audio in the forms of LangChain, Anthropic, Bedrock and Vertex AI become
/// OpenAI's, and Anthropic's blocks for tool calls and results become calls and messages. Such objects are read like any other form of a
/// message.
///
/// ```
/// use millstream_core::{Message, OpenAiForm, to_openai_messages};
///
/// let messages = [Message::human("Weather?"), Message::tool("call_1", "sunny")];
/// let written = to_openai_messages(&messages, &OpenAiForm::default())?;
/// assert_eq!(written[0], serde_json::json!({"role": "user", "content": "Weather?"}));
/// assert_eq!(written[1], serde_json::json!({"role": "tool", "content": "sunny", "tool_call_id": "call_1"}));
/// # let read: Vec<Message> = serde_json::from_value(written.into()).unwrap();
/// # assert_eq!(read, messages);
/// # Ok::<(), millstream_core::Error>(())
/// ```
///
/// # Errors
/// `invalid_input` for a removal, and for a block that lacks what its type has; for one that nobody knows, unless those pass.
pub fn to_openai_messages(messages: &[Message], form: &OpenAiForm) -> Result<Vec<Value>> {
    let mut written = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        write(message, place, form, &mut written)?;
    }
    Ok(written)
}

/// The role of a message by OpenAI's name.
pub(super) fn role_of(message: &Message) -> Cow<'_, str> {
    let given = |fields: &super::Fields, name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    match message.role {
        Role::Ai => "assistant".into(),
        Role::Human => "user".into(),
        Role::Tool => "tool".into(),
        Role::System => given(&message.additional_kwargs, "__openai_role__").map_or("system".into(), Cow::Owned),
        Role::Function => "function".into(),
        Role::Chat => given(&message.extra, "role").unwrap_or_default().into(),
        Role::Remove => "remove".into(),
    }
}

fn write(message: &Message, place: usize, form: &OpenAiForm, written: &mut Vec<Value>) -> Result<()> {
    if message.role == Role::Remove {
        let text = format!(
            "messages[{place}] is a removal, which OpenAI's form does not have: apply it with add_messages first"
        );
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    let mut fields = Map::from_iter([("role".to_owned(), json!(role_of(message)))]);
    let refusal = message.additional_kwargs.get("refusal").and_then(Value::as_str);
    let tool_call_id = message.tool_call_id.as_deref().filter(|_| message.role == Role::Tool);
    for (name, text) in [
        ("name", message.name.as_deref().filter(|name| !name.is_empty())),
        ("refusal", refusal.filter(|refusal| !refusal.is_empty())),
        ("tool_call_id", tool_call_id),
        ("id", message.id.as_deref().filter(|id| form.include_id && !id.is_empty())),
    ] {
        fields.extend(text.map(|text| (name.to_owned(), text.into())));
    }
    let mut calls: Vec<Value> = message
        .tool_calls()
        .map(|call| {
            let id = (!call.id.is_empty()).then_some(&call.id);
            function_call(&json!(id), &json!(call.name), &json!(spaced(&call.args)))
        })
        .collect();
    let said = said(message, place, form)?;
    let is_named = |known: &[Value], id: &Value| known.iter().any(|call| call["id"] == *id);
    let known = calls.clone();
    calls.extend(said.calls.into_iter().filter(|call| !is_named(&known, &call["id"])));
    if !calls.is_empty() {
        fields.insert("tool_calls".to_owned(), calls.into());
    }
    let says_nothing = match &said.content {
        Value::String(text) => text.is_empty(),
        content => content.as_array().is_none_or(Vec::is_empty),
    };
    // A message that has results alone is only those.
    if !says_nothing || said.results.is_empty() {
        fields.insert("content".to_owned(), said.content);
        written.push(Value::Object(fields));
    }
    for result in said.results {
        write(&result, place, &OpenAiForm { text: form.text, ..OpenAiForm::default() }, written)?;
    }
    Ok(())
}

/// What a message says, in OpenAI's blocks.
fn said(message: &Message, place: usize, form: &OpenAiForm) -> Result<Told> {
    let as_text = form.text == OpenAiText::Text;
    let items = match message.given_without_calls() {
        ChunkContent::Text(text) if as_text => return Ok(Told::of(text)),
        ChunkContent::Text(text) if text.is_empty() => Vec::new(),
        ChunkContent::Text(text) => vec![text.into()],
        ChunkContent::List(items) => items,
    };
    let mut told = Told::default();
    let mut blocks: Vec<Value> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        for said in block::said(item, form).map_err(|what| refused(place, at, &what, item))? {
            match said {
                Said::Block(block) => blocks.push(block),
                Said::Call(call) => told.calls.push(call),
                Said::Result(result) => told.results.push(*result),
            }
        }
    }
    told.content = if as_text && blocks.iter().all(|block| block["type"] == "text") {
        let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
        texts.join("\n").into()
    } else {
        blocks.into()
    };
    Ok(told)
}

#[derive(Default)]
struct Told {
    content: Value,
    calls: Vec<Value>,
    results: Vec<Message>,
}

impl Told {
    fn of(text: String) -> Self {
        Self { content: text.into(), ..Self::default() }
    }
}

/// A call as OpenAI writes it.
fn function_call(id: &Value, name: &Value, arguments: &Value) -> Value {
    json!({"type": "function", "id": id, "function": {"name": name, "arguments": arguments}})
}

fn refused(place: usize, at: usize, what: &str, item: &Value) -> Error {
    let message = format!("messages[{place}].content[{at}] cannot be written in OpenAI's form: {what}: {item}");
    Error::new(ErrorKind::InvalidInput, message)
}
