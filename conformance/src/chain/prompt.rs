//! Prompts of the cases.

use millstream::{Placeholder, Prompt, TemplateFormat};
use serde_json::{Map, Value};

use crate::case::PromptItem;
use crate::message::read_message;
use crate::outcome::{Skip, unsupported};

/// A prompt of messages.
pub(super) fn messages(
    items: &[PromptItem],
    partial: Option<&Map<String, Value>>,
    format: Option<&str>,
) -> Result<Prompt, Skip> {
    let mut prompt = Prompt::written_in(match format {
        None | Some("f-string") => TemplateFormat::Braces,
        Some("mustache") => TemplateFormat::Mustache,
        Some("jinja2") => TemplateFormat::Jinja,
        Some(other) => return Err(unsupported(format!("a prompt in the format {other}"))),
    });
    for item in items {
        prompt = match item {
            PromptItem::Template(role, template) => prompt.role(role.as_str(), template.clone()),
            PromptItem::Placeholder { placeholder, optional: true } => {
                prompt.placeholder(Placeholder::new(placeholder).optional())
            }
            PromptItem::Placeholder { placeholder, optional: false } => prompt.placeholder(placeholder),
            PromptItem::Message(message) => {
                prompt.message(read_message(&Value::Object(message.clone())).map_err(unsupported)?)
            }
        };
    }
    let partial = partial.into_iter().flatten();
    Ok(partial.fold(prompt, |prompt, (name, value)| prompt.partial(name.as_str(), value.clone())))
}
