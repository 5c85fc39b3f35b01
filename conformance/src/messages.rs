//! The messages cases: functions on messages.

use millstream::{
    AiMessageChunk, Error, ErrorKind, ExcludedCalls, Keep, Message, MessageFilter, OpenAiForm, OpenAiText, Result,
    TokenEstimate, Transcript, TranscriptForm, Trim, Usage, UsageSource, buffer_string, count_messages, count_tokens,
    count_words, filter_messages, join_messages, merge_message_runs, to_openai_messages, trim_messages,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::case::{
    BufferOptions, FilterOptions, Format, MessagesCase, MessagesStep, OpenAiOptions, OpenAiTexts, RunOptions, Strategy,
    ToolCallsOut, TrimCounter, TrimOptions,
};
use crate::message::{chunk_json, message_json};
use crate::outcome::{Skip, StepOutcome};

mod given;

use given::{Given, marked_json, roles, was_piece, with_own_type, with_roles};

/// Runs a messages case.
///
/// # Errors
/// Why the case is skipped.
pub fn run(case: MessagesCase) -> std::result::Result<Vec<StepOutcome>, Skip> {
    Ok(case.steps.into_iter().map(|step| StepOutcome::of(result(step))).collect())
}

fn result(step: MessagesStep) -> Result<Value> {
    match step {
        MessagesStep::Text { messages } => each(&messages, |given| Ok(given.whole().text().into())),
        MessagesStep::Convert { inputs } => each(&inputs, |given| Ok(given.json())),
        MessagesStep::AddUsage { left, right } => usage(&left, &right, |left, right| {
            let mut sum = left.clone();
            sum += right.clone();
            sum
        }),
        MessagesStep::SubtractUsage { left, right } => usage(&left, &right, Usage::minus),
        MessagesStep::Merge { chunks } => merge(&chunks).map_err(as_type_error),
        MessagesStep::AddMessages { left, rights } => add(&left, &rights),
        MessagesStep::ToDict { messages } => each(&messages, |given| {
            Ok(match given {
                Given::Whole(message) => message.to_dict(),
                Given::Piece(chunk) => chunk.to_dict(),
            })
        })
        .map(exact),
        MessagesStep::FromDict { dicts } => dicts.iter().map(|dict| Ok(Given::from_dict(dict)?.json())).collect(),
        MessagesStep::Dumps { messages } => each(&messages, |given| {
            Ok(match given {
                Given::Whole(message) => message.to_constructor(),
                Given::Piece(chunk) => chunk.to_constructor(),
            })
        })
        .map(exact),
        MessagesStep::Loads { dicts } => dicts.iter().map(|dict| Ok(Given::from_constructor(dict)?.json())).collect(),
        MessagesStep::ToOpenai { messages, options } => {
            Ok(exact(to_openai_messages(&whole(&messages)?, &openai(&options))?.into()))
        }
        MessagesStep::BufferString { messages, options } => {
            Ok(buffer_string(&whole(&messages)?, &transcript(options))?.into())
        }
        MessagesStep::ContentBlocks { messages } => each(&messages, |given| {
            Ok(exact(match given {
                Given::Whole(message) => message.content_blocks().into(),
                Given::Piece(chunk) => chunk.content_blocks().into(),
            }))
        }),
        MessagesStep::Trim { messages, options } => trim(&messages, &options),
        MessagesStep::Filter { messages, options } => {
            let kept = filter_messages(&marked(&messages)?, &filter(options));
            Ok(kept.iter().map(marked_json).collect())
        }
        MessagesStep::MergeRuns { messages, options } => merge_runs(&messages, &options).map_err(as_type_error),
    }
}

/// Reads something; what is wrong with it is the mistake of whoever wrote it.
fn read<T: DeserializeOwned>(value: &Value) -> Result<T> {
    serde_json::from_value(value.clone()).map_err(|error| Error::new(ErrorKind::InvalidInput, error.to_string()))
}

fn exact(value: Value) -> Value {
    Value::Object([("exact".to_owned(), value)].into_iter().collect())
}

/// What cannot be added up is of two types.
fn as_type_error(error: Error) -> Error {
    if error.kind() == ErrorKind::ProviderProtocol { error.with_name("TypeError") } else { error }
}

fn each(messages: &[Value], tell: impl Fn(Given) -> Result<Value>) -> Result<Value> {
    messages.iter().map(|message| tell(Given::read(message)?)).collect()
}

fn whole(messages: &[Value]) -> Result<Vec<Message>> {
    messages.iter().map(|message| Ok(Given::read(message)?.whole())).collect()
}

/// The messages, pieces under a type of their own.
fn marked(messages: &[Value]) -> Result<Vec<Message>> {
    messages.iter().map(|message| Ok(with_own_type(Given::read(message)?.marked()))).collect()
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

fn trim(messages: &[Value], options: &TrimOptions) -> Result<Value> {
    let trim = Trim {
        max_tokens: options.max_tokens.try_into().unwrap_or(0),
        keep: match options.strategy {
            Strategy::First => Keep::First,
            Strategy::Last => Keep::Last,
        },
        include_system: options.include_system,
        allow_partial: options.allow_partial,
        start_on: options.start_on.as_ref().map(|types| roles(types.as_slice())).unwrap_or_default(),
        end_on: options.end_on.as_ref().map(|types| roles(types.as_slice())).unwrap_or_default(),
        ..Trim::default()
    };
    let kept = trim_messages(&marked(messages)?, &trim, |messages| match options.counter {
        TrimCounter::Count => count_messages(messages),
        TrimCounter::Words => count_words(messages),
        TrimCounter::Approximate => count_tokens(&with_roles(messages), &TokenEstimate::default()),
    })?;
    Ok(kept.iter().map(marked_json).collect())
}

fn filter(options: FilterOptions) -> MessageFilter {
    MessageFilter {
        include_names: options.include_names,
        exclude_names: options.exclude_names,
        include_roles: roles(&options.include_types),
        exclude_roles: roles(&options.exclude_types),
        include_ids: options.include_ids,
        exclude_ids: options.exclude_ids,
        exclude_tool_calls: match options.exclude_tool_calls {
            None | Some(ToolCallsOut::All(false)) => ExcludedCalls::None,
            Some(ToolCallsOut::All(true)) => ExcludedCalls::All,
            Some(ToolCallsOut::Ids(ids)) => ExcludedCalls::Ids(ids),
        },
    }
}

/// A piece goes on with an answer, but a whole answer does not go on with a piece that stands alone.
fn merge_runs(messages: &[Value], options: &RunOptions) -> Result<Value> {
    let mut merged: Vec<Message> = Vec::new();
    for message in messages {
        let message = Given::read(message)?.marked();
        match merged.pop() {
            Some(last) if was_piece(&last) && !was_piece(&message) => merged.extend([last, message]),
            last => {
                let pair: Vec<Message> = last.into_iter().chain([message]).collect();
                merged.append(&mut merge_message_runs(&pair, &options.chunk_separator)?);
            }
        }
    }
    Ok(merged.iter().map(marked_json).collect())
}

fn openai(options: &OpenAiOptions) -> OpenAiForm {
    OpenAiForm {
        text: match options.text_format {
            OpenAiTexts::String => OpenAiText::Text,
            OpenAiTexts::Block => OpenAiText::Blocks,
        },
        include_id: options.include_id,
        pass_unknown_blocks: options.pass_through_unknown_blocks,
    }
}

fn transcript(options: BufferOptions) -> Transcript {
    let own = Transcript::default();
    Transcript {
        human: options.human_prefix.unwrap_or(own.human),
        ai: options.ai_prefix.unwrap_or(own.ai),
        system: options.system_prefix.unwrap_or(own.system),
        function: options.function_prefix.unwrap_or(own.function),
        tool: options.tool_prefix.unwrap_or(own.tool),
        separator: options.message_separator.unwrap_or(own.separator),
        form: match options.format {
            Format::Prefix => TranscriptForm::Prefix,
            Format::Xml => TranscriptForm::Xml,
        },
    }
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
    Ok(exact(written))
}
