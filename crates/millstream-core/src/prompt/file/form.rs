//! Our own form of a prompt's file.

use super::Read;
use super::node::{Fields, Node};
use crate::error::Result;
use crate::message::Message;
use crate::prompt::template::TemplateFormat;
use crate::prompt::{PLACEHOLDER, Placeholder, Prompt, TextPrompt, template_role};

/// Reads `format`, `partial`, and `messages` or `text`.
///
/// # Errors
/// `bad_template`, with line and key.
pub(super) fn read(mut fields: Fields<'_>) -> Result<Read> {
    let format = format(fields.take("format"))?;
    let partial = fields.take("partial");
    let read = match (fields.take("text"), fields.take("messages")) {
        (Some(text), None) => {
            let prompt = TextPrompt::written_in(format).text(text.template(format)?);
            Read::Text(partials(partial)?.into_iter().fold(prompt, |prompt, (name, value)| prompt.partial(name, value)))
        }
        (None, Some(messages)) => {
            let mut prompt = Prompt::written_in(format);
            for node in messages.list()? {
                prompt = message(prompt, format, &node)?;
            }
            Read::Messages(
                partials(partial)?.into_iter().fold(prompt, |prompt, (name, value)| prompt.partial(name, value)),
            )
        }
        (Some(_), Some(messages)) => return Err(messages.error("a prompt has a text or messages, not both")),
        (None, None) => return Err(fields.whole.error("a prompt has \"messages\", or a \"text\"")),
    };
    fields.finish("format, messages, text and partial")?;
    Ok(read)
}

/// The format by its name, which may be LangChain's.
pub(super) fn format(node: Option<Node<'_>>) -> Result<TemplateFormat> {
    let Some(node) = node else {
        return Ok(TemplateFormat::default());
    };
    match node.text()? {
        "braces" | "f-string" => Ok(TemplateFormat::Braces),
        "jinja" | "jinja2" => Ok(TemplateFormat::Jinja),
        "mustache" => Ok(TemplateFormat::Mustache),
        other => Err(node.error(format!("there is no format {other:?}; use braces, jinja or mustache"))),
    }
}

/// Names and values.
pub(super) fn partials(node: Option<Node<'_>>) -> Result<serde_json::Map<String, serde_json::Value>> {
    node.map_or_else(|| Ok(serde_json::Map::new()), |node| node.read("a table of names and values"))
}

/// Adds a message: a text, a `[role, content]` pair, `role` and `content`, a placeholder, or a message as it is (with a `type`).
fn message(prompt: Prompt, format: TemplateFormat, node: &Node<'_>) -> Result<Prompt> {
    if node.is_text() {
        return Ok(prompt.human(node.template(format)?));
    }
    if node.is_list() {
        return match &node.list()?[..] {
            [role, content] => template(prompt, format, role, content),
            _ => Err(node.error("a message written as a list is [role, content]")),
        };
    }
    let mut fields = node.table()?;
    if fields.has("type") {
        return Ok(prompt.message(node.read::<Message>("a message")?));
    }
    if let Some(name) = fields.take("placeholder") {
        let mut placeholder = Placeholder::new(name.text()?);
        if let Some(optional) = fields.take("optional")
            && optional.read("true or false")?
        {
            placeholder = placeholder.optional();
        }
        if let Some(last) = fields.take("last") {
            placeholder = placeholder.last(last.read("a number of messages")?);
        }
        fields.finish("placeholder, optional and last")?;
        return Ok(prompt.placeholder(placeholder));
    }
    let (role, content) = (fields.need("role")?, fields.need("content")?);
    fields.finish("role and content, or placeholder")?;
    template(prompt, format, &role, &content)
}

fn template(prompt: Prompt, format: TemplateFormat, role: &Node<'_>, content: &Node<'_>) -> Result<Prompt> {
    let name = role.text()?;
    if name != PLACEHOLDER {
        template_role(name).map_err(|problem| role.error(problem))?;
    }
    let next = Prompt::written_in(format).role(name, content.value());
    match next.problem() {
        Some(problem) => Err(content.error(problem)),
        None => Ok(prompt.then(next)),
    }
}
