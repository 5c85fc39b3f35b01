//! The tools that a model may call, and what becomes of its calls.

use std::fmt;
use std::sync::Arc;

use super::command::ToolCommand;
use super::execute::{Outcome, execute};
use super::{OnFailure, Tool, arguments, told};
use crate::cx::{Cx, Label};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Kind;
use crate::message::{Message, ToolCall};
use crate::model::ToolSpec;

/// Tools by their names.
#[derive(Clone, Default)]
pub struct Tools(Vec<Arc<dyn Tool>>);

/// What becomes of the failures of tools that do not say it themselves.
///
/// A call of a tool that is not there is answered in every case: the model hears which tools there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolFailures {
    /// The model hears of them, and the run goes on. LangGraph's `handle_tool_errors=True`.
    #[default]
    Answer,
    /// The model hears this text, and the run goes on. LangGraph's `handle_tool_errors="..."`.
    AnswerWith(Arc<str>),
    /// The run fails, but for arguments that the tool does not take: the model hears of those. What LangGraph does unless it is told otherwise.
    EndRun,
    /// The run fails, also for arguments that the tool does not take. LangGraph's `handle_tool_errors=False`.
    EndRunAlways,
}

/// What a call of a tool comes to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToolResult {
    /// What the model hears.
    Message(Message),
    /// A change of the graph's state, with the result of the call in it.
    Command(ToolCommand),
}

impl ToolResult {
    /// The result, if it has what `call` needs.
    fn of(self, call: &ToolCall) -> Result<Self> {
        match self {
            Self::Command(command) => command.answering(call).map(Self::Command),
            message => Ok(message),
        }
    }

    /// What the model hears, if it is that alone.
    pub fn into_message(self) -> Option<Message> {
        match self {
            Self::Message(message) => Some(message),
            Self::Command(_) => None,
        }
    }
}

impl Tools {
    /// How the model sees them.
    pub fn specs(&self) -> impl Iterator<Item = ToolSpec> {
        self.0.iter().map(|tool| tool.spec().clone())
    }

    /// The tools, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Tool> {
        self.0.iter().map(|tool| &**tool)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tool `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<&dyn Tool> {
        self.0.iter().find(|tool| tool.spec().name == name).map(|tool| &**tool)
    }

    /// The names that two tools share, which a model could not tell apart.
    pub fn repeated(&self) -> Vec<&str> {
        let names = self.0.iter().map(|tool| tool.spec().name.as_str());
        names
            .enumerate()
            .filter(|(place, name)| self.0[..*place].iter().any(|other| other.spec().name == *name))
            .map(|(_, name)| name)
            .collect()
    }

    /// Does what the model asked for, inside the execution `cx`. What is wrong with the call itself is its result: a tool that is not there,
    /// and arguments that the schema does not accept, for which the tool does not run.
    ///
    /// # Errors
    /// Failures that end the run, by `failures` or by the tool's own word; and whatever is not about the call: a run that was stopped, and a
    /// tool that waits for a person.
    pub async fn run(&self, call: &ToolCall, failures: &ToolFailures, cx: &Cx) -> Result<ToolResult> {
        let cx = cx.child(Label::new(Kind::Tool, call.name.as_str()));
        told::begins(call, &cx).await?;
        let result = match self.get(&call.name) {
            Some(tool) => match execute(tool, call, &cx, Outcome::into_result).await.and_then(|result| result.of(call))
            {
                Err(failure) if failure.is_passed_on() => return Err(failure),
                Err(failure) => failures.answer(tool, call, failure),
                done => done,
            },
            None => Ok(ToolResult::Message(Message::tool_failure(&call.id, &call.name, self.not_there(&call.name)))),
        };
        told::is_over(&result, call, &cx).await?;
        result
    }

    fn not_there(&self, name: &str) -> String {
        let names: Vec<_> = self.0.iter().map(|tool| tool.spec().name.as_str()).collect();
        format!("{name} is not a valid tool, try one of [{}].", names.join(", "))
    }
}

impl ToolFailures {
    /// What the model hears of a failure, unless it ends the run.
    fn answer(&self, tool: &dyn Tool, call: &ToolCall, failure: Error) -> Result<ToolResult> {
        let text = match (self, arguments::are_invalid(&failure)) {
            (Self::AnswerWith(text), true) => text.to_string(),
            (Self::EndRunAlways, true) => {
                let told = Error::new(ErrorKind::InvalidInput, not_taken(call, &failure));
                return Err(told.with_name("ToolInvocationError").with_source(failure));
            }
            (_, true) => not_taken(call, &failure),
            (_, false) if tool.on_failure(&failure) == OnFailure::EndRun => return Err(failure),
            (Self::Answer, false) => format!("Error: {}\n Please fix your mistakes.", shown(&failure)),
            (Self::AnswerWith(text), false) => text.to_string(),
            (Self::EndRun | Self::EndRunAlways, false) => return Err(failure),
        };
        let message = Message { name: Some(call.name.clone()), failed: true, ..Message::tool(&call.id, text) };
        Ok(ToolResult::Message(message))
    }
}

/// That the tool does not take these arguments, in the frame of the reference's words.
fn not_taken(call: &ToolCall, problem: &Error) -> String {
    format!(
        "Error invoking tool '{}' with kwargs {} with error:\n {problem}\n Please fix the error and try again.",
        call.name, call.args
    )
}

/// A failure as the reference shows it to a model: with its name, if it has one.
fn shown(failure: &Error) -> String {
    let message = failure.to_string();
    match failure.name() {
        None => message,
        Some(name) if message.contains('\'') && !message.contains('"') => format!("{name}(\"{message}\")"),
        Some(name) => format!("{name}('{}')", message.replace('\'', "\\'")),
    }
}

impl FromIterator<Arc<dyn Tool>> for Tools {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Tool>>>(tools: I) -> Self {
        Self(tools.into_iter().collect())
    }
}

impl IntoIterator for Tools {
    type Item = Arc<dyn Tool>;
    type IntoIter = std::vec::IntoIter<Arc<dyn Tool>>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|tool| &tool.spec().name)).finish()
    }
}
