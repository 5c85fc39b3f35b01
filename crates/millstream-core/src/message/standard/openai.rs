//! Answers of OpenAI's chat completions.

use serde_json::{Value, json};

use super::Answer;

/// The blocks of an answer that is a text and calls.
pub(super) fn blocks(answer: &Answer<'_>, text: &str) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !text.is_empty() {
        blocks.push(json!({"type": "text", "text": text}));
    }
    blocks.extend(answer.pieces.map_or(answer.calls, Vec::as_slice).iter().cloned());
    if let Some(refusal) =
        answer.additional_kwargs.get("refusal").filter(|refusal| !refusal.is_null() && **refusal != "")
    {
        blocks.push(json!({"type": "refusal", "refusal": refusal}));
    }
    blocks
}
