//! The JSON form over SSE.

use millstream_core::{Event, ToolCall, Usage};
use serde::Serialize;
use uuid::Uuid;

use super::said::{Listener, Said, place};
use crate::frames::{Frames, View};
use crate::position::Cursor;
use crate::sse;

/// The JSON form over SSE (`?format=json`): any text survives, and how the answer ended is said.
#[derive(Debug)]
pub struct JsonEvents {
    run: Uuid,
    listener: Listener,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Data<'a> {
    Token(&'a str),
    Reasoning(&'a str),
    ToolCall(Call<'a>),
    #[serde(untagged)]
    Done {
        done: bool,
        reason: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<&'a Usage>,
    },
    #[serde(untagged)]
    Error {
        error: &'a str,
        code: &'a str,
        retryable: bool,
    },
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    tool: &'a str,
    args: &'a serde_json::Value,
}

impl<'a> From<&'a ToolCall> for Call<'a> {
    fn from(call: &'a ToolCall) -> Self {
        Self { id: &call.id, tool: &call.name, args: &call.args }
    }
}

impl JsonEvents {
    /// The view of the run `run`.
    pub fn new(run: Uuid) -> Self {
        Self { run, listener: Listener::default() }
    }
}

impl View for JsonEvents {
    fn see(&mut self, seq: u64, event: &Event, frames: &mut Frames) {
        let heard = self.listener.hear(event);
        for (number, said) in heard.iter().enumerate() {
            let position = place(seq, number, heard.len());
            let data = match said {
                Said::Token(text) => Data::Token(text),
                Said::Reasoning(text) => Data::Reasoning(text),
                Said::Call(call) => Data::ToolCall(Call::from(call)),
                Said::Done { reason, finished } => Data::Done { done: true, reason, usage: finished.usage.as_ref() },
                Said::Failed { code, message, retryable } => {
                    Data::Error { error: message, code, retryable: *retryable }
                }
            };
            frames.push(position, |out| sse::json_event(out, Cursor { run: self.run, position }, &data));
        }
    }
}
