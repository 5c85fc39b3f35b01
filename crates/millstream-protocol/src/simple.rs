//! The simple protocol: a question goes in, tokens come out. Its plain forms are those of the first samples of LangChain's users
//! (`data: token`, then `data: [DONE]`), made lossless; its JSON forms carry everything.
//!
//! | form | token | end | failure |
//! |---|---|---|---|
//! | SSE, plain | `data: token` | `data: [DONE]` | `event: error` |
//! | SSE, `?format=json` | `{"token"}` | `{"done":true,"reason"}` | `{"error","code","retryable"}` |
//! | WebSocket, plain | the token | `[DONE]` | close 1011 |
//! | WebSocket, `chat.v1.json` | `{"type":"token","text"}` | `{"type":"done","reason"}` | `{"type":"error","code","message"}` |

use std::sync::Arc;

use millstream_core::{Body, Event, Finish, Finished, Outcome, Part};

mod json;
mod plain;
mod question;
mod socket;
mod tools;

pub use json::JsonEvents;
pub use plain::{PlainEvents, PlainTexts};
pub use question::{Question, QuestionError};
pub use socket::{Ask, ClientFrame, JsonFrames, bad_frame, close_object};

/// The WebSocket subprotocol of the JSON form.
pub const SUBPROTOCOL: &str = "chat.v1.json";

/// What ends a complete answer in the plain forms.
pub const DONE: &str = "[DONE]";

/// What an event means to a reader of the simple protocol.
enum Said<'a> {
    Token(&'a Arc<str>),
    Reasoning(&'a Arc<str>),
    Part(&'a Part),
    Over(&'a Finished),
    Nothing,
}

fn said(event: &Event) -> Said<'_> {
    match &event.body {
        Body::Message { part } => match part {
            Part::Delta { delta: millstream_core::Delta::Text(text), .. } => Said::Token(text),
            Part::Delta { delta: millstream_core::Delta::Reasoning(text), .. } => Said::Reasoning(text),
            other => Said::Part(other),
        },
        Body::Finished(finished) => Said::Over(finished),
        _ => Said::Nothing,
    }
}

/// How an answer ended, in the words of the protocol; `None` for a failure.
fn reason(finished: &Finished, last: Option<Finish>) -> Option<&'static str> {
    match (finished.outcome, last) {
        (Outcome::Cancelled, _) => Some("stopped"),
        (Outcome::Completed, Some(Finish::Length)) => Some("length"),
        (Outcome::Completed, Some(Finish::ContentFilter)) => Some("content_filter"),
        (Outcome::Completed, Some(Finish::ToolCalls)) => Some("tool_calls"),
        (Outcome::Completed, _) => Some("stop"),
        (Outcome::Failed | Outcome::Truncated | Outcome::Interrupted, _) => None,
    }
}

/// The error of a run that did not end well: always there when [`reason`] is not.
fn failure(finished: &Finished) -> (&str, &str, bool) {
    match &finished.error {
        Some(error) => (&error.code, &error.message, error.retryable),
        None => ("interrupted", "The run waits for a person.", false),
    }
}
