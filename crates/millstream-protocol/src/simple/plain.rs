//! The plain forms: texts as they are, `[DONE]` at the end.

use std::borrow::Cow;

use memchr::memchr;
use millstream_core::Event;
use serde_json::json;
use uuid::Uuid;

use super::tools::ToolCalls;
use super::{DONE, Said, failure, reason, said};
use crate::frames::{Frames, View};
use crate::position::{Cursor, Position};
use crate::sse;

/// The plain form over SSE: one event a token, its lines as `data:` lines.
///
/// What the form cannot carry is made harmless: a carriage return becomes a line feed, and a token with a line `[DONE]` is cut inside that
/// line, since the borders of tokens mean nothing. A run that does not complete ends with `event: error` and without `[DONE]`.
#[derive(Debug)]
pub struct PlainEvents {
    run: Uuid,
    lines: LineEnds,
    calls: ToolCalls,
}

impl PlainEvents {
    /// The view of the run `run`.
    pub fn new(run: Uuid) -> Self {
        Self { run, lines: LineEnds::default(), calls: ToolCalls::default() }
    }

    fn id(&self, position: Position) -> Cursor {
        Cursor { run: self.run, position }
    }
}

impl View for PlainEvents {
    fn see(&mut self, seq: u64, event: &Event, frames: &mut Frames) {
        match said(event) {
            Said::Token(text) => {
                let text = self.lines.normalise(text);
                let pieces = around_markers(&text);
                for (number, piece) in pieces.iter().enumerate() {
                    let position = place(seq, number, pieces.len());
                    frames.push(position, |out| sse::event(out, self.id(position), None, piece));
                }
            }
            Said::Part(part) => {
                self.calls.see(event, part);
            }
            Said::Over(finished) => {
                let position = Position::after(seq);
                let id = self.id(position);
                match reason(finished, self.calls.last_finish) {
                    Some(reason) if reason != "stopped" => frames.push(position, |out| sse::event(out, id, None, DONE)),
                    _ => {
                        let (code, message, retryable) = failure(finished);
                        let data = json!({ "error": message, "code": code, "retryable": retryable }).to_string();
                        frames.push(position, |out| sse::event(out, id, Some("error"), &data));
                    }
                }
            }
            Said::Reasoning(_) | Said::Nothing => {}
        }
    }
}

/// The plain form over WebSocket: one text message a token, then `[DONE]`. A failure has no frame in this form: the socket is closed.
#[derive(Debug, Default)]
pub struct PlainTexts {
    calls: ToolCalls,
}

impl View for PlainTexts {
    fn see(&mut self, seq: u64, event: &Event, frames: &mut Frames) {
        match said(event) {
            Said::Token(text) if &**text == DONE => {
                let (first, second) = DONE.split_at(3);
                frames.push(Position::within(seq, 1), |out| out.text(first));
                frames.push(Position::after(seq), |out| out.text(second));
            }
            Said::Token(text) => frames.push(Position::after(seq), |out| out.text(text)),
            Said::Part(part) => {
                self.calls.see(event, part);
            }
            Said::Over(finished) => {
                if reason(finished, self.calls.last_finish).is_some_and(|reason| reason != "stopped") {
                    frames.push(Position::after(seq), |out| out.text(DONE));
                }
            }
            Said::Reasoning(_) | Said::Nothing => {}
        }
    }
}

fn place(seq: u64, number: usize, count: usize) -> Position {
    match u32::try_from(number + 1) {
        Ok(frame) if number + 1 < count => Position::within(seq, frame),
        _ => Position::after(seq),
    }
}

/// Turns CR and CRLF into LF, also where a CRLF lies across two tokens.
#[derive(Debug, Default)]
struct LineEnds {
    after_cr: bool,
}

impl LineEnds {
    fn normalise<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        let text = if self.after_cr { text.strip_prefix('\n').unwrap_or(text) } else { text };
        self.after_cr = text.ends_with('\r');
        match memchr(b'\r', text.as_bytes()) {
            None => Cow::Borrowed(text),
            Some(_) => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        }
    }
}

/// Cuts `text` inside each line that is the end mark. Most texts are one piece; an empty text is none.
fn around_markers(text: &str) -> Vec<&str> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut pieces = Vec::with_capacity(1);
    let (mut piece_start, mut line_start) = (0, 0);
    for line in text.split('\n') {
        if line == DONE {
            let cut = line_start + 3;
            pieces.push(&text[piece_start..cut]);
            piece_start = cut;
        }
        line_start += line.len() + 1;
    }
    pieces.push(&text[piece_start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_cut_wherever_it_is_a_whole_line() {
        assert_eq!(around_markers("[DONE]"), ["[DO", "NE]"]);
        assert_eq!(around_markers("a\n[DONE]\n[DONE]b\n[DONE]"), ["a\n[DO", "NE]\n[DONE]b\n[DO", "NE]"]);
        assert_eq!(around_markers(" [DONE]"), [" [DONE]"]);
        assert!(around_markers("").is_empty());
    }

    #[test]
    fn line_ends_are_the_same_however_the_tokens_are_cut() {
        let text = "a\r\nb\rc\n\r\n\r";
        let whole = text.replace("\r\n", "\n").replace('\r', "\n");
        for cut in 0..=text.len() {
            let mut lines = LineEnds::default();
            let (left, right) = text.split_at(cut);
            let joined = lines.normalise(left).into_owned() + &lines.normalise(right);
            assert_eq!(joined, whole, "cut at {cut}");
        }
    }
}
