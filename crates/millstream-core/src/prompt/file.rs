//! Prompts from files: text that somebody else has read.

use std::path::Path;

use super::{Prompt, TextPrompt};
use crate::error::{Error, ErrorKind, Result};

mod form;
mod langchain;
mod located;
mod node;

use node::Node;

/// What a prompt's file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// TOML, in which long texts are easy to write.
    Toml,
    /// JSON.
    Json,
}

impl FileFormat {
    /// The format that a file's name tells.
    ///
    /// # Errors
    /// `invalid_input` unless it ends with `.toml` or `.json`.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Ok(Self::Toml),
            Some("json") => Ok(Self::Json),
            _ => {
                let message = format!("{} is not the name of a prompt's file: use .toml or .json", path.display());
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}

/// What a file can hold.
enum Read {
    Text(TextPrompt),
    Messages(Prompt),
}

impl Prompt {
    /// Reads a prompt from the text of a file: `format`, `messages` and `partial`, or `text` instead of messages, which becomes a message of
    /// the person. The JSON forms that LangChain saves (`"_type": "prompt"`, `"few_shot"`, `"chat"`) are read too.
    ///
    /// ```
    /// use millstream_core::{FileFormat, Prompt, vars};
    ///
    /// let prompt = Prompt::parse(
    ///     r#"
    ///     messages = [
    ///         { role = "system", content = "You are {kind}." },
    ///         { placeholder = "history", optional = true, last = 20 },
    ///         { role = "human", content = "{question}" },
    ///     ]
    ///     partial = { kind = "brief" }
    ///     "#,
    ///     FileFormat::Toml,
    /// )?;
    /// assert_eq!(prompt.input_variables(), ["question"]);
    /// assert_eq!(prompt.format(&vars! { question: "Why?" })?[0].text(), "You are brief.");
    ///
    /// let error = Prompt::parse("messages = [\n  { role = 'robot', content = 'Beep' },\n]", FileFormat::Toml).unwrap_err();
    /// assert!(error.to_string().starts_with("line 2, messages[0].role: there are no templates of the role \"robot\""));
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `bad_template`; it says line and key.
    pub fn parse(text: &str, format: FileFormat) -> Result<Self> {
        Ok(match read(text, format)? {
            Read::Text(prompt) => Self::from(prompt),
            Read::Messages(prompt) => prompt,
        })
    }
}

impl TextPrompt {
    /// Reads a prompt that is one text from the text of a file, as [`Prompt::parse`] does.
    ///
    /// ```
    /// use millstream_core::{FileFormat, TextPrompt, vars};
    ///
    /// let saved = r#"{ "_type": "prompt", "input_variables": ["topic"], "template": "About {topic}." }"#;
    /// let prompt = TextPrompt::parse(saved, FileFormat::Json)?;
    /// assert_eq!(prompt.format(&vars! { topic: "bears" })?, "About bears.");
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `bad_template`; it says line and key. A prompt of messages is one too.
    pub fn parse(text: &str, format: FileFormat) -> Result<Self> {
        match read(text, format)? {
            Read::Text(prompt) => Ok(prompt),
            Read::Messages(_) => Err(Error::new(
                ErrorKind::BadTemplate,
                "this prompt is a list of messages, not one text: use Prompt::parse",
            )),
        }
    }
}

fn read(text: &str, format: FileFormat) -> Result<Read> {
    let located = match format {
        FileFormat::Toml => located::toml(text)?,
        FileFormat::Json => located::json(text)?,
    };
    let root = Node::root(&located);
    let fields = root.table()?;
    if fields.has("_type") || fields.has("template") { langchain::read(fields) } else { form::read(fields) }
}
