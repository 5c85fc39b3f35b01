//! What a conversation says of the calls of its model: which wait for a result, and results for those that will get none.

use std::borrow::Cow;
use std::collections::HashSet;

use millstream_core::{Block, Message, Role, ToolCall};

/// What a model hears of a call that nobody will answer.
const LOST: &str = "the call was not finished, and whether the tool did anything is not known";

/// The calls of the last message of the model that have no result yet.
pub(super) fn open_calls(messages: &[Message]) -> impl Iterator<Item = &ToolCall> {
    let last = last_said(messages);
    let answered = answered(&messages[last.map_or(messages.len(), |(place, _)| place)..]);
    let calls = last.into_iter().flat_map(|(_, message)| message.tool_calls());
    calls.filter(move |call| !answered.contains(call.id.as_str()))
}

/// The last message of the model, and where it is.
pub(super) fn last_said(messages: &[Message]) -> Option<(usize, &Message)> {
    messages.iter().enumerate().rev().find(|(_, message)| message.role == Role::Ai)
}

/// Whether a message asks for anything to be done.
pub(super) fn asks(message: &Message) -> bool {
    message.content.iter().any(|block| matches!(block, Block::ToolCall(_) | Block::InvalidToolCall { .. }))
}

fn answered(messages: &[Message]) -> HashSet<&str> {
    messages.iter().filter_map(|message| message.tool_call_id.as_deref()).collect()
}

/// The conversation in which every call has a result (R08): where a run was stopped or has failed, and where a call could not be read, one is put
/// behind the message that calls. Borrowed if there is nothing to add.
pub(super) fn whole(messages: &[Message]) -> Cow<'_, [Message]> {
    let mut added: Vec<(usize, Vec<Message>)> = Vec::new();
    for (place, message) in messages.iter().enumerate().filter(|(_, message)| asks(message)) {
        let after = &messages[place + 1..];
        // Results answer the calls before them, up to the next message of the model: some providers use an id again.
        let until = after.iter().position(|message| message.role == Role::Ai).unwrap_or(after.len());
        let missing = missing(message, &answered(&after[..until]));
        if !missing.is_empty() {
            // Behind the results that are there.
            let there = after.iter().take_while(|message| message.role == Role::Tool).count();
            added.push((place + 1 + there, missing));
        }
    }
    if added.is_empty() {
        return Cow::Borrowed(messages);
    }
    let mut whole = messages.to_vec();
    for (place, missing) in added.into_iter().rev() {
        whole.splice(place..place, missing);
    }
    Cow::Owned(whole)
}

/// Results for the calls of a message that are not answered.
fn missing(message: &Message, answered: &HashSet<&str>) -> Vec<Message> {
    let results = message.content.iter().filter_map(|block| match block {
        Block::ToolCall(call) if !answered.contains(call.id.as_str()) => {
            Some(Message::tool_failure(&call.id, &call.name, LOST))
        }
        Block::InvalidToolCall { id, name, error, .. } if !answered.contains(id.as_str()) => {
            Some(Message::tool_failure(id, name, error))
        }
        _ => None,
    });
    results.collect()
}
