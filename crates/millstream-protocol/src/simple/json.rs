//! The JSON form over SSE.

use millstream_core::{Event, ToolCall, Usage};
use serde::Serialize;
use uuid::Uuid;

use super::tools::ToolCalls;
use super::{Said, failure, reason, said};
use crate::frames::{Frames, View};
use crate::position::{Cursor, Position};
use crate::sse;

/// The JSON form over SSE (`?format=json`): any text survives, and how the answer ended is said.
#[derive(Debug)]
pub struct JsonEvents {
    run: Uuid,
    calls: ToolCalls,
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
        Self { run, calls: ToolCalls::default() }
    }
}

impl View for JsonEvents {
    fn see(&mut self, seq: u64, event: &Event, frames: &mut Frames) {
        let position = Position::after(seq);
        let id = Cursor { run: self.run, position };
        let mut send = |data: Data<'_>| frames.push(position, |out| sse::json_event(out, id, &data));
        match said(event) {
            Said::Token(text) => send(Data::Token(text)),
            Said::Reasoning(text) => send(Data::Reasoning(text)),
            Said::Part(part) => {
                if let Some(call) = self.calls.see(event, part) {
                    send(Data::ToolCall(Call::from(&call)));
                }
            }
            Said::Over(finished) => match reason(finished, self.calls.last_finish) {
                Some(reason) => send(Data::Done { done: true, reason, usage: finished.usage.as_ref() }),
                None => {
                    let (code, error, retryable) = failure(finished);
                    send(Data::Error { error, code, retryable });
                }
            },
            Said::Nothing => {}
        }
    }
}
