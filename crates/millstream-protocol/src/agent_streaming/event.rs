//! What one event of the protocol says.

use std::borrow::Cow;
use std::sync::Arc;

use millstream_core::{Interrupt, Metadata};
use serde::Serialize;
use serde_json::Value;

use super::message::MessageData;

/// One event of the protocol.
///
/// A server adds what is about its connection: an `event_id`, and the time in `params`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename = "event")]
pub struct ProtocolEvent<'a> {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// What kind of event it is.
    pub method: Method,
    /// What it says.
    pub params: Params<'a>,
}

/// What an event says, and where it happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Params<'a> {
    /// The graphs around it, outermost first: `node:task` each.
    pub namespace: Cow<'a, [String]>,
    /// What it says.
    pub data: Data<'a>,
    /// What a person is asked; only with `values`, and only in a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupts: Option<&'a [Interrupt]>,
}

/// The kinds of events, which are also the channels that a client subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// A graph begins or ends.
    Lifecycle,
    /// A state.
    Values,
    /// What a node changes.
    Updates,
    /// A message of a model goes on.
    Messages,
    /// A tool runs.
    Tools,
    /// What user code wrote.
    Custom,
    /// A task of a superstep.
    Tasks,
    /// A person is asked something; its channel is `input`.
    #[serde(rename = "input.requested")]
    InputRequested,
    /// A graph's state was saved.
    Checkpoints,
}

/// The data of an event. What a token needs is borrowed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Data<'a> {
    /// A step of a message.
    Message(MessageData<'a>),
    /// A step of a message, and what is known of the model that says it.
    Attributed(MessageData<'a>, Arc<Metadata>),
    /// Anything else.
    Json(Value),
}
