//! The plain forms: texts as they are, `[DONE]` at the end.

use std::borrow::Cow;

use memchr::memchr;
use millstream_core::Event;
use serde_json::json;
use smallvec::SmallVec;
use uuid::Uuid;

use super::DONE;
use super::said::{Listener, Said, failed, is_whole, place};
use crate::frames::{Frames, View};
use crate::position::Cursor;
use crate::sse;

/// The plain form over SSE: one event a token, its lines as `data:` lines.
///
/// What the form cannot carry is made harmless: a carriage return becomes a line feed, and a token with a line `[DONE]` is cut inside that
/// line, since the borders of tokens mean nothing. A run that does not complete ends with `event: error` and without `[DONE]`.
#[derive(Debug)]
pub struct PlainEvents {
    run: Uuid,
    lines: LineEnds,
    listener: Listener,
}

impl PlainEvents {
    /// The view of the run `run`.
    pub fn new(run: Uuid) -> Self {
        Self { run, lines: LineEnds::default(), listener: Listener::default() }
    }
}

/// One event of the plain form.
enum Plain<'a> {
    Text(Cow<'a, str>),
    Error(String),
}

impl View for PlainEvents {
    fn see(&mut self, seq: u64, event: &Event, frames: &mut Frames) {
        let mut plain: SmallVec<[Plain<'_>; 1]> = SmallVec::new();
        for said in self.listener.hear(event) {
            match said {
                Said::Token(text) => match self.lines.of(text) {
                    Cow::Borrowed(text) => plain.extend(around_markers(text).map(|piece| Plain::Text(piece.into()))),
                    Cow::Owned(text) => {
                        plain.extend(around_markers(&text).map(|piece| Plain::Text(piece.to_owned().into())))
                    }
                },
                Said::Done { reason, .. } if is_whole(reason) => plain.push(Plain::Text(DONE.into())),
                Said::Done { finished, .. } => plain.push(Plain::Error(error(&failed(finished)))),
                Said::Failed { .. } => plain.push(Plain::Error(error(&said))),
                _ => {}
            }
        }
        for (number, event) in plain.iter().enumerate() {
            let position = place(seq, number, plain.len());
            let id = Cursor { run: self.run, position };
            frames.push(position, |out| match event {
                Plain::Text(text) => sse::event(out, id, None, text),
                Plain::Error(data) => sse::event(out, id, Some("error"), data),
            });
        }
    }
}

fn error(said: &Said<'_>) -> String {
    match said {
        Said::Failed { code, message, retryable } => {
            json!({ "error": message, "code": code, "retryable": retryable }).to_string()
        }
        _ => String::new(),
    }
}

/// The plain form over WebSocket: one text message a token, then `[DONE]`. A failure has no frame in this form: the socket is closed.
#[derive(Debug, Default)]
pub struct PlainTexts {
    listener: Listener,
}

impl View for PlainTexts {
    fn see(&mut self, seq: u64, event: &Event, frames: &mut Frames) {
        let mut texts: SmallVec<[Cow<'_, str>; 2]> = SmallVec::new();
        for said in self.listener.hear(event) {
            match said {
                Said::Token(text) if text == DONE => texts.extend([DONE[..CUT].into(), DONE[CUT..].into()]),
                Said::Token(text) => texts.push(text),
                Said::Done { reason, .. } if is_whole(reason) => texts.push(DONE.into()),
                _ => {}
            }
        }
        for (number, text) in texts.iter().enumerate() {
            frames.push(place(seq, number, texts.len()), |out| out.text(text));
        }
    }
}

/// Where an end mark inside an answer is cut: `[DO`, `NE]`.
const CUT: usize = 3;

/// Turns CR and CRLF into LF, also where a CRLF lies across two tokens.
#[derive(Debug, Default)]
struct LineEnds {
    after_cr: bool,
}

impl LineEnds {
    fn of<'a>(&mut self, text: Cow<'a, str>) -> Cow<'a, str> {
        match text {
            Cow::Borrowed(text) => self.normalise(text),
            Cow::Owned(text) => Cow::Owned(self.normalise(&text).into_owned()),
        }
    }

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
fn around_markers(text: &str) -> impl Iterator<Item = &str> {
    let mut cuts: SmallVec<[usize; 2]> = SmallVec::new();
    let mut line_start = 0;
    for line in text.split('\n') {
        if line == DONE {
            cuts.push(line_start + CUT);
        }
        line_start += line.len() + 1;
    }
    cuts.push(text.len());
    let mut start = 0;
    let pieces = cuts.into_iter().map(move |end| &text[std::mem::replace(&mut start, end)..end]);
    pieces.filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_cut_wherever_it_is_a_whole_line() {
        let pieces = |text| around_markers(text).collect::<Vec<_>>();
        assert_eq!(pieces("[DONE]"), ["[DO", "NE]"]);
        assert_eq!(pieces("a\n[DONE]\n[DONE]b\n[DONE]"), ["a\n[DO", "NE]\n[DONE]b\n[DO", "NE]"]);
        assert_eq!(pieces(" [DONE]"), [" [DONE]"]);
        assert!(pieces("").is_empty());
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
