//! The node that runs tools.

use std::sync::Arc;

use futures_util::future::try_join_all;
use millstream_core::{
    Channels, Cx, Error, ErrorKind, Goto, Payload, Result, ToolCall, ToolCommand, ToolFailures, ToolResult, Tools,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::chat::Conversation;
use super::history;
use crate::answer::{self, Answer, Sent};
use crate::command::{Command, IntoCommand};
use crate::host::Host;
use crate::node::Node;

/// Runs the tools that the last message of the model calls, in parallel, and adds their results to the conversation in the order of the calls. A task
/// that is there for one call ([`Target::Call`](crate::Target::Call)) runs that one.
///
/// For graphs that are written by hand; [`Agent`](crate::Agent) has one.
#[derive(Clone, Debug)]
pub struct ToolNode {
    tools: Tools,
    failures: ToolFailures,
}

impl ToolNode {
    /// A node that runs `tools`.
    pub fn new(tools: Tools) -> Self {
        Self { tools, failures: ToolFailures::default() }
    }

    /// What becomes of a tool's failure; the model hears of it unless this is set.
    #[must_use]
    pub fn failures(self, failures: ToolFailures) -> Self {
        Self { failures, ..self }
    }

    async fn run_all<S: Conversation>(&self, calls: &[ToolCall], cx: &Cx) -> Result<Command<S>> {
        let results = try_join_all(calls.iter().map(|call| self.tools.run(call, &self.failures, cx))).await?;
        if !results.iter().any(|result| matches!(result, ToolResult::Command(_))) {
            let said = results.into_iter().filter_map(ToolResult::into_message).collect();
            return Ok(Command::none().update(S::saying(said)));
        }
        let mut shown = Vec::new();
        let mut commands: Vec<Command<S>> = Vec::with_capacity(results.len());
        for result in results {
            let update = match result {
                ToolResult::Command(of_tool) => {
                    shown.push(of_tool.to_value());
                    commands.push(command(of_tool)?);
                    continue;
                }
                result => S::saying(result.into_message().into_iter().collect()),
            };
            shown.push(serde_json::to_value(&update).map_err(Error::failed)?);
            commands.push(Command::none().update(update));
        }
        let command = commands.into_command();
        Ok(if cx.wants(Channels::RUNNABLES) { command.shown_as(Value::Array(shown)) } else { command })
    }
}

impl<S: Conversation> Node<S> for ToolNode {
    async fn run(&self, state: Arc<S>, cx: Cx) -> Result<Command<S>> {
        if let Some(call) = cx.host::<Host>().and_then(|task| task.call.clone()) {
            return self.run_all(&[call], &cx).await;
        }
        let messages = state.messages()?;
        if history::last_said(&messages).is_none() {
            let message =
                "a node that runs tools needs a conversation with a message of a model in it, and there is none";
            return Err(Error::new(ErrorKind::InvalidInput, message).with_name("ValueError"));
        }
        let calls: Vec<ToolCall> = history::open_calls(&messages).cloned().collect();
        self.run_all(&calls, &cx).await
    }
}

/// The command of a tool, which knows no types, as one to the graph; or to the graph around it, which alone knows its types.
fn command<S: Conversation>(command: ToolCommand) -> Result<Command<S>> {
    let ToolCommand { update, goto, parent, .. } = command;
    let mut answer = Answer { parent, ..Answer::default() };
    if !update.is_empty() {
        let update = Value::Object(update);
        answer.updates.push(if parent {
            Payload::new(update)
        } else {
            Payload::new(read::<S::Update>(update, "the update")?)
        });
    }
    for goto in goto {
        answer.goto.push(match goto {
            Goto::Node(node) => answer::Goto::Node(node.into()),
            Goto::Send { node, state } if parent => answer::Goto::Send(node.into(), Sent::State(Payload::new(state))),
            Goto::Send { node, state } => {
                let state: S = read(state, "the state of a send")?;
                answer::Goto::Send(node.into(), Sent::State(Payload::new(state)))
            }
            _ => return Err(Error::new(ErrorKind::Internal, "the command of a tool goes where no graph can go")),
        });
    }
    Ok(Command::untyped(answer))
}

fn read<T: DeserializeOwned>(value: Value, what: &str) -> Result<T> {
    serde_json::from_value(value).map_err(|problem| {
        let message = format!("{what} in the command of a tool does not fit the state of the graph: {problem}");
        Error::new(ErrorKind::InvalidInput, message).with_source(problem)
    })
}
