//! What an event means to a reader of the simple protocol.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use millstream_core::{
    Block, BlockKind, Body, Delta, Event, Finish, Finished, Interrupt, Message, Outcome, Part, Payload, Role, Scope,
    ShownMessages, Task, ToolCall,
};
use serde_json::Value;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::position::Position;

/// One thing that is said.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// Another message is said from here on: it begins, or goes on after others. Only inside graphs.
    Speaker {
        message: String,
        scope: Arc<Scope>,
    },
    Token(Cow<'a, str>),
    Reasoning(Cow<'a, str>),
    /// The model begins to call a tool; the arguments follow.
    CallStarted {
        id: Arc<str>,
        name: Arc<str>,
    },
    /// The arguments of a call go on, as JSON text.
    Arguments {
        id: Arc<str>,
        more: &'a str,
    },
    /// A tool call, complete: said once.
    Call(ToolCall),
    /// A tool runs.
    ToolStarted(&'a ToolCall),
    /// What a call gave: said once.
    Result(Cow<'a, Message>),
    /// User code says something, inside the call `call` of a tool if it is one.
    Custom {
        call: Option<Arc<str>>,
        scope: &'a Scope,
        value: &'a Value,
    },
    /// A node's turn begins.
    NodeStarted {
        task: &'a Task,
        graph: &'a Scope,
    },
    /// A node's turn is over.
    NodeFinished {
        task: &'a Task,
        graph: &'a Scope,
        failed: bool,
    },
    /// A person is asked something, and the run waits.
    Interrupted(&'a Interrupt),
    Done {
        reason: &'static str,
        finished: &'a Finished,
    },
    Failed {
        code: &'a str,
        message: &'a str,
        retryable: bool,
    },
}

/// What an event says: mostly one thing, or nothing.
pub(super) type Heard<'a> = SmallVec<[Said<'a>; 1]>;

/// Understands events one after the other; gathers the arguments of tool calls until they are whole.
#[derive(Debug, Default)]
pub(super) struct Listener {
    shown: ShownMessages,
    /// The message that spoke last, if it is inside a graph.
    speaker: Option<Uuid>,
    calls: Vec<OpenCall>,
    /// The executions of tools that run, and the calls that they answer.
    tools: Vec<(Uuid, Arc<str>)>,
    /// How often the result of a call was told by its tool, and is yet to be returned by its node.
    told: HashMap<String, usize>,
    last_finish: Option<Finish>,
}

#[derive(Debug)]
struct OpenCall {
    scope: Arc<Scope>,
    block: u32,
    id: Arc<str>,
    name: Arc<str>,
    args: String,
}

impl Listener {
    /// What `event` says.
    pub(super) fn hear<'a>(&mut self, event: &'a Event) -> Heard<'a> {
        let mut heard = Heard::new();
        match &event.body {
            Body::Message { chunk } if self.shown.shows(event) => {
                chunk.iter().for_each(|part| self.part(event, part, &mut heard));
            }
            Body::MessageReturned { message } => self.returned(event, message, &mut heard),
            Body::Custom { value } => {
                let scope = &*event.scope;
                heard.push(Said::Custom { call: self.call_around(scope), scope, value });
            }
            Body::ToolStarted { call } => {
                self.tools.push((event.scope.run_id, call.id.as_str().into()));
                heard.push(Said::ToolStarted(call));
            }
            Body::ToolFinished { result } => {
                self.tools.retain(|(tool, _)| *tool != event.scope.run_id);
                let call = result.tool_call_id.clone().unwrap_or_default();
                *self.told.entry(call).or_default() += 1;
                heard.push(Said::Result(Cow::Borrowed(result)));
            }
            Body::TaskStarted { task, .. } => heard.push(Said::NodeStarted { task, graph: &event.scope }),
            Body::TaskFinished { task, error, .. } => {
                heard.push(Said::NodeFinished { task, graph: &event.scope, failed: error.is_some() });
            }
            // Graphs around one that waits say the same again; the outermost says it all.
            Body::Interrupted { interrupts, .. } if event.scope.namespace.is_empty() => {
                heard.extend(interrupts.iter().map(Said::Interrupted));
            }
            Body::Finished(finished) => heard.push(self.over(finished)),
            _ => {}
        }
        heard
    }

    fn part<'a>(&mut self, event: &Event, part: &'a Part, heard: &mut Heard<'a>) {
        match part {
            Part::Start { .. } => self.speaks(&event.scope, heard),
            Part::Delta { delta: Delta::Text(text), .. } => {
                self.speaks(&event.scope, heard);
                heard.push(Said::Token(Cow::Borrowed(text)));
            }
            Part::Delta { delta: Delta::Reasoning(text), .. } => {
                self.speaks(&event.scope, heard);
                heard.push(Said::Reasoning(Cow::Borrowed(text)));
            }
            Part::BlockStart { index, block: BlockKind::ToolCall { id, name }, .. } => {
                self.speaks(&event.scope, heard);
                let (scope, args) = (event.scope.clone(), String::new());
                self.calls.push(OpenCall { scope, block: *index, id: id.clone(), name: name.clone(), args });
                heard.push(Said::CallStarted { id: id.clone(), name: name.clone() });
            }
            Part::BlockStart { block: BlockKind::Given { block }, .. } => {
                if let Block::ToolCall(call) = &**block {
                    self.speaks(&event.scope, heard);
                    heard.push(Said::Call(call.clone()));
                }
            }
            Part::Delta { index, delta: Delta::Arguments(more), .. } => {
                let Some(at) = self.position(event, *index) else { return };
                self.calls[at].args.push_str(more);
                heard.push(Said::Arguments { id: self.calls[at].id.clone(), more });
            }
            Part::BlockEnd { index, .. } => {
                let Some(at) = self.position(event, *index) else { return };
                // A call without arguments may also be one that was cut before them: the end of its message tells.
                if !self.calls[at].args.trim().is_empty() {
                    heard.extend(self.calls.remove(at).told());
                }
            }
            Part::End { finish, .. } => {
                self.last_finish = Some(*finish);
                let own = |call: &OpenCall| call.scope.run_id == event.scope.run_id;
                let (ended, open) = std::mem::take(&mut self.calls).into_iter().partition(own);
                self.calls = open;
                if !matches!(finish, Finish::Cancelled | Finish::Failed | Finish::Truncated) {
                    heard.extend(ended.into_iter().filter_map(OpenCall::told));
                }
            }
            _ => {}
        }
    }

    /// A message that a node returned: said if nobody said it before.
    fn returned<'a>(&mut self, event: &Event, message: &'a Payload, heard: &mut Heard<'a>) {
        if !self.shown.shows(event) {
            return;
        }
        let Ok(message) = serde_json::from_value::<Message>(message.json()) else { return };
        match message.role {
            Role::Ai => {
                self.speaker = None;
                let id = message.id.unwrap_or_else(|| message_id(&event.scope));
                heard.push(Said::Speaker { message: id, scope: event.scope.clone() });
                for block in message.content {
                    match block {
                        Block::Text { text, .. } => heard.push(Said::Token(Cow::Owned(text))),
                        Block::Reasoning { text, .. } => heard.push(Said::Reasoning(Cow::Owned(text))),
                        Block::ToolCall(call) => heard.push(Said::Call(call)),
                        _ => {}
                    }
                }
            }
            Role::Tool => match self.told.get_mut(message.tool_call_id.as_deref().unwrap_or_default()) {
                Some(told) if *told > 0 => *told -= 1,
                _ => heard.push(Said::Result(Cow::Owned(message))),
            },
            _ => {}
        }
    }

    /// Notes which message is said, and says so when it is another than before.
    fn speaks(&mut self, scope: &Arc<Scope>, heard: &mut Heard<'_>) {
        if scope.node.is_some() && self.speaker != Some(scope.run_id) {
            self.speaker = Some(scope.run_id);
            heard.push(Said::Speaker { message: message_id(scope), scope: scope.clone() });
        }
    }

    /// The tool call that `scope` is inside of.
    fn call_around(&self, scope: &Scope) -> Option<Arc<str>> {
        let inside = |tool: &Uuid| scope.run_id == *tool || scope.parent_ids.contains(tool);
        self.tools.iter().find(|(tool, _)| inside(tool)).map(|(_, call)| call.clone())
    }

    fn position(&self, event: &Event, block: u32) -> Option<usize> {
        self.calls.iter().position(|call| call.block == block && call.scope.run_id == event.scope.run_id)
    }

    fn over<'a>(&self, finished: &'a Finished) -> Said<'a> {
        let reason = match (finished.outcome, self.last_finish) {
            (Outcome::Cancelled, _) => STOPPED,
            (Outcome::Interrupted, _) => INTERRUPTED,
            (Outcome::Completed, Some(Finish::Length)) => "length",
            (Outcome::Completed, Some(Finish::ContentFilter)) => "content_filter",
            (Outcome::Completed, Some(Finish::ToolCalls)) => "tool_calls",
            (Outcome::Completed, _) => "stop",
            (Outcome::Failed | Outcome::Truncated, _) => return failed(finished),
        };
        Said::Done { reason, finished }
    }
}

/// The id of the message that a model says as `scope`.
fn message_id(scope: &Scope) -> String {
    format!("lc_run--{}", scope.run_id)
}

impl OpenCall {
    /// The call, complete. Arguments that are not an object belong to a call that must not run, so there is no call to tell of.
    fn told<'a>(self) -> Option<Said<'a>> {
        let args = if self.args.trim().is_empty() { "{}" } else { &self.args };
        let args: Value = serde_json::from_str(args).ok().filter(Value::is_object)?;
        Some(Said::Call(ToolCall { id: self.id.to_string(), name: self.name.to_string(), args }))
    }
}

const STOPPED: &str = "stopped";
const INTERRUPTED: &str = "interrupted";

/// Whether a run that ended for `reason` came to its end. The plain forms have an end mark for those alone.
pub(super) fn is_whole(reason: &str) -> bool {
    reason != STOPPED && reason != INTERRUPTED
}

/// How the plain forms tell of a run that did not complete, a stopped one included: `[DONE]` is for complete answers.
pub(super) fn failed(finished: &Finished) -> Said<'_> {
    match &finished.error {
        Some(error) => Said::Failed { code: &error.code, message: &error.message, retryable: error.retryable },
        None => Said::Failed { code: INTERRUPTED, message: "The run waits for a person.", retryable: false },
    }
}

/// The place of frame `number` (from 0) of the `count` frames of an event.
pub(super) fn place(seq: u64, number: usize, count: usize) -> Position {
    match u32::try_from(number + 1) {
        Ok(frame) if number + 1 < count => Position::within(seq, frame),
        _ => Position::after(seq),
    }
}
