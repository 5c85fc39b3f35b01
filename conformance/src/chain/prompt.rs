//! Prompts of the cases.

use millstream::Prompt;
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
    if partial.is_some_and(|partial| !partial.is_empty()) {
        return Err(unsupported("a prompt with partial variables"));
    }
    if let Some(format) = format {
        return Err(unsupported(format!("a prompt in the format {format}")));
    }
    let mut prompt = Prompt::new();
    for item in items {
        prompt = match item {
            PromptItem::Template(role, Value::String(template)) => match role.as_str() {
                "system" => prompt.system(template),
                "human" | "user" => prompt.human(template),
                "ai" | "assistant" => prompt.ai(template),
                "placeholder" => prompt.optional_placeholder(template.trim_matches(['{', '}'])),
                other => return Err(unsupported(format!("a prompt's role {other:?}"))),
            },
            PromptItem::Template(..) => return Err(unsupported("a template that is not a text")),
            PromptItem::Placeholder { placeholder, optional: true } => prompt.optional_placeholder(placeholder),
            PromptItem::Placeholder { placeholder, optional: false } => prompt.placeholder(placeholder),
            PromptItem::Message(message) => {
                prompt.message(read_message(&Value::Object(message.clone())).map_err(unsupported)?)
            }
        };
    }
    Ok(prompt)
}
