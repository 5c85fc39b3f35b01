//! Parsers: from a model's answer to something a program wants, as it comes.
//!
//! Most read the text that an answer shows and are a [`TextParser`]: a step from a [`Message`](crate::Message), or with
//! [`on_text`](TextParser::on_text) from a text. [`ToolCalls`] and [`CallDrafts`] read the answer
//! itself.

mod any_json;
mod call_drafts;
mod comma_list;
mod list;
mod markdown_list;
mod numbered_list;
mod once;
mod open_call;
mod partial;
mod text;
mod text_inside;
mod text_parser;
mod tool_calls;
mod typed;
mod xml;

pub use any_json::AnyJson;
pub use call_drafts::{CallDraft, CallDrafts, Calls, CallsFold};
pub use comma_list::CommaList;
pub use markdown_list::MarkdownList;
pub use numbered_list::NumberedList;
pub use partial::{Partial, Valid, ValidFold};
pub use text::Text;
pub use text_inside::TextInside;
pub use text_parser::{OnText, Reading, TextParser};
pub use tool_calls::ToolCalls;
pub use typed::Typed;
pub use xml::{Xml, XmlElement, XmlFold, XmlLeaf};

use crate::error::{Error, ErrorKind};

/// How much of an answer an error shows.
const SHOWN: usize = 200;

/// An answer that is not what was asked for, under LangChain's name.
fn unfit(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOutput, what.to_string()).with_name("OutputParserException")
}

/// The begin of `text`, for an error.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
