//! The JSON form over SSE.

use millstream_core::{Event, ToolCall, Usage};
use serde::Serialize;
use smallvec::SmallVec;
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
    ToolResult {
        id: &'a str,
        content: String,
    },
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

impl<'a> Data<'a> {
    /// What is said, if this form has it.
    fn of(said: &'a Said<'_>) -> Option<Self> {
        Some(match said {
            Said::Token(text) => Self::Token(text),
            Said::Reasoning(text) => Self::Reasoning(text),
            Said::Call(call) => Self::ToolCall(Call::from(call)),
            Said::Result(result) => {
                let id = result.tool_call_id.as_deref().unwrap_or_default();
                Self::ToolResult { id, content: result.text() }
            }
            Said::Done { reason, finished } => Self::Done { done: true, reason, usage: finished.usage.as_ref() },
            Said::Failed { code, message, retryable } => Self::Error { error: message, code, retryable: *retryable },
            _ => return None,
        })
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
        let data: SmallVec<[Data<'_>; 1]> = heard.iter().filter_map(Data::of).collect();
        for (number, one) in data.iter().enumerate() {
            let position = place(seq, number, data.len());
            frames.push(position, |out| sse::json_event(out, Cursor { run: self.run, position }, one));
        }
    }
}
