//! Documents: texts with what is known of them.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Metadata;

/// A text with what is known of it: a file, or a passage of one.
///
/// Its JSON is LangChain's: `{"type": "Document", "page_content": "...", "metadata": {..}}`, with `id` if it has one.
///
/// ```
/// use millstream_core::Document;
///
/// let document = Document::new("Bears eat honey.").with_id("bears").with_metadata("source", "bears.md");
/// assert_eq!(document.source(), Some("bears.md"));
/// assert_eq!(serde_json::to_value(&document).unwrap()["type"], "Document");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub struct Document {
    /// What tells it from others: a document that is kept under the same id replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The text.
    pub page_content: String,
    /// What is known of it; `source` says where it is from.
    #[serde(default)]
    pub metadata: Metadata,
}

impl Document {
    /// A text of which nothing is known.
    pub fn new(page_content: impl Into<String>) -> Self {
        Self { page_content: page_content.into(), ..Self::default() }
    }

    /// The same document under an id.
    #[must_use]
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// The same document with something more that is known of it.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Where it is from: the metadata `source`, if that is a text.
    pub fn source(&self) -> Option<&str> {
        self.metadata.get("source")?.as_str()
    }
}

/// Documents as a text for a prompt: numbered from 1, each under its source, so that an answer can say `[2]`. Empty without documents.
///
/// ```
/// use millstream_core::{Document, format_documents};
///
/// let documents = [Document::new("Bears eat honey.").with_metadata("source", "bears.md"), Document::new("Cats sleep.")];
/// assert_eq!(format_documents(&documents), "[1] bears.md\nBears eat honey.\n\n[2]\nCats sleep.");
/// ```
pub fn format_documents(documents: &[Document]) -> String {
    let mut text = String::new();
    for (document, number) in documents.iter().zip(1..) {
        let between = if text.is_empty() { "" } else { "\n\n" };
        let source: Vec<&str> = document.source().unwrap_or_default().split_whitespace().collect();
        let space = if source.is_empty() { "" } else { " " };
        // A text takes whatever is written to it.
        let _ = write!(text, "{between}[{number}]{space}{}\n{}", source.join(" "), document.page_content.trim());
    }
    text
}
