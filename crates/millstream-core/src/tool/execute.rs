//! One execution of a tool: its arguments are checked, it runs, and its events are told.

use serde_json::Value;

use super::output::ToolOutput;
use super::set::ToolResult;
use super::{OnFailure, Tool};
use crate::cx::{Cx, Label};
use crate::error::Result;
use crate::event::{Body, Kind, TaskError};
use crate::message::{Message, ToolCall};
use crate::payload::Payload;

/// What a tool gave, or what it made of its failure.
pub(super) enum Outcome {
    Gave(ToolOutput),
    Failed(String),
}

impl Outcome {
    /// As the result of `call`.
    pub(super) fn into_result(self, call: &ToolCall) -> ToolResult {
        match self {
            Self::Gave(output) => output.into_result(call),
            Self::Failed(text) => {
                let message = Message::tool(&call.id, text);
                ToolResult::Message(Message { name: Some(call.name.clone()), failed: true, ..message })
            }
        }
    }

    pub(super) fn into_output(self, _: &ToolCall) -> ToolOutput {
        match self {
            Self::Gave(output) => output,
            Self::Failed(text) => ToolOutput::Text(text),
        }
    }
}

/// What an execution shows of itself at its end.
pub(super) trait Shown {
    fn to_value(&self) -> Value;
}

impl Shown for ToolOutput {
    fn to_value(&self) -> Value {
        Self::to_value(self)
    }
}

impl Shown for ToolResult {
    fn to_value(&self) -> Value {
        match self {
            Self::Message(message) => serde_json::to_value(message).unwrap_or_default(),
            Self::Command(command) => command.to_value(),
        }
    }
}

/// Executes `tool` as `cx`, and gives what it gave in another form.
pub(super) async fn execute<T: Shown>(
    tool: &dyn Tool,
    call: &ToolCall,
    cx: &Cx,
    form: fn(Outcome, &ToolCall) -> T,
) -> Result<T> {
    let told = cx.tells();
    let input = || Payload::new(call.args.clone());
    if told {
        cx.emit(Body::RunnableStarted { input: Some(input()) }).await?;
    }
    let done = attempt(tool, call, cx).await.map(|outcome| form(outcome, call));
    if told {
        match &done {
            Ok(output) => {
                let output = Payload::new(output.to_value());
                cx.emit(Body::RunnableFinished { input: Some(input()), output }).await?;
            }
            Err(failure) if failure.is_passed_on() => {}
            Err(failure) => {
                let error = Box::new(TaskError::from(failure));
                cx.emit(Body::RunnableFailed { input: input(), error }).await?;
            }
        }
    }
    done
}

async fn attempt(tool: &dyn Tool, call: &ToolCall, cx: &Cx) -> Result<Outcome> {
    tool.spec().check(&call.args)?;
    let failure = match tool.call(call.clone(), cx).await {
        Ok(output) => return Ok(Outcome::Gave(output)),
        Err(failure) => failure,
    };
    match tool.on_failure(&failure) {
        OnFailure::Answer(text) if !failure.is_passed_on() => Ok(Outcome::Failed(text)),
        _ => Err(failure),
    }
}

impl dyn Tool {
    /// Runs the tool inside the execution `cx` for code rather than for a model: it gives what the tool gives, and fails as the tool fails.
    ///
    /// # Errors
    /// `invalid_input` for arguments that the schema does not accept, and whatever the tool fails with and has no answer to.
    pub async fn invoke(&self, args: Value, cx: &Cx) -> Result<ToolOutput> {
        let name = &self.spec().name;
        let cx = cx.child(Label::new(Kind::Tool, name.as_str()));
        let call = ToolCall { id: String::new(), name: name.clone(), args };
        execute(self, &call, &cx, Outcome::into_output).await
    }
}
