//! The forms that LangChain saves prompts in.

use super::Read;
use super::form::{format, partials};
use super::node::{Fields, Node};
use crate::error::Result;
use crate::prompt::{Examples, Placeholder, Prompt, TextPrompt, template_role};
use crate::vars::Vars;

/// Reads `"_type": "prompt"`, which is also what a file without a type is, `"few_shot"` or `"chat"`. What else is saved there says nothing
/// about the prompt and is left alone.
///
/// # Errors
/// `bad_template`, with line and key.
pub(super) fn read(mut fields: Fields<'_>) -> Result<Read> {
    let Some(kind) = fields.take("_type") else {
        return text(fields).map(Read::Text);
    };
    match kind.text()? {
        "prompt" => text(fields).map(Read::Text),
        "few_shot" => few_shot(fields).map(Read::Text),
        "chat" => chat(fields).map(Read::Messages),
        other => {
            Err(kind
                .error(format!("there is no prompt of the type {other:?} here; there are prompt, few_shot and chat")))
        }
    }
}

fn text(mut fields: Fields<'_>) -> Result<TextPrompt> {
    in_this_file(&mut fields, "template")?;
    let format = format(fields.take("template_format"))?;
    let prompt = TextPrompt::written_in(format).text(fields.need("template")?.template(format)?);
    let partials = partials(fields.take("partial_variables"))?;
    Ok(partials.into_iter().fold(prompt, |prompt, (name, value)| prompt.partial(name, value)))
}

fn few_shot(mut fields: Fields<'_>) -> Result<TextPrompt> {
    for name in ["prefix", "suffix", "example_prompt"] {
        in_this_file(&mut fields, name)?;
    }
    let format = format(fields.take("template_format"))?;
    let template = text(fields.need("example_prompt")?.table()?)?;
    let examples: Vec<Vars> = fields.need("examples")?.read("a list of examples, each with names and values")?;
    let mut prompt = TextPrompt::written_in(format);
    if let Some(prefix) = fields.take("prefix") {
        prompt = prompt.text(prefix.template(format)?);
    }
    prompt = prompt.examples(Examples::new(template, examples)).text(fields.need("suffix")?.template(format)?);
    if let Some(separator) = fields.take("example_separator") {
        prompt = prompt.separator(separator.text()?);
    }
    let partials = partials(fields.take("partial_variables"))?;
    Ok(partials.into_iter().fold(prompt, |prompt, (name, value)| prompt.partial(name, value)))
}

fn chat(mut fields: Fields<'_>) -> Result<Prompt> {
    let mut prompt = Prompt::new();
    for node in fields.need("messages")?.list()? {
        prompt = prompt.then(message(&node)?);
    }
    let partials = partials(fields.take("partial_variables"))?;
    Ok(partials.into_iter().fold(prompt, |prompt, (name, value)| prompt.partial(name, value)))
}

/// A message template, a placeholder, or a message. A template without a type is the person's: older files do not say whose it is.
fn message(node: &Node<'_>) -> Result<Prompt> {
    let mut fields = node.table()?;
    if let Some(name) = fields.take("variable_name") {
        let mut placeholder = Placeholder::new(name.text()?);
        if let Some(optional) = fields.take("optional")
            && optional.read("true or false")?
        {
            placeholder = placeholder.optional();
        }
        if let Some(count) = fields.take("n_messages") {
            placeholder = placeholder.last(count.read("a number of messages")?);
        }
        return Ok(Prompt::new().placeholder(placeholder));
    }
    let Some(template) = fields.take("prompt") else {
        return Ok(Prompt::new().message(node.read("a message, a placeholder or a template")?));
    };
    let mut template = template.table()?;
    let format = format(template.take("template_format"))?;
    let content = template.need("template")?.template(format)?;
    let prompt = Prompt::written_in(format);
    let partials = partials(template.take("partial_variables"))?;
    let prompt = partials.into_iter().fold(prompt, |prompt, (name, value)| prompt.partial(name, value));
    let Some(role) = fields.take("type") else {
        return Ok(prompt.human(content));
    };
    template_role(role.text()?).map_err(|problem| role.error(problem))?;
    Ok(prompt.role(role.text()?, content))
}

/// Nothing is read from other files.
fn in_this_file(fields: &mut Fields<'_>, name: &str) -> Result<()> {
    match fields.take(&format!("{name}_path")) {
        Some(node) => Err(node.error(format!("no other file is read: write what is in it as {name:?}"))),
        None => Ok(()),
    }
}
