//! Reads JSON in pieces.

use std::sync::PoisonError;

use serde_json::Value;

use super::build;
use super::scan::{Scan, Token};
use super::view::{Growing, JsonView};

/// Reads JSON that comes in pieces, cut anywhere: the arguments of a tool call, an answer.
///
/// Each byte is read once, so that a text of n bytes costs O(n) in however many pieces it comes. A field that was shown once is in all later views.
///
/// ```
/// use millstream_core::JsonReader;
///
/// let mut reader = JsonReader::default();
/// assert!(reader.push(r#"{"cit"#), "there is an object");
/// assert!(!reader.push(r#"y": "#), "a key alone is nothing to show");
/// assert!(reader.push(r#""Par"#));
/// assert_eq!(reader.view().unwrap()["city"], "Par");
/// assert!(reader.push(r#"is"}"#));
/// assert!(reader.is_complete());
/// assert_eq!(reader.view().unwrap()["city"], "Paris");
/// ```
#[derive(Debug, Default)]
pub struct JsonReader {
    scan: Scan,
    text: Growing,
    length: usize,
    shows: bool,
}

impl JsonReader {
    /// Reads on, and says whether there is more to see than before.
    ///
    /// What comes behind the end of the JSON, or behind a mistake in it, is not read.
    pub fn push(&mut self, piece: &str) -> bool {
        self.read(piece).shows_more
    }

    pub(super) fn read(&mut self, piece: &str) -> Read {
        let mut shows_more = false;
        let used = self.scan.read(piece, &mut |token| shows_more |= shows(token));
        self.text.write().unwrap_or_else(PoisonError::into_inner).push_str(&piece[..used]);
        self.length += used;
        self.shows |= shows_more;
        Read { used, shows_more }
    }

    /// What is there so far; `None` if nothing can be shown yet.
    pub fn view(&self) -> Option<JsonView> {
        self.shows.then(|| JsonView::new(self.text.clone(), self.length))
    }

    /// Whether the JSON is there in full.
    pub fn is_complete(&self) -> bool {
        self.scan.is_complete()
    }

    /// What is wrong, and where: the text is no JSON, whatever comes.
    pub fn mistake(&self) -> Option<String> {
        self.scan.mistake().map(|expected| format!("at byte {} there should be {expected}", self.scan.position()))
    }

    pub(super) fn scan(&self) -> &Scan {
        &self.scan
    }
}

/// What reading a piece did.
pub(super) struct Read {
    /// How many of its bytes belong to the JSON.
    pub(super) used: usize,
    pub(super) shows_more: bool,
}

fn shows(token: Token<'_>) -> bool {
    match token {
        Token::Open(_) | Token::TextStart | Token::Text(_) | Token::Literal(_) => true,
        Token::Number { shows, .. } => shows,
        Token::Close | Token::Key(_) | Token::KeyEnd | Token::TextEnd | Token::NumberEnd => false,
    }
}

/// What JSON that may have been cut shows; `None` if it is no JSON.
pub(crate) fn partial(text: &str) -> Option<Value> {
    let mut scan = Scan::default();
    let used = scan.read(text, &mut |_| {});
    // A bracket that closes nothing is a mistake, where other text behind the JSON is none.
    let is_wrong = scan.mistake().is_some() || text[used..].trim_start().starts_with(['}', ']']);
    if is_wrong { None } else { build::value(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cut_arguments_are_read_as_far_as_they_go() {
        assert_eq!(partial(r#"{"a": 1, "b": "x"#), Some(json!({"a": 1, "b": "x"})));
        assert_eq!(partial(r#"{"cit"#), Some(json!({})));
        assert_eq!(partial(r#"{"a": 1} and more"#), Some(json!({"a": 1})));
        for no_json in ["3}", "{} ]", "not json", r#"y": ""#, r#"{"a": 1, b: 2}"#, ""] {
            assert_eq!(partial(no_json), None, "{no_json}");
        }
    }
}
