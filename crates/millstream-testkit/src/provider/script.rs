use std::time::Duration;

use serde_json::{Value, json};

use super::Answer;
use super::plan::{Action, Fault, Framing};

/// What one request is answered with: a head, a body in pieces, and the faults on the way.
///
/// Offsets count the bytes of the body, without the framing around it; a fault at an offset happens
/// when exactly so many bytes of the body are written. The faults of one script happen in the order
/// of their offsets.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) endless: bool,
    pub(super) faults: Vec<(usize, Fault)>,
    pub(super) before_head: Vec<Action>,
    pub(super) before_body: Vec<Action>,
    pub(super) raw: bool,
    pub(super) gated: bool,
    pub(super) pace: Option<Duration>,
    pub(super) drip: Option<usize>,
}

impl Script {
    /// A 200 with a streamed answer of these tokens, complete with finish reason and `[DONE]`.
    pub fn answer<Token: AsRef<str>>(tokens: impl IntoIterator<Item = Token>) -> Self {
        Answer::new().text(tokens).into()
    }

    /// A 200 that says this token for ever: for tests in which somebody leaves.
    ///
    /// Without [`pace`](Self::pace) it writes as fast as the client reads.
    pub fn endless(token: &str) -> Self {
        let start = Answer::new().events().swap_remove(0);
        let repeated = Answer::new().text([token]).events().swap_remove(1);
        Self { endless: true, ..Self::events([start, repeated]) }
    }

    /// A 200 with these server-sent events, each in a piece of its own.
    pub fn events<Event: Into<Vec<u8>>>(events: impl IntoIterator<Item = Event>) -> Self {
        let events = events.into_iter().map(Into::into).collect();
        Self::new(200, events).header("content-type", "text/event-stream; charset=utf-8")
    }

    /// A status with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        let script = Self::new(status, vec![body.to_string().into_bytes()]);
        script.with_length().header("content-type", "application/json")
    }

    /// A status with an error object as OpenAI writes it.
    pub fn error(status: u16, message: &str) -> Self {
        let (kind, code) = match status {
            401 => ("invalid_request_error", Some("invalid_api_key")),
            404 => ("invalid_request_error", Some("model_not_found")),
            429 => ("rate_limit_error", Some("rate_limit_exceeded")),
            400..500 => ("invalid_request_error", None),
            _ => ("server_error", None),
        };
        let error = json!({"message": message, "type": kind, "param": null, "code": code});
        Self::json(status, &json!({"error": error}))
    }

    /// These bytes instead of HTTP, then the end of the connection.
    pub fn garbage(bytes: impl Into<Vec<u8>>) -> Self {
        Self { raw: true, ..Self::new(0, vec![bytes.into()]).until_close() }
    }

    /// Reads the request and never says anything, not even a status, until released.
    pub fn silence() -> Self {
        Self::answer(["..."]).stall_before_head()
    }

    fn new(status: u16, pieces: Vec<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            framing: Framing::Chunked,
            pieces,
            endless: false,
            faults: Vec::new(),
            before_head: Vec::new(),
            before_body: Vec::new(),
            raw: false,
            gated: false,
            pace: None,
            drip: None,
        }
    }

    /// Another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// One more header; a header of the same name is replaced.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Content-Length` instead of chunks.
    #[must_use]
    pub fn with_length(mut self) -> Self {
        self.framing = Framing::Length;
        self
    }

    /// No framing: the body ends where the connection ends, so that a cut looks like an end.
    #[must_use]
    pub fn until_close(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self
    }

    /// After so many bytes: the end of the connection, without the last chunk.
    #[must_use]
    pub fn cut_at(self, offset: usize) -> Self {
        self.fault(offset, Fault::Stop(Action::Close))
    }

    /// After so many bytes: a reset of the connection.
    #[must_use]
    pub fn reset_at(self, offset: usize) -> Self {
        self.fault(offset, Fault::Stop(Action::Reset))
    }

    /// After so many bytes: nothing more until [`Exchange::release`](super::Exchange::release).
    #[must_use]
    pub fn stall_at(self, offset: usize) -> Self {
        self.fault(offset, Fault::Wait(Action::Stall))
    }

    /// After so many bytes: a pause.
    #[must_use]
    pub fn pause_at(self, offset: usize, pause: Duration) -> Self {
        self.fault(offset, Fault::Wait(Action::Pause(pause)))
    }

    /// After so many bytes: these bytes, outside of the framing, then the rest.
    #[must_use]
    pub fn garbage_at(self, offset: usize, bytes: impl Into<Vec<u8>>) -> Self {
        self.fault(offset, Fault::Insert(bytes.into()))
    }

    /// A well-framed body of only so many bytes: the truncation that HTTP does not show.
    #[must_use]
    pub fn end_at(mut self, offset: usize) -> Self {
        let mut left = offset;
        for piece in &mut self.pieces {
            piece.truncate(left);
            left -= piece.len();
        }
        self.pieces.retain(|piece| !piece.is_empty());
        self
    }

    /// A new write at each of these offsets, be it inside a character.
    #[must_use]
    pub fn split_at(self, offsets: impl IntoIterator<Item = usize>) -> Self {
        offsets.into_iter().fold(self, |script, offset| script.fault(offset, Fault::Insert(Vec::new())))
    }

    /// So many bytes at a time, each in a write of its own, framing included.
    #[must_use]
    pub fn drip(mut self, bytes: usize) -> Self {
        self.drip = Some(bytes.max(1));
        self
    }

    /// A pause between two pieces.
    #[must_use]
    pub fn pace(mut self, pause: Duration) -> Self {
        self.pace = Some(pause);
        self
    }

    /// A stall before each piece: the test releases token by token.
    #[must_use]
    pub fn gated(mut self) -> Self {
        self.gated = true;
        self
    }

    /// A pause before the status line.
    #[must_use]
    pub fn delay_head(mut self, pause: Duration) -> Self {
        self.before_head.push(Action::Pause(pause));
        self
    }

    /// A stall before the status line.
    #[must_use]
    pub fn stall_before_head(mut self) -> Self {
        self.before_head.push(Action::Stall);
        self
    }

    /// A pause between the headers and the first byte of the body.
    #[must_use]
    pub fn delay_body(mut self, pause: Duration) -> Self {
        self.before_body.push(Action::Pause(pause));
        self
    }

    /// A stall between the headers and the first byte of the body.
    #[must_use]
    pub fn stall_before_body(mut self) -> Self {
        self.before_body.push(Action::Stall);
        self
    }

    /// The whole body, without its framing.
    pub fn body(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    fn fault(mut self, offset: usize, fault: Fault) -> Self {
        self.faults.push((offset, fault));
        self
    }
}

impl From<Answer> for Script {
    fn from(answer: Answer) -> Self {
        Self::events(answer.events())
    }
}
