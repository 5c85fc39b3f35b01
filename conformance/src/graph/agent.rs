//! The events of a graph's run in the JSON of `astream_events` v3: the Agent Streaming Protocol as a program has it.

use millstream::graph::Mode;
use millstream::{Body, Event, Payload};
use millstream_protocol::agent_streaming::{AgentEvents, Form};
use millstream_protocol::stream_modes::{StateKeys, StreamItem, StreamModes, Version};
use serde_json::{Value, json};

use super::view;

/// Turns events into those of the protocol, one after the other.
pub(super) struct AgentView {
    /// Knows which states are told, and how much of them.
    values: StreamModes,
    fold: AgentEvents,
}

impl AgentView {
    /// The view of a run that is given `input`; none if it goes on.
    pub(super) fn new(keys: StateKeys, input: Option<&Value>) -> Self {
        let values = view::of_run([Mode::Values], keys, input).version(Version::V2).with_subgraphs();
        Self { values, fold: AgentEvents::new(Form::Program) }
    }

    /// What the stream yields for the event.
    pub(super) fn push(&mut self, event: &Event) -> Vec<Value> {
        let told = self.values.push(event);
        let shown = |state: &StreamItem| Payload::new(state.data.clone());
        let body = match (&event.body, told.first()) {
            (Body::Values { .. } | Body::Interrupted { .. }, None) => return Vec::new(),
            (Body::Values { .. }, Some(state)) => Body::Values { state: shown(state) },
            (Body::Interrupted { interrupts, .. }, Some(state)) => {
                Body::Interrupted { interrupts: interrupts.clone(), state: shown(state) }
            }
            _ => return self.see(event),
        };
        self.see(&Event::new(event.scope.clone(), body))
    }

    fn see(&mut self, event: &Event) -> Vec<Value> {
        self.fold.see(event).iter().map(|told| json!(told)).collect()
    }
}
