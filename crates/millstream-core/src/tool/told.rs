//! That a tool begins and is over, for whoever watches tools.

use super::set::ToolResult;
use crate::cx::Cx;
use crate::error::Result;
use crate::event::{Body, Channels};
use crate::message::{Message, ToolCall};

/// The tool begins that is to answer `call`.
pub(super) async fn begins(call: &ToolCall, cx: &Cx) -> Result<()> {
    if !cx.wants(Channels::TOOLS) {
        return Ok(());
    }
    cx.emit(Body::ToolStarted { call: Box::new(call.clone()) }).await
}

/// It is over. A failure that ends the run is told as far as a client may know it.
pub(super) async fn is_over(result: &Result<ToolResult>, call: &ToolCall, cx: &Cx) -> Result<()> {
    if !cx.wants(Channels::TOOLS) {
        return Ok(());
    }
    let told = match result {
        Ok(ToolResult::Message(message)) => message.clone(),
        Ok(ToolResult::Command(command)) => command.result_of(call),
        Err(failure) => Message::tool_failure(&call.id, &call.name, failure.public().message),
    };
    cx.emit(Body::ToolFinished { result: Box::new(told) }).await
}
