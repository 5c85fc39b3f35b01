//! The chunks of a streamed chat completion, as OpenAI and its many likenesses write them: typed, borrowed from the frame, every field
//! optional. Where providers differ in the type of a field, it stays [`Raw`] until somebody asks for a text or a number.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A field of any type; `null` is as good as absent.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// A chunk, or a whole completion.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    pub(super) usage: Raw<'a>,
    #[serde(borrow)]
    pub(super) error: Raw<'a>,
    /// Groq puts its usage here.
    #[serde(borrow)]
    pub(super) x_groq: Option<Groq<'a>>,
    /// Beside no choices: an error whose fields stand here instead of in an object (vLLM, Mistral).
    #[serde(borrow)]
    pub(super) message: Raw<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Groq<'a> {
    #[serde(borrow)]
    pub(super) usage: Raw<'a>,
    #[serde(borrow)]
    pub(super) error: Raw<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    #[serde(borrow)]
    pub(super) index: Raw<'a>,
    #[serde(borrow)]
    pub(super) delta: Option<Delta<'a>>,
    /// Where the answer is whole.
    #[serde(borrow)]
    pub(super) message: Option<Delta<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Raw<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    /// A text, or (Mistral) a list of blocks.
    #[serde(borrow)]
    pub(super) content: Raw<'a>,
    #[serde(borrow)]
    pub(super) refusal: Raw<'a>,
    /// DeepSeek, llama.cpp, SGLang.
    #[serde(borrow)]
    pub(super) reasoning_content: Raw<'a>,
    /// vLLM, OpenRouter, Groq, Ollama.
    #[serde(borrow)]
    pub(super) reasoning: Raw<'a>,
    #[serde(borrow)]
    pub(super) thinking: Raw<'a>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<ToolCall<'a>>>,
}

impl<'a> Delta<'a> {
    /// The reasoning: servers that know several names for it say the same under each.
    pub(super) fn reasoning(&self) -> Cow<'a, str> {
        let names = [self.reasoning_content, self.reasoning, self.thinking];
        names.into_iter().map(text).find(|text| !text.is_empty()).unwrap_or_default()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolCall<'a> {
    #[serde(borrow)]
    pub(super) index: Raw<'a>,
    #[serde(borrow)]
    pub(super) id: Raw<'a>,
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Raw<'a>,
    /// A text with JSON in it, or (against the specification) the JSON itself.
    #[serde(borrow)]
    pub(super) arguments: Raw<'a>,
}

/// What was counted; some providers count in every chunk.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage<'a> {
    #[serde(borrow)]
    pub(super) prompt_tokens: Raw<'a>,
    #[serde(borrow)]
    pub(super) completion_tokens: Raw<'a>,
    #[serde(borrow)]
    pub(super) total_tokens: Raw<'a>,
    /// DeepSeek's name for the cached tokens.
    #[serde(borrow)]
    pub(super) prompt_cache_hit_tokens: Raw<'a>,
    #[serde(borrow)]
    pub(super) prompt_tokens_details: Option<Details<'a>>,
    #[serde(borrow)]
    pub(super) completion_tokens_details: Option<Details<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Details<'a> {
    #[serde(borrow)]
    pub(super) cached_tokens: Raw<'a>,
    #[serde(borrow)]
    pub(super) reasoning_tokens: Raw<'a>,
}

/// One block of a content that is a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Raw<'a>,
    #[serde(borrow)]
    pub(super) text: Raw<'a>,
    /// A list of text blocks in its turn, or a text.
    #[serde(borrow)]
    pub(super) thinking: Raw<'a>,
}

/// The text in the field; empty if it is something else.
pub(super) fn text(raw: Raw<'_>) -> Cow<'_, str> {
    /// Serde borrows a text without escapes only when told so.
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    let raw = raw.map(RawValue::get).unwrap_or_default();
    if !raw.starts_with('"') {
        return Cow::Borrowed("");
    }
    serde_json::from_str::<Text<'_>>(raw).map_or(Cow::Borrowed(""), |text| text.0)
}

/// The natural number in the field, be it written as a text.
pub(super) fn number(raw: Raw<'_>) -> Option<u64> {
    raw?.get().trim_matches('"').parse().ok()
}

/// The fragment of a tool call's arguments: the text, or the JSON as it stands.
pub(super) fn arguments(raw: Raw<'_>) -> Cow<'_, str> {
    match raw.map(RawValue::get) {
        Some(json) if !json.starts_with('"') => Cow::Borrowed(json),
        _ => text(raw),
    }
}

/// Calls back with each text of a content, and whether it is reasoning.
pub(super) fn each_text(content: Raw<'_>, reasoning: bool, say: &mut impl FnMut(&str, bool)) {
    let json = content.map(RawValue::get).unwrap_or_default();
    if !json.starts_with('[') {
        return say(&text(content), reasoning);
    }
    // A list of something else than blocks says nothing that could be shown.
    for piece in serde_json::from_str::<Vec<Piece<'_>>>(json).unwrap_or_default() {
        let reasoning = reasoning || text(piece.kind) == "thinking";
        say(&text(piece.text), reasoning);
        if piece.thinking.is_some() {
            each_text(piece.thinking, true, say);
        }
    }
}
