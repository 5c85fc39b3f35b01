//! A tool as a step of a chain.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::Tool;
use super::execute::{Outcome, execute};
use super::output::ToolOutput;
use super::set::ToolResult;
use super::told;
use crate::cx::{Cx, Label};
use crate::error::Result;
use crate::event::Kind;
use crate::input::Input;
use crate::message::ToolCall;
use crate::payload::Payload;
use crate::runnable::Runnable;
use crate::streamed::Chunks;

/// A tool as a step of a chain: it takes arguments and gives what the tool gives. Given a call of a model (an object with the type `tool_call`) it gives the
/// message that answers it.
///
/// ```
/// use millstream_core::{Runnable, ToolStep, tool};
/// use serde_json::json;
///
/// let parameters = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
/// let double = tool("double", "Twice a number.", parameters, async |call, _| call.args["n"].as_i64().unwrap_or_default() * 2);
/// # futures_util::FutureExt::now_or_never(async {
/// assert_eq!(ToolStep::from(double).run(json!({ "n": 4 })).await?.json(), 8);
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone)]
pub struct ToolStep(Arc<dyn Tool>);

impl ToolStep {
    /// The step that runs `tool`.
    pub fn new(tool: impl Tool) -> Self {
        Self(Arc::new(tool))
    }
}

impl From<Arc<dyn Tool>> for ToolStep {
    fn from(tool: Arc<dyn Tool>) -> Self {
        Self(tool)
    }
}

impl Runnable for ToolStep {
    type Input = Payload;
    type Output = Payload;

    fn label(&self) -> Label {
        Label::new(Kind::Tool, self.0.spec().name.as_str()).telling_itself()
    }

    fn transform(&self, input: Input<Payload>, cx: Cx) -> Chunks<Payload> {
        let tool = self.0.clone();
        let output = async move {
            let input = input.unannounced().await?.json();
            let output = match called(&input) {
                Some(call) => answer(&*tool, &call, &cx).await?,
                None => {
                    let call = ToolCall { id: String::new(), name: tool.spec().name.clone(), args: input };
                    match execute(&*tool, &call, &cx, Outcome::into_output).await? {
                        ToolOutput::Text(text) => Payload::new(text),
                        ToolOutput::Message(message) => Payload::new(*message),
                        other => other.to_value().into(),
                    }
                }
            };
            Ok(output.into_piece())
        };
        stream::once(output).boxed()
    }
}

fn called(input: &Value) -> Option<ToolCall> {
    let is_call = input.get("type").and_then(Value::as_str) == Some("tool_call");
    is_call.then(|| serde_json::from_value(input.clone()).ok()).flatten()
}

async fn answer(tool: &dyn Tool, call: &ToolCall, cx: &Cx) -> Result<Payload> {
    told::begins(call, cx).await?;
    let result = execute(tool, call, cx, Outcome::into_result).await;
    told::is_over(&result, call, cx).await?;
    Ok(match result? {
        ToolResult::Message(message) => Payload::new(message),
        ToolResult::Command(command) => command.to_value().into(),
    })
}
