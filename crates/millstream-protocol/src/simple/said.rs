//! What an event means to a reader of the simple protocol.

use std::sync::Arc;

use millstream_core::{BlockKind, Body, Delta, Event, Finish, Finished, Outcome, Part, Scope, ToolCall};
use serde_json::Value;
use smallvec::SmallVec;

use crate::position::Position;

/// One thing that is said.
#[derive(Debug)]
pub(super) enum Said<'a> {
    Token(&'a str),
    Reasoning(&'a str),
    /// A tool call, complete: said once.
    Call(ToolCall),
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

/// Understands events one after the other; gathers the arguments of tool calls until they are whole.
#[derive(Debug, Default)]
pub(super) struct Listener {
    calls: Vec<OpenCall>,
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
    /// What `event` says: mostly one thing, or nothing.
    pub(super) fn hear<'a>(&mut self, event: &'a Event) -> SmallVec<[Said<'a>; 1]> {
        match &event.body {
            Body::Message { chunk } => chunk.iter().filter_map(|part| self.part(event, part)).collect(),
            Body::Finished(finished) => SmallVec::from_buf([self.over(finished)]),
            _ => SmallVec::new(),
        }
    }

    fn part<'a>(&mut self, event: &Event, part: &'a Part) -> Option<Said<'a>> {
        match part {
            Part::Delta { delta: Delta::Text(text), .. } => return Some(Said::Token(text)),
            Part::Delta { delta: Delta::Reasoning(text), .. } => return Some(Said::Reasoning(text)),
            Part::BlockStart { index, block: BlockKind::ToolCall { id, name }, .. } => {
                let (scope, args) = (event.scope.clone(), String::new());
                self.calls.push(OpenCall { scope, block: *index, id: id.clone(), name: name.clone(), args });
            }
            Part::Delta { index, delta: Delta::Arguments(more), .. } => {
                let at = self.position(event, *index)?;
                self.calls[at].args.push_str(more);
            }
            Part::BlockEnd { index, .. } => {
                let at = self.position(event, *index)?;
                let OpenCall { id, name, args, .. } = self.calls.remove(at);
                let args = if args.trim().is_empty() { "{}" } else { &args };
                // Arguments that are not an object belong to a call that must not run, so there is no call to tell of.
                let args: Value = serde_json::from_str(args).ok().filter(Value::is_object)?;
                return Some(Said::Call(ToolCall { id: id.to_string(), name: name.to_string(), args }));
            }
            Part::End { finish, .. } => self.last_finish = Some(*finish),
            _ => {}
        }
        None
    }

    fn position(&self, event: &Event, block: u32) -> Option<usize> {
        self.calls.iter().position(|call| call.block == block && Arc::ptr_eq(&call.scope, &event.scope))
    }

    fn over<'a>(&self, finished: &'a Finished) -> Said<'a> {
        let reason = match (finished.outcome, self.last_finish) {
            (Outcome::Cancelled, _) => "stopped",
            (Outcome::Completed, Some(Finish::Length)) => "length",
            (Outcome::Completed, Some(Finish::ContentFilter)) => "content_filter",
            (Outcome::Completed, Some(Finish::ToolCalls)) => "tool_calls",
            (Outcome::Completed, _) => "stop",
            (Outcome::Failed | Outcome::Truncated | Outcome::Interrupted, _) => return failed(finished),
        };
        Said::Done { reason, finished }
    }
}

/// How the plain forms tell of a run that did not complete, a stopped one included: `[DONE]` is for complete answers.
pub(super) fn failed(finished: &Finished) -> Said<'_> {
    match &finished.error {
        Some(error) => Said::Failed { code: &error.code, message: &error.message, retryable: error.retryable },
        None => Said::Failed { code: "interrupted", message: "The run waits for a person.", retryable: false },
    }
}

/// The place of frame `number` (from 0) of the `count` frames of an event.
pub(super) fn place(seq: u64, number: usize, count: usize) -> Position {
    match u32::try_from(number + 1) {
        Ok(frame) if number + 1 < count => Position::within(seq, frame),
        _ => Position::after(seq),
    }
}
