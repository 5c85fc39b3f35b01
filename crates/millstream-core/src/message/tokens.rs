//! How much a conversation is: messages, words, and roughly how many tokens.

use serde_json::{Value, json};

use super::openai::role_of;
use super::python::{repr, repr_of_calls};
use super::spaced::spaced_ascii;
use super::{ChunkContent, Message, Role};
use crate::model::ToolSpec;
use crate::usage::UsageSource;

/// How [`count_tokens`] counts.
///
/// The default is LangChain's: four characters a token, three tokens more for each message, 85 for an image.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenEstimate {
    /// How many characters of a text are a token.
    pub characters_per_token: f64,
    /// What each message costs beside its text.
    pub tokens_per_message: f64,
    /// What an image costs, however large it is.
    pub tokens_per_image: u64,
    /// Whether names are counted.
    pub count_names: bool,
    /// Scales the estimate by the usage that the last answer with one tells, where all answers have the same `model_provider`: up to a
    /// quarter more.
    pub scale_by_usage: bool,
    /// Tools that the model is told of.
    pub tools: Vec<ToolSpec>,
}

impl Default for TokenEstimate {
    fn default() -> Self {
        Self {
            characters_per_token: 4.0,
            tokens_per_message: 3.0,
            tokens_per_image: 85,
            count_names: true,
            scale_by_usage: false,
            tools: Vec::new(),
        }
    }
}

/// The number of messages.
pub fn count_messages(messages: &[Message]) -> u64 {
    messages.len() as u64
}

/// The number of words in the texts of messages.
pub fn count_words(messages: &[Message]) -> u64 {
    messages.iter().map(|message| message.text().split_whitespace().count() as u64).sum()
}

/// Roughly how many tokens messages are: LangChain's `count_tokens_approximately`, to the token. It is fast, and right for no model.
///
/// ```
/// use millstream_core::{Message, TokenEstimate, Trim, count_tokens, trim_messages};
///
/// let messages = [Message::human("Why do streams flow?"), Message::ai("Because of the slope.")];
/// assert_eq!(count_tokens(&messages, &TokenEstimate::default()), 20);
///
/// let trim = Trim { max_tokens: 12, ..Trim::default() };
/// let kept = trim_messages(&messages, &trim, |messages| count_tokens(messages, &TokenEstimate::default()))?;
/// assert_eq!(kept, messages[1..]);
/// # Ok::<(), millstream_core::Error>(())
/// ```
pub fn count_tokens(messages: &[Message], estimate: &TokenEstimate) -> u64 {
    let of_characters = |characters: usize| (characters as f64 / estimate.characters_per_token).ceil();
    let mut tokens = 0.0;
    if !estimate.tools.is_empty() {
        let told = |tool: &ToolSpec| {
            let told = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
            spaced_ascii(&told).len()
        };
        tokens += of_characters(estimate.tools.iter().map(told).sum());
    }
    let mut scale = Scale::default();
    for message in messages {
        let (characters, images) = size_of(message, estimate.count_names);
        tokens += images as f64 * estimate.tokens_per_image as f64;
        tokens += of_characters(characters) + estimate.tokens_per_message;
        scale.see(message, tokens);
    }
    if estimate.scale_by_usage && messages.len() > 1 {
        tokens *= scale.factor();
    }
    tokens.ceil() as u64
}

/// The characters of a message, and its images.
fn size_of(message: &Message, with_name: bool) -> (usize, u64) {
    let length = |text: &str| text.chars().count();
    let (mut characters, mut images) = (length(&role_of(message)), 0);
    match message.given() {
        ChunkContent::Text(text) => {
            characters += length(&text);
            // In a list a provider has its calls among its blocks.
            if message.role == Role::Ai && message.tool_calls().next().is_some() {
                characters += length(&repr_of_calls(message.tool_calls()));
            }
        }
        ChunkContent::List(items) => {
            for item in items {
                match (&item, item.get("type").and_then(Value::as_str)) {
                    (Value::String(text), _) => characters += length(text),
                    (_, Some("image" | "image_url")) => images += 1,
                    (_, Some("text")) => characters += item["text"].as_str().map_or(0, length),
                    _ => characters += length(&repr(&item)),
                }
            }
        }
    }
    if message.role == Role::Tool {
        characters += message.tool_call_id.as_deref().map_or(0, length);
    }
    if with_name {
        characters += message.name.as_deref().map_or(0, length);
    }
    (characters, images)
}

/// How much an estimate was too low, told by the answers that know.
#[derive(Default)]
struct Scale<'a> {
    provider: Option<&'a Value>,
    mixed: bool,
    /// What the last answer says, and what was estimated up to there.
    known: Option<(f64, f64)>,
}

impl<'a> Scale<'a> {
    fn see(&mut self, message: &'a Message, estimated: f64) {
        if message.role != Role::Ai {
            return;
        }
        let provider = message.response_metadata.get("model_provider").filter(|provider| !provider.is_null());
        if self.provider.is_none() {
            self.provider = provider;
        } else {
            self.mixed |= self.provider != provider;
        }
        if let Some(usage) = message.usage.as_ref().filter(|usage| usage.source == UsageSource::Provider) {
            self.known = Some((usage.total_tokens as f64, estimated));
        }
    }

    fn factor(&self) -> f64 {
        match self.known {
            Some((told, estimated)) if self.provider.is_some() && !self.mixed && estimated > 0.0 => {
                (told / estimated).clamp(1.0, 1.25)
            }
            _ => 1.0,
        }
    }
}
