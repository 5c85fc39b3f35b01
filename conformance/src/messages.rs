//! The messages cases: functions on messages, as far as there are any.

use millstream::Usage;
use serde_json::{Value, json};

use crate::case::{MessagesCase, MessagesStep};
use crate::message::{message_json, read_message, read_usage, usage_json};
use crate::outcome::{Skip, StepOutcome, unsupported};

/// Runs a messages case.
///
/// # Errors
/// Why the case is skipped.
pub fn run(case: MessagesCase) -> Result<Vec<StepOutcome>, Skip> {
    case.steps.into_iter().map(step).collect()
}

fn step(step: MessagesStep) -> Result<StepOutcome, Skip> {
    let result = match step {
        MessagesStep::Text { messages } => {
            let messages = messages.iter().map(|message| read_message(message).map_err(unsupported));
            Value::Array(messages.map(|message| Ok(message?.text().into())).collect::<Result<_, Skip>>()?)
        }
        MessagesStep::Convert { inputs } => {
            let messages = inputs.iter().map(|input| read_message(input).map_err(unsupported));
            Value::Array(messages.map(|message| Ok(message_json(&message?))).collect::<Result<_, Skip>>()?)
        }
        MessagesStep::AddUsage { left, right } => {
            let read = |usage: &Value| (!usage.is_null()).then(|| read_usage(usage).map_err(unsupported)).transpose();
            let zero = || Usage::new(0, 0, millstream::UsageSource::Provider);
            let mut sum = read(&left)?.unwrap_or_else(zero);
            sum += read(&right)?.unwrap_or_else(zero);
            json!({ "exact": usage_json(&sum) })
        }
        MessagesStep::Merge { .. } => return Err(unsupported("adding up chunks of messages")),
        MessagesStep::AddMessages { .. } => return Err(unsupported("add_messages")),
        MessagesStep::Trim { .. } => return Err(unsupported("trim_messages")),
        MessagesStep::Filter { .. } => return Err(unsupported("filter_messages")),
        MessagesStep::MergeRuns { .. } => return Err(unsupported("merge_message_runs")),
        MessagesStep::ToDict { .. } | MessagesStep::FromDict { .. } => return Err(unsupported("messages as dicts")),
        MessagesStep::Dumps { .. } | MessagesStep::Loads { .. } => return Err(unsupported("messages as constructors")),
        MessagesStep::ToOpenai { .. } => return Err(unsupported("OpenAI's form of messages")),
        MessagesStep::BufferString { .. } => return Err(unsupported("a conversation as one text")),
        MessagesStep::ContentBlocks { .. } => return Err(unsupported("standard content blocks")),
        MessagesStep::SubtractUsage { .. } => return Err(unsupported("subtracting usage")),
    };
    Ok(StepOutcome::of(Ok(result)))
}
