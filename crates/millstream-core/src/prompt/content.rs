//! What a message template says: a text, or a list of blocks whose texts are templates.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Placeholder;
use super::template::{Template, TemplateFormat};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Block, Message, Role};
use crate::vars::Vars;

/// The content of a message template: a text, or blocks as LangChain writes them, in which every text is a template.
///
/// ```
/// use millstream_core::{Prompt, vars};
/// use serde_json::json;
///
/// let prompt = Prompt::new().human(json!([
///     { "type": "text", "text": "What is {what}?" },
///     { "type": "image_url", "image_url": { "url": "data:image/png;base64,{image}" } },
/// ]));
/// assert_eq!(prompt.input_variables(), ["image", "what"]);
///
/// let messages = prompt.format(&vars! { what: "this", image: "aGk=" })?;
/// let content = serde_json::to_value(&messages[0]).unwrap()["content"].clone();
/// assert_eq!(content[0], json!({ "type": "text", "text": "What is this?" }));
/// assert_eq!(content[1]["image_url"]["url"], "data:image/png;base64,aGk=");
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateContent(Value);

impl From<&str> for TemplateContent {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for TemplateContent {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&String> for TemplateContent {
    fn from(text: &String) -> Self {
        Self(text.as_str().into())
    }
}

impl From<Cow<'_, str>> for TemplateContent {
    fn from(text: Cow<'_, str>) -> Self {
        Self(text.into())
    }
}

/// A text or a list of blocks; anything else is an error of the prompt's use.
impl From<Value> for TemplateContent {
    fn from(content: Value) -> Self {
        Self(content)
    }
}

impl From<Vec<Value>> for TemplateContent {
    fn from(blocks: Vec<Value>) -> Self {
        Self(blocks.into())
    }
}

impl From<Vec<Block>> for TemplateContent {
    fn from(blocks: Vec<Block>) -> Self {
        Self(blocks.iter().map(Block::json).collect())
    }
}

impl<const N: usize> From<[Block; N]> for TemplateContent {
    fn from(blocks: [Block; N]) -> Self {
        Self(blocks.iter().map(Block::json).collect())
    }
}

impl TemplateContent {
    /// The placeholder that `{name}` is.
    pub(super) fn placeholder(&self) -> Option<Placeholder> {
        let name = self.0.as_str()?.strip_prefix('{')?.strip_suffix('}')?;
        Some(Placeholder::new(name))
    }
}

/// A content whose templates were read.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Text(Template),
    Blocks(Vec<Part>),
}

/// JSON in which every text is a template.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(Template),
    List(Vec<Part>),
    Object(Vec<(String, Part)>),
    Other(Value),
}

impl Content {
    pub(super) fn read(format: TemplateFormat, content: TemplateContent) -> Self {
        match content.0 {
            Value::String(text) => Self::Text(Template::read(format, &text)),
            Value::Array(blocks) => match blocks.iter().find_map(problem) {
                Some(problem) => Self::broken(problem),
                None => Self::Blocks(blocks.into_iter().map(|block| Part::read(format, completed(block))).collect()),
            },
            other => {
                Self::broken(format!("the content of a message template is a text or a list of blocks, not {other}"))
            }
        }
    }

    /// What is an error of every use.
    pub(super) fn broken(problem: String) -> Self {
        Self::Text(Template::broken(problem))
    }

    /// The message for `vars`; of [`Role::Chat`] with who speaks.
    ///
    /// # Errors
    /// As [`Template::render`]; `invalid_input` for an image without an address.
    pub(super) fn message(&self, role: Role, speaker: Option<&str>, vars: &Vars) -> Result<Message> {
        let mut message = match self {
            Self::Text(template) => Message::new(role, template.render(vars)?),
            Self::Blocks(parts) => {
                let blocks = parts.iter().map(|part| block(part.render(vars)?)).collect::<Result<Vec<_>>>()?;
                Message { content: Message::blocks(blocks)?, ..Message::new(role, "") }
            }
        };
        if let Some(speaker) = speaker {
            message.extra.insert("role", speaker);
        }
        Ok(message)
    }

    /// All templates in it.
    pub(super) fn templates(&self) -> Vec<&Template> {
        let mut templates = Vec::new();
        match self {
            Self::Text(template) => templates.push(template),
            Self::Blocks(parts) => parts.iter().for_each(|part| part.collect(&mut templates)),
        }
        templates
    }
}

impl Part {
    fn read(format: TemplateFormat, value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(Template::read(format, &text)),
            Value::Array(items) => Self::List(items.into_iter().map(|item| Self::read(format, item)).collect()),
            Value::Object(fields) => {
                Self::Object(fields.into_iter().map(|(name, field)| (name, Self::read(format, field))).collect())
            }
            other => Self::Other(other),
        }
    }

    fn collect<'a>(&'a self, templates: &mut Vec<&'a Template>) {
        match self {
            Self::Text(template) => templates.push(template),
            Self::List(parts) => parts.iter().for_each(|part| part.collect(templates)),
            Self::Object(fields) => fields.iter().for_each(|(_, part)| part.collect(templates)),
            Self::Other(_) => {}
        }
    }

    fn render(&self, vars: &Vars) -> Result<Value> {
        match self {
            Self::Text(template) => template.render(vars).map(Value::String),
            Self::List(parts) => parts.iter().map(|part| part.render(vars)).collect(),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(name, part)| Ok((name.clone(), part.render(vars)?)));
                fields.collect::<Result<Map<_, _>>>().map(Value::Object)
            }
            Self::Other(value) => Ok(value.clone()),
        }
    }
}

fn block(block: Value) -> Result<Value> {
    if block["type"] == "image_url" && block["image_url"]["url"] == "" {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "an image of the prompt has no address: its variable is empty",
        ));
    }
    Ok(block)
}

fn problem(block: &Value) -> Option<String> {
    match block {
        Value::String(_) => None,
        Value::Object(fields) => fields.get("image_url").filter(|image| image.get("path").is_some()).map(|_| {
            "an image is given by its address (url), not by a path: read the file and give a data: URL".to_owned()
        }),
        other => Some(format!("a block of a message template is a text or an object, not {other}")),
    }
}

/// A block with all that LangChain adds to the short forms: a bare text, a block without a type, an image that is only its address.
fn completed(block: Value) -> Value {
    match block {
        Value::String(text) => serde_json::json!({ "type": "text", "text": text }),
        Value::Object(mut fields) => {
            let only = |name: &str| fields.contains_key(name) && fields.keys().all(|key| key == name || key == "type");
            if only("text") {
                fields.insert("type".to_owned(), "text".into());
            } else if only("image_url") {
                fields.insert("type".to_owned(), "image_url".into());
                if let Some(address @ Value::String(_)) = fields.get_mut("image_url") {
                    *address = serde_json::json!({ "url": address.take() });
                }
            }
            Value::Object(fields)
        }
        other => other,
    }
}
