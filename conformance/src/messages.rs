//! The messages cases: functions on messages, as far as there are any.

use millstream::{AiMessageChunk, Error, ErrorKind, Message, Result, Usage, UsageSource, join_messages};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::case::{MessagesCase, MessagesStep};
use crate::message::{chunk_json, message_json};
use crate::outcome::{Skip, StepOutcome, unsupported};

/// Runs a messages case.
///
/// # Errors
/// Why the case is skipped.
pub fn run(case: MessagesCase) -> std::result::Result<Vec<StepOutcome>, Skip> {
    case.steps.into_iter().map(|step| Ok(StepOutcome::of(result(step)?))).collect()
}

fn result(step: MessagesStep) -> std::result::Result<Result<Value>, Skip> {
    Ok(match step {
        MessagesStep::Text { messages } => each(&messages, |message| Ok(message.text().into())),
        MessagesStep::Convert { inputs } => each(&inputs, |message| Ok(message_json(&message))),
        MessagesStep::AddUsage { left, right } => usage(&left, &right, |left, right| {
            let mut sum = left.clone();
            sum += right.clone();
            sum
        }),
        MessagesStep::SubtractUsage { left, right } => usage(&left, &right, Usage::minus),
        MessagesStep::Merge { chunks } => merge(&chunks),
        MessagesStep::AddMessages { left, rights } => add(&left, &rights),
        MessagesStep::ToDict { messages } => {
            each(&messages, |message| Ok(message.to_dict())).map(|dicts| json!({ "exact": dicts }))
        }
        MessagesStep::FromDict { dicts } => {
            dicts.iter().map(|dict| Ok(message_json(&Message::from_dict(dict)?))).collect()
        }
        MessagesStep::Dumps { messages } => {
            each(&messages, |message| Ok(message.to_constructor())).map(|dumped| json!({ "exact": dumped }))
        }
        MessagesStep::Loads { dicts } => dicts.iter().map(loaded).collect(),
        MessagesStep::ToOpenai { .. } => return Err(unsupported("OpenAI's form of messages")),
        MessagesStep::BufferString { .. } => return Err(unsupported("a conversation as one text")),
        MessagesStep::ContentBlocks { .. } => return Err(unsupported("standard content blocks")),
        MessagesStep::Trim { .. } => return Err(unsupported("trim_messages")),
        MessagesStep::Filter { .. } => return Err(unsupported("filter_messages")),
        MessagesStep::MergeRuns { .. } => return Err(unsupported("merge_message_runs")),
    })
}

/// Reads something; what is wrong with it is the mistake of whoever wrote it.
fn read<T: DeserializeOwned>(value: &Value) -> Result<T> {
    serde_json::from_value(value.clone()).map_err(|error| Error::new(ErrorKind::InvalidInput, error.to_string()))
}

fn each(messages: &[Value], tell: impl Fn(Message) -> Result<Value>) -> Result<Value> {
    messages.iter().map(|message| tell(read(message)?)).collect()
}

fn merge(chunks: &[Value]) -> Result<Value> {
    let chunks: Vec<AiMessageChunk> = chunks.iter().map(read).collect::<Result<_>>()?;
    let mut sum = chunks.first().cloned().unwrap_or_default();
    chunks.iter().skip(1).try_for_each(|chunk| sum.add(chunk))?;
    Ok(json!({"chunk": chunk_json(&sum), "message": message_json(&sum.into_message())}))
}

fn add(left: &Value, rights: &[Value]) -> Result<Value> {
    let list = |value: &Value| -> Result<Vec<Message>> {
        match value {
            Value::Array(items) => items.iter().map(read).collect(),
            one => Ok(vec![read(one)?]),
        }
    };
    let mut messages = list(left)?;
    for right in rights {
        join_messages(&mut messages, list(right)?)?;
    }
    Ok(messages.iter().map(message_json).collect())
}

/// A message, or a piece of one, from the form of constructors.
fn loaded(dumped: &Value) -> Result<Value> {
    let class = dumped["id"].as_array().and_then(|path| path.last()?.as_str());
    if class == Some("AIMessageChunk") {
        return Ok(chunk_json(&read(&dumped["kwargs"])?));
    }
    Ok(message_json(&read(dumped)?))
}

fn usage(left: &Value, right: &Value, combine: impl Fn(&Usage, &Usage) -> Usage) -> Result<Value> {
    let (left, right): (Option<Usage>, Option<Usage>) = (read(left)?, read(right)?);
    let combined = match (left, right) {
        (Some(left), Some(right)) => combine(&left, &right),
        (one, other) => one.or(other).unwrap_or_else(|| Usage::new(0, 0, UsageSource::Provider)),
    };
    let mut written = json!(combined);
    if let Some(fields) = written.as_object_mut() {
        fields.remove("source");
    }
    Ok(json!({ "exact": written }))
}
