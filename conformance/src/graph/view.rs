//! The events of a graph's run in the JSON of its stream modes: a fold over [`Event`]s.

use std::collections::{BTreeSet, HashMap};

use millstream::graph::ShownMessages;
use millstream::{Body, Chunk, Event, Finish, Part, Payload, Scope};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::message::Pieces;
use crate::outcome::{Skip, task_failure, unsupported};

/// The keys of a state that are told.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    /// All that the graph has.
    All(BTreeSet<String>),
    /// These.
    Some(Vec<String>),
    /// The value of this one, without its name.
    One(String),
}

impl Keys {
    fn contains(&self, key: &str) -> bool {
        match self {
            Self::All(keys) => keys.contains(key),
            Self::Some(keys) => keys.iter().any(|known| known == key),
            Self::One(known) => known == key,
        }
    }

    /// A state as far as it is told.
    pub(super) fn shown(&self, state: &Value) -> Value {
        match self {
            Self::One(key) => state.get(key).cloned().unwrap_or_default(),
            _ => {
                let fields = state.as_object().into_iter().flatten().filter(|(key, _)| self.contains(key));
                Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
            }
        }
    }
}

/// Turns events into what a stream yields, one after the other.
#[derive(Debug)]
pub(super) struct StreamView {
    modes: Vec<String>,
    subgraphs: bool,
    with_interrupts: bool,
    keys: Keys,
    /// The keys of the outermost graph that were written since its values were told.
    written: BTreeSet<String>,
    shown: ShownMessages,
    pieces: HashMap<Uuid, Pieces>,
}

impl StreamView {
    /// The view of a run that is given `input`.
    pub(super) fn new(
        modes: &[String],
        subgraphs: bool,
        with_interrupts: bool,
        keys: Keys,
        input: &Value,
    ) -> Result<Self, Skip> {
        let known = ["values", "updates", "messages", "custom", "tasks"];
        if let Some(mode) = modes.iter().find(|mode| !known.contains(&mode.as_str())) {
            return Err(unsupported(format!("the stream mode {mode}")));
        }
        let written = input.as_object().into_iter().flat_map(Map::keys).cloned().collect();
        let (modes, shown, pieces) = (modes.to_vec(), ShownMessages::default(), HashMap::new());
        Ok(Self { modes, subgraphs, with_interrupts, keys, written, shown, pieces })
    }

    /// What the stream yields for the event.
    pub(super) fn push(&mut self, event: &Event) -> Option<Value> {
        let scope = &*event.scope;
        let inside = !scope.namespace.is_empty();
        if inside && !self.subgraphs {
            return None;
        }
        if let Body::Updates { updates, .. } = &event.body
            && !inside
        {
            self.written.extend(writes_of(updates).into_iter().map(|(key, _)| key));
        }
        let (mode, data) = match &event.body {
            Body::Values { state } => ("values", self.values(state, inside)?),
            Body::Updates { node, updates } => {
                ("updates", json!({ &**node: self.updates(&writes_of(updates), inside) }))
            }
            Body::Message { chunk } if self.shown.shows(event) => ("messages", self.message(scope, chunk)?),
            Body::MessageReturned { message } if self.shown.shows(event) => {
                ("messages", json!([message.json(), scope.metadata]))
            }
            Body::Custom { value } => ("custom", value.clone()),
            Body::TaskStarted { task, input } => {
                let triggers = &task.triggers;
                let started = json!({"id": task.id, "name": &*task.name, "input": input.json(), "triggers": triggers});
                ("tasks", started)
            }
            Body::TaskFinished { task, result, error } => {
                let error = error.as_ref().map(task_failure);
                let result = self.result(&writes_of(result), inside);
                let (id, name) = (task.id, &*task.name);
                ("tasks", json!({"id": id, "name": name, "error": error, "result": result, "interrupts": []}))
            }
            _ => return None,
        };
        if !self.modes.iter().any(|wanted| wanted == mode) {
            return None;
        }
        let mut told = json!({"ns": scope.namespace, "mode": mode, "data": data});
        if self.with_interrupts && mode == "values" {
            told["interrupts"] = json!([]);
        }
        Some(told)
    }

    fn values(&mut self, state: &Payload, inside: bool) -> Option<Value> {
        if inside {
            return Some(state.json());
        }
        let told = std::mem::take(&mut self.written).iter().any(|key| self.keys.contains(key));
        told.then(|| self.keys.shown(&state.json()))
    }

    /// What a node wrote: one object, or one for each write if it wrote a key more than once.
    fn updates(&self, writes: &[(String, Value)], inside: bool) -> Value {
        let told: Vec<_> = writes.iter().filter(|(key, _)| inside || self.keys.contains(key)).cloned().collect();
        let different: BTreeSet<&String> = told.iter().map(|(key, _)| key).collect();
        let mut items: Vec<Value> = match &self.keys {
            Keys::One(_) if !inside => told.into_iter().map(|(_, value)| value).collect(),
            _ if told.is_empty() => Vec::new(),
            _ if different.len() == told.len() => vec![Value::Object(told.into_iter().collect())],
            _ => told.into_iter().map(|(key, value)| json!({ key: value })).collect(),
        };
        match items.len() {
            0 => Value::Null,
            1 => items.remove(0),
            _ => Value::Array(items),
        }
    }

    fn result(&self, writes: &[(String, Value)], inside: bool) -> Value {
        let mut result: Map<String, Value> = Map::new();
        for (key, value) in writes.iter().filter(|(key, _)| inside || self.keys.contains(key)) {
            let same: Vec<&Value> = writes.iter().filter(|(other, _)| other == key).map(|(_, value)| value).collect();
            let told = if same.len() > 1 { json!({ "$writes": same }) } else { value.clone() };
            result.insert(key.clone(), told);
        }
        Value::Object(result)
    }

    fn message(&mut self, scope: &Scope, chunk: &Chunk) -> Option<Value> {
        // The reference does not end a message whose model failed.
        if let Some(Part::End { finish: Finish::Failed | Finish::Cancelled | Finish::Truncated, .. }) = chunk.last() {
            return None;
        }
        let message = self.pieces.entry(scope.run_id).or_default().json(chunk);
        let mut metadata = scope.metadata.clone();
        let tags: Vec<&String> = scope.tags.iter().filter(|tag| !tag.starts_with("seq:step")).collect();
        if !tags.is_empty() {
            metadata.insert("tags".to_owned(), json!(tags));
        }
        Some(json!([message, metadata]))
    }
}

/// The keys that updates write, and what, one after the other.
fn writes_of(updates: &[Payload]) -> Vec<(String, Value)> {
    let objects = updates.iter().filter_map(|update| match update.json() {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    objects.flatten().collect()
}
