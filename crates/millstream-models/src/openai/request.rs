//! From a [`Request`] to the body of `POST /chat/completions`.

use std::borrow::Cow;

use millstream_core::{
    Block, Error, ErrorKind, Media, Message, Options, Request, ResponseFormat, Result, Role, ToolSpec,
};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

/// What differs from one OpenAI-shaped provider to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// Ask for the usage in a last chunk.
    pub(super) asks_usage: bool,
    /// `max_completion_tokens`, as OpenAI wants it, instead of the `max_tokens` that the others know.
    pub(super) says_completion_tokens: bool,
}

/// The body as JSON.
///
/// # Errors
/// `invalid_input` for what cannot be said in this form: a tool result without its call's id, a block that has none, options that this
/// library sets itself.
pub(super) fn encode(model: &str, request: &Request, dialect: Dialect) -> Result<Vec<u8>> {
    check_extra(&request.options)?;
    let messages =
        request.messages.iter().map(|message| encode_message(message, request)).collect::<Result<Vec<_>>>()?;
    if messages.is_empty() {
        return Err(invalid("a model needs at least one message"));
    }
    let body = Body { model, messages, options: &request.options, dialect };
    serde_json::to_vec(&body).map_err(|error| invalid("the request cannot be written as JSON").with_source(error))
}

fn check_extra(options: &Options) -> Result<()> {
    for name in ["messages", "stream"] {
        if options.extra.contains_key(name) {
            return Err(invalid(&format!("the option {name:?} is set by Millstream itself; leave it out of `extra`")));
        }
    }
    match options.extra.get("n") {
        Some(n) if *n != json!(1) => Err(invalid("one answer is asked for at a time; leave \"n\" out of `extra`")),
        _ => Ok(()),
    }
}

struct Body<'a> {
    model: &'a str,
    messages: Vec<Value>,
    options: &'a Options,
    dialect: Dialect,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Options { temperature, max_tokens, stop, tools, response_format, extra, .. } = self.options;
        // What the caller says in the provider's own words counts.
        let own = |name: &str| !extra.contains_key(name);
        let mut body = serializer.serialize_map(None)?;
        if own("model") {
            body.serialize_entry("model", self.model)?;
        }
        body.serialize_entry("messages", &self.messages)?;
        body.serialize_entry("stream", &true)?;
        if self.dialect.asks_usage && own("stream_options") {
            body.serialize_entry("stream_options", &json!({"include_usage": true}))?;
        }
        if let Some(temperature) = temperature.filter(|_| own("temperature")) {
            body.serialize_entry("temperature", &temperature)?;
        }
        if let Some(most) = max_tokens.filter(|_| own("max_tokens") && own("max_completion_tokens")) {
            let name = if self.dialect.says_completion_tokens { "max_completion_tokens" } else { "max_tokens" };
            body.serialize_entry(name, &most)?;
        }
        if !stop.is_empty() && own("stop") {
            body.serialize_entry("stop", stop)?;
        }
        if !tools.is_empty() && own("tools") {
            body.serialize_entry("tools", &tools.iter().map(encode_tool).collect::<Vec<_>>())?;
        }
        if let Some(format) = response_format.as_ref().filter(|_| own("response_format")) {
            body.serialize_entry("response_format", &encode_format(format))?;
        }
        for (name, value) in extra {
            body.serialize_entry(name, value)?;
        }
        body.end()
    }
}

fn encode_tool(tool: &ToolSpec) -> Value {
    let ToolSpec { name, description, parameters } = tool;
    json!({"type": "function", "function": {"name": name, "description": description, "parameters": parameters}})
}

fn encode_format(format: &ResponseFormat) -> Value {
    let ResponseFormat { name, schema, strict } = format;
    json!({"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": strict}})
}

fn encode_message(message: &Message, request: &Request) -> Result<Value> {
    let role = match message.role {
        Role::System => "system",
        Role::Human => "user",
        Role::Ai => "assistant",
        Role::Tool => "tool",
        _ => return Err(invalid("a message has a role that OpenAI-shaped providers do not know")),
    };
    let mut encoded = json!({"role": role, "content": encode_content(message)?});
    if let Some(name) = message.name.as_deref().filter(|name| message.role != Role::Tool && is_name(name)) {
        encoded["name"] = json!(name);
    }
    if message.role == Role::Tool {
        let Some(id) = &message.tool_call_id else {
            return Err(invalid("a tool message needs the id of the call that it answers (`tool_call_id`)"));
        };
        encoded["tool_call_id"] = json!(id);
    }
    let calls: Vec<Value> = message.content.iter().filter_map(|block| encode_call(block, request)).collect();
    if message.role == Role::Ai && !calls.is_empty() {
        if encoded["content"] == "" {
            encoded["content"] = Value::Null;
        }
        encoded["tool_calls"] = Value::Array(calls);
    }
    Ok(encoded)
}

/// A text where all is text, since many servers take nothing else; a list of blocks where it is not.
fn encode_content(message: &Message) -> Result<Value> {
    let is_text = |block: &Block| {
        matches!(
            block,
            Block::Text { .. } | Block::Reasoning { .. } | Block::ToolCall(_) | Block::InvalidToolCall { .. }
        )
    };
    if message.content.iter().all(is_text) {
        return Ok(Value::String(message.text()));
    }
    let blocks = message.content.iter().filter_map(|block| match block {
        Block::Text { text, .. } => Some(Ok(json!({"type": "text", "text": text}))),
        Block::Image(image) => {
            Some(image_url(image).map(|url| json!({"type": "image_url", "image_url": {"url": url}})))
        }
        Block::NonStandard { value } => Some(Ok(value.clone())),
        // Providers do not take their reasoning back, and calls have a field of their own.
        Block::Reasoning { .. } | Block::ToolCall(_) | Block::InvalidToolCall { .. } => None,
        _ => Some(Err(invalid("a message has a block that OpenAI-shaped providers do not know"))),
    });
    blocks.collect::<Result<Vec<_>>>().map(Value::Array)
}

fn image_url(image: &Media) -> Result<Cow<'_, str>> {
    match (&image.url, &image.base64) {
        (Some(url), _) => Ok(Cow::Borrowed(url)),
        (None, Some(data)) => {
            let kind = image.mime_type.as_deref().unwrap_or("image/png");
            Ok(Cow::Owned(format!("data:{kind};base64,{data}")))
        }
        (None, None) => Err(invalid("an image needs an address (`url`) or data (`base64`)")),
    }
}

fn encode_call(block: &Block, request: &Request) -> Option<Value> {
    let (id, name, arguments) = match block {
        Block::ToolCall(call) => (&call.id, &call.name, call.args.to_string()),
        // Only where its failure is answered: providers refuse a call without a result. Servers parse the arguments: `{}` always works.
        Block::InvalidToolCall { id, name, .. } if is_answered(id, request) => (id, name, "{}".to_owned()),
        _ => return None,
    };
    Some(json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}))
}

fn is_answered(id: &str, request: &Request) -> bool {
    request.messages.iter().any(|message| message.tool_call_id.as_deref() == Some(id))
}

/// OpenAI refuses a request for a name with any other character.
fn is_name(name: &str) -> bool {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(is_sound)
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, what)
}
