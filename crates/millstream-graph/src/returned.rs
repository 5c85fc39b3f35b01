//! Messages that nodes return: those that no model told are told whole (R18).

use std::collections::HashSet;

use millstream_core::{Body, Channels, Cx, Payload, Result};
use serde_json::Value;

use crate::answer::Sent;
use crate::tell::Tell;

/// The messages that are in a graph's state, or were: nodes that return one of these do not say anything new.
#[derive(Debug, Default)]
pub(crate) struct Returned(HashSet<String>);

impl Returned {
    /// Takes note of the messages in a state, or in an input.
    pub(crate) fn know(&mut self, tell: &Tell, state: &Payload) {
        if tell.cx().wants(Channels::MESSAGES) {
            self.0.extend(messages_in(state).iter().filter_map(id_of));
        }
    }

    /// Tells the messages in `updates` that are new, also to the node if it was `sent` something.
    pub(crate) async fn tell(&mut self, cx: &Cx, sent: Option<&Sent>, updates: &[Payload]) -> Result<()> {
        if !cx.wants(Channels::MESSAGES) {
            return Ok(());
        }
        let found: Vec<Value> = updates.iter().flat_map(messages_in).collect();
        if let (Some(Sent::State(sent)), false) = (sent, found.is_empty()) {
            self.0.extend(messages_in(sent).iter().filter_map(id_of));
        }
        for message in found {
            if id_of(&message).is_none_or(|id| self.0.insert(id)) {
                cx.emit(Body::MessageReturned { message: Payload::new(message) }).await?;
            }
        }
        Ok(())
    }
}

fn id_of(message: &Value) -> Option<String> {
    message.get("id")?.as_str().map(str::to_owned)
}

/// The messages that are fields of an object, or in lists that are.
fn messages_in(value: &Payload) -> Vec<Value> {
    let Ok(Value::Object(fields)) = value.try_json() else { return Vec::new() };
    let items = fields.into_iter().flat_map(|(_, field)| match field {
        Value::Array(items) => items,
        one => vec![one],
    });
    items.filter(is_message).collect()
}

fn is_message(value: &Value) -> bool {
    let known = ["human", "ai", "system", "tool", "function", "chat", "remove", "AIMessageChunk"];
    value.get("content").is_some()
        && value.get("type").and_then(Value::as_str).is_some_and(|kind| known.contains(&kind))
}
