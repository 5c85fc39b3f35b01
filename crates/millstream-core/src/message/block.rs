//! The blocks of a message's content, and the JSON of each.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::fields::Fields;
use super::merge::{continuation, merge_objects};
use crate::error::Result;
use crate::event::Metadata;

/// One piece of what a message says.
///
/// Its own JSON says what it holds; how it looks in a message is the message's affair, whose JSON is LangChain's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Block {
    /// Text to show.
    Text {
        /// The text.
        text: String,
        /// What else came with it: `index`, `annotations`.
        #[serde(default, skip_serializing_if = "Fields::is_nothing")]
        extra: Fields,
    },
    /// What the model thought before it answered.
    Reasoning {
        /// The text.
        #[serde(rename = "reasoning")]
        text: String,
        /// What else came with it: `index`, a signature.
        #[serde(default, skip_serializing_if = "Fields::is_nothing")]
        extra: Fields,
    },
    /// A wish of the model to call a tool, with complete and valid JSON arguments.
    ToolCall(ToolCall),
    /// A tool call whose arguments are not a JSON object; it must not run.
    InvalidToolCall {
        /// The call's id; empty if it has none.
        id: String,
        /// The tool's name.
        name: String,
        /// The arguments as they came.
        args: String,
        /// What is wrong with them; empty if nobody said.
        error: String,
    },
    /// An image, by address or as data.
    Image(Media),
    /// A block that only one provider knows, as it came.
    NonStandard {
        /// The provider's own JSON.
        value: Value,
    },
}

/// A complete tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique in the message; the result refers to it. Empty if the provider gave none.
    #[serde(default, serialize_with = "null_if_empty", deserialize_with = "empty_if_null")]
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// A JSON object.
    pub args: Value,
}

/// An image or another medium inside a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Where it is, if it is not in `base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its bytes, in base 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// What it is, for example `image/png`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// What else came with it. With `image_url` it is an image in OpenAI's form.
    #[serde(default, skip_serializing_if = "Fields::is_nothing")]
    pub extra: Fields,
}

impl Block {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), extra: Fields::default() }
    }

    /// Reasoning.
    pub fn reasoning(text: impl Into<String>) -> Self {
        Self::Reasoning { text: text.into(), extra: Fields::default() }
    }

    /// A call of the tool `name` with `arguments` as they came: an [`InvalidToolCall`](Self::InvalidToolCall) if they are not a JSON object.
    /// None at all is no arguments.
    pub(crate) fn call(id: String, name: String, arguments: String) -> Self {
        match arguments_of(&arguments) {
            Ok(args) => Self::ToolCall(ToolCall { id, name, args }),
            Err(error) => Self::InvalidToolCall { id, name, args: arguments, error },
        }
    }

    /// Whether it is a tool call, valid or not.
    pub(crate) fn is_call(&self) -> bool {
        matches!(self, Self::ToolCall(_) | Self::InvalidToolCall { .. })
    }

    /// Whether it came as an object of somebody else.
    pub(crate) fn is_given(&self) -> bool {
        match self {
            Self::Text { extra, .. } | Self::Reasoning { extra, .. } => extra.is_object(),
            Self::Image(media) => media.extra.is_object(),
            Self::NonStandard { .. } => true,
            Self::ToolCall(_) | Self::InvalidToolCall { .. } => false,
        }
    }

    pub(crate) fn extra_mut(&mut self) -> Option<&mut Fields> {
        match self {
            Self::Text { extra, .. } | Self::Reasoning { extra, .. } => Some(extra),
            Self::Image(media) => Some(&mut media.extra),
            _ => None,
        }
    }

    /// Adds the fields of another piece of the block, by the rules of [`Fields::merge`].
    pub(crate) fn merge(&mut self, more: &Metadata) -> Result<()> {
        let kind = match self {
            Self::Text { .. } => Some("text"),
            Self::Reasoning { .. } => Some("reasoning"),
            Self::NonStandard { value } => value.get("type").and_then(Value::as_str),
            _ => Some(""),
        };
        let more = &continuation(kind, more);
        let (own, text, extra) = match self {
            Self::Text { text, extra } => ("text", text, extra),
            Self::Reasoning { text, extra } => ("reasoning", text, extra),
            Self::NonStandard { value: Value::Object(fields) } => return merge_objects(fields, more),
            other => {
                if let Value::Object(mut fields) = other.json() {
                    merge_objects(&mut fields, more)?;
                    *other = Self::of_object(fields);
                }
                return Ok(());
            }
        };
        match more.get(own).and_then(Value::as_str) {
            Some(further) => {
                text.push_str(further);
                let mut rest = more.clone();
                rest.remove(own);
                merge_objects(extra.object_mut(), &rest)
            }
            None => merge_objects(extra.object_mut(), more),
        }
    }

    /// The block as an object, or as a text if it came so.
    pub(crate) fn json(&self) -> Value {
        let with = |extra: &Fields, name: &str, kind: &str, text: &str| {
            let mut fields = extra.object().cloned().unwrap_or_default();
            fields.insert("type".to_owned(), kind.into());
            fields.insert(name.to_owned(), text.into());
            Value::Object(fields)
        };
        match self {
            Self::Text { text, extra } if extra.is_bare() => Value::from(text.as_str()),
            Self::Text { text, extra } => with(extra, "text", "text", text),
            Self::Reasoning { text, extra } => with(extra, "reasoning", "reasoning", text),
            Self::ToolCall(ToolCall { id, name, args }) => {
                json!({"type": "tool_call", "id": or_null(id), "name": name, "args": args})
            }
            Self::InvalidToolCall { id, name, args, error } => json!({
                "type": "invalid_tool_call", "id": or_null(id), "name": or_null(name), "args": args, "error": or_null(error),
            }),
            Self::Image(media) => media.json(),
            Self::NonStandard { value } => value.clone(),
        }
    }

    /// The block that an item of a list is.
    pub(crate) fn of_item(item: Value) -> Self {
        match item {
            Value::String(text) => Self::Text { text, extra: Fields::bare() },
            Value::Object(fields) => Self::of_object(fields),
            value => Self::NonStandard { value },
        }
    }

    /// The block that an object is. What would not be written again as it was is kept as it came.
    pub(crate) fn of_object(mut fields: Metadata) -> Self {
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_text = |name: &str| fields.get(name).is_some_and(Value::is_string);
        match kind.as_str() {
            "text" if is_text("text") => {
                let text = taken(&mut fields, "text");
                fields.remove("type");
                Self::Text { text, extra: Fields::of_object(fields) }
            }
            "reasoning" if is_text("reasoning") => {
                let text = taken(&mut fields, "reasoning");
                fields.remove("type");
                Self::Reasoning { text, extra: Fields::of_object(fields) }
            }
            "image" | "image_url" => Media::of_object(&kind, fields),
            _ => Self::NonStandard { value: Value::Object(fields) },
        }
    }

    /// The call that an object is, if it has all that a call has and nothing else.
    pub(crate) fn of_call(value: &Value) -> Option<Self> {
        let call: ToolCall = serde_json::from_value(value.clone()).ok()?;
        let call = Self::ToolCall(call);
        if call.json() == *value {
            return Some(call);
        }
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let invalid =
            Self::InvalidToolCall { id: text("id"), name: text("name"), args: text("args"), error: text("error") };
        (invalid.json() == *value).then_some(invalid)
    }
}

fn taken(fields: &mut Metadata, name: &str) -> String {
    match fields.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

fn or_null(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The arguments of a call, from the text that they came as.
///
/// # Errors
/// What is wrong with them.
fn arguments_of(text: &str) -> std::result::Result<Value, String> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    match serde_json::from_str(text) {
        Ok(args @ Value::Object(_)) => Ok(args),
        Ok(_) => Err("the arguments are not a JSON object".to_owned()),
        Err(error) => Err(format!("the arguments are not valid JSON: {error}")),
    }
}

impl Media {
    fn of_object(kind: &str, mut fields: Metadata) -> Block {
        let given = Value::Object(fields.clone());
        let mut media = Self::default();
        fields.remove("type");
        if kind == "image_url" {
            let url = fields.get("image_url").and_then(|image| image.get("url").unwrap_or(image).as_str());
            media.url = url.map(str::to_owned);
        } else {
            for (name, place) in
                [("url", &mut media.url), ("base64", &mut media.base64), ("mime_type", &mut media.mime_type)]
            {
                if fields.get(name).is_some_and(Value::is_string) {
                    *place = Some(taken(&mut fields, name));
                }
            }
        }
        media.extra = Fields::of_object(fields);
        if media.json() == given { Block::Image(media) } else { Block::NonStandard { value: given } }
    }

    fn json(&self) -> Value {
        let mut fields = self.extra.object().cloned().unwrap_or_default();
        if let Some(image) = fields.get_mut("image_url") {
            match (image, &self.url) {
                (Value::Object(image), Some(url)) => {
                    image.insert("url".to_owned(), url.as_str().into());
                }
                (image, Some(url)) => *image = url.as_str().into(),
                (_, None) => {}
            }
            fields.insert("type".to_owned(), "image_url".into());
        } else {
            fields.insert("type".to_owned(), "image".into());
            for (name, text) in [("url", &self.url), ("base64", &self.base64), ("mime_type", &self.mime_type)] {
                fields.extend(text.as_deref().map(|text| (name.to_owned(), text.into())));
            }
        }
        Value::Object(fields)
    }
}

fn null_if_empty<S: Serializer>(text: &str, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    or_null(text).serialize(serializer)
}

fn empty_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
