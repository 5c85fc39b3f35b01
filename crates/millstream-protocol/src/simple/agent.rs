//! The agent's form over SSE: what it says, what it calls, what comes of it, and which node does it.

use millstream_core::{Event, Scope, Usage};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::said::{Listener, Said, place};
use crate::frames::{Frames, View};
use crate::position::Cursor;
use crate::sse;

/// The agent's form over SSE: `{"type": "token", "content"}`, `{"type": "tool_call", "tool", "args", "id"}` once and complete,
/// `{"type": "tool_result", "id", "content"}`, and at the end `{"type": "done"}` or `{"type": "error", "error"}`.
///
/// The other types are for those who show more: tool calls that grow, tools that report, who speaks, which node runs. Readers of the first
/// samples pass over types that they do not know.
#[derive(Debug)]
pub struct AgentEvents {
    run: Uuid,
    listener: Listener,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Data<'a> {
    Token {
        content: &'a str,
    },
    Reasoning {
        content: &'a str,
    },
    ToolCall {
        tool: &'a str,
        args: &'a Value,
        id: &'a str,
    },
    ToolResult {
        id: &'a str,
        content: String,
        #[serde(skip_serializing_if = "is_false")]
        failed: bool,
    },
    Interrupt {
        id: &'a str,
        content: &'a Value,
    },
    Done {
        reason: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<&'a Usage>,
    },
    Error {
        error: &'a str,
        code: &'a str,
        retryable: bool,
    },
    Speaker {
        message: &'a str,
        #[serde(flatten)]
        place: Place<'a>,
    },
    ToolCallStarted {
        id: &'a str,
        tool: &'a str,
    },
    ToolCallArgs {
        id: &'a str,
        delta: &'a str,
    },
    ToolStarted {
        id: &'a str,
        tool: &'a str,
    },
    Custom {
        content: &'a Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(flatten)]
        place: Place<'a>,
    },
    NodeStarted {
        task: Uuid,
        #[serde(flatten)]
        place: Place<'a>,
    },
    NodeFinished {
        task: Uuid,
        #[serde(flatten)]
        place: Place<'a>,
        #[serde(skip_serializing_if = "is_false")]
        failed: bool,
    },
}

/// A node, and the graphs around it, outermost first; none in the graph that runs.
#[derive(Serialize)]
struct Place<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    namespace: &'a [String],
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl AgentEvents {
    /// The view of the run `run`.
    pub fn new(run: Uuid) -> Self {
        Self { run, listener: Listener::default() }
    }
}

impl View for AgentEvents {
    fn see(&mut self, seq: u64, event: &Event, frames: &mut Frames) {
        let heard = self.listener.hear(event);
        for (number, said) in heard.iter().enumerate() {
            let position = place(seq, number, heard.len());
            let id = Cursor { run: self.run, position };
            frames.push(position, |out| sse::json_event(out, id, &Data::of(said)));
        }
    }
}

impl<'a> Data<'a> {
    fn of(said: &'a Said<'_>) -> Self {
        match said {
            Said::Token(text) => Self::Token { content: text },
            Said::Reasoning(text) => Self::Reasoning { content: text },
            Said::CallStarted { id, name } => Self::ToolCallStarted { id, tool: name },
            Said::Arguments { id, more } => Self::ToolCallArgs { id, delta: more },
            Said::Call(call) => Self::ToolCall { tool: &call.name, args: &call.args, id: &call.id },
            Said::ToolStarted(call) => Self::ToolStarted { id: &call.id, tool: &call.name },
            Said::Result(result) => {
                let id = result.tool_call_id.as_deref().unwrap_or_default();
                Self::ToolResult { id, content: result.text(), failed: result.failed }
            }
            Said::Custom { call, scope, value } => {
                Self::Custom { content: value, id: call.as_deref(), place: Place::of(scope) }
            }
            Said::Speaker { message, scope } => Self::Speaker { message, place: Place::of(scope) },
            Said::NodeStarted { task, graph } => {
                Self::NodeStarted { task: task.id, place: Place::inside(graph, &task.name) }
            }
            Said::NodeFinished { task, graph, failed } => {
                Self::NodeFinished { task: task.id, place: Place::inside(graph, &task.name), failed: *failed }
            }
            Said::Interrupted(asked) => Self::Interrupt { id: &asked.id, content: &asked.value },
            Said::Done { reason, finished } => Self::Done { reason, usage: finished.usage.as_ref() },
            Said::Failed { code, message, retryable } => Self::Error { error: message, code, retryable: *retryable },
        }
    }
}

impl<'a> Place<'a> {
    fn of(scope: &'a Scope) -> Self {
        Self { node: scope.node.as_deref(), namespace: &scope.namespace }
    }

    fn inside(graph: &'a Scope, node: &'a str) -> Self {
        Self { node: Some(node), namespace: &graph.namespace }
    }
}
