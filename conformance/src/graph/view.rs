//! The events of a graph's run in the JSON of its stream modes: a fold over [`Event`]s.

use std::collections::{BTreeSet, HashMap};

use millstream::{Body, Chunk, Event, Finish, Interrupt, Part, Payload, Scope, ShownMessages, Task};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::snapshot;
use crate::message::Pieces;
use crate::model::STREAMED;
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
    /// Whether the run goes on where another has stopped, and has told no values yet.
    goes_on: bool,
    shown: ShownMessages,
    pieces: HashMap<Uuid, Pieces>,
}

impl StreamView {
    /// The view of a run that is given `input`; none if it goes on.
    pub(super) fn new(
        modes: &[String],
        subgraphs: bool,
        with_interrupts: bool,
        keys: Keys,
        input: Option<&Value>,
    ) -> Result<Self, Skip> {
        let known = ["values", "updates", "messages", "custom", "tasks", "checkpoints", "debug"];
        if let Some(mode) = modes.iter().find(|mode| !known.contains(&mode.as_str())) {
            return Err(unsupported(format!("the stream mode {mode}")));
        }
        let written = input.and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned().collect();
        let (modes, shown, pieces) = (modes.to_vec(), ShownMessages::default(), HashMap::new());
        let goes_on = input.is_none();
        Ok(Self { modes, subgraphs, with_interrupts, keys, written, goes_on, shown, pieces })
    }

    /// What the stream yields for the event.
    pub(super) fn push(&mut self, event: &Event) -> Vec<Value> {
        let scope = &*event.scope;
        let inside = !scope.namespace.is_empty();
        if inside && !self.subgraphs {
            return Vec::new();
        }
        if let Body::Updates { updates, .. } = &event.body
            && !inside
        {
            self.written.extend(writes_of(updates).into_iter().map(|(key, _)| key));
        }
        let told =
            self.data(event, inside).into_iter().filter(|(mode, ..)| self.modes.iter().any(|wanted| wanted == mode));
        told.map(|(mode, data, interrupts)| {
            let mut told = json!({"ns": scope.namespace, "mode": mode, "data": data});
            if self.with_interrupts && mode == "values" {
                told["interrupts"] = json!(interrupts);
            }
            told
        })
        .collect()
    }

    fn data(&mut self, event: &Event, inside: bool) -> Vec<(&'static str, Value, Vec<Interrupt>)> {
        let scope = &*event.scope;
        let one = |mode, data| vec![(mode, data, Vec::new())];
        match &event.body {
            Body::Values { state } => self.values(state, inside).map(|data| one("values", data)).unwrap_or_default(),
            Body::Updates { node, updates, cached } => {
                let mut told = json!({ &**node: self.updates(&writes_of(updates), inside) });
                if *cached {
                    told["__metadata__"] = json!({ "cached": true });
                }
                one("updates", told)
            }
            Body::Interrupted { interrupts, state } => {
                let mut told = one("updates", json!({ "__interrupt__": interrupts }));
                // At a breakpoint nothing is asked, and the values are as they were told.
                if !interrupts.is_empty() {
                    told.push(("values", self.interrupted(interrupts, state, inside), interrupts.clone()));
                }
                told
            }
            Body::Message { chunk } if self.shown.shows(event) => {
                self.message(scope, chunk).map(|data| one("messages", data)).unwrap_or_default()
            }
            Body::MessageReturned { message } if self.shown.shows(event) => {
                one("messages", json!([message.json(), scope.metadata]))
            }
            Body::Custom { value } => one("custom", value.clone()),
            Body::TaskStarted { task, input } => {
                let mut told =
                    json!({"id": task.id, "name": &*task.name, "input": input.json(), "triggers": task.triggers});
                let metadata = task_metadata(scope, task);
                if !metadata.is_empty() {
                    told["metadata"] = Value::Object(metadata);
                }
                with_debug("tasks", "task", task.step, told)
            }
            Body::TaskFinished { task, result, error, interrupts } => {
                let writes: Vec<_> =
                    writes_of(result).into_iter().filter(|(key, _)| inside || self.is_channel(key)).collect();
                let told = json!({
                    "id": task.id, "name": &*task.name, "error": error.as_ref().map(task_failure),
                    "result": snapshot::result_of(&writes), "interrupts": interrupts,
                });
                with_debug("tasks", "task_result", task.step, told)
            }
            Body::Checkpoint(checkpoint) => {
                with_debug("checkpoints", "checkpoint", checkpoint.step, snapshot::event(checkpoint))
            }
            _ => Vec::new(),
        }
    }

    /// The values while somebody is waited for.
    fn interrupted(&self, interrupts: &[Interrupt], state: &Payload, inside: bool) -> Value {
        let mut told = match &self.keys {
            Keys::One(_) if !inside => json!({}),
            _ if inside => state.json(),
            keys => keys.shown(&state.json()),
        };
        if let (false, Some(fields)) = (self.with_interrupts, told.as_object_mut()) {
            fields.insert("__interrupt__".to_owned(), json!(interrupts));
        }
        told
    }

    fn is_channel(&self, key: &str) -> bool {
        match &self.keys {
            Keys::All(keys) => keys.contains(key),
            _ => true,
        }
    }

    fn values(&mut self, state: &Payload, inside: bool) -> Option<Value> {
        if inside {
            return Some(state.json());
        }
        let goes_on = std::mem::take(&mut self.goes_on);
        let written = std::mem::take(&mut self.written);
        // The engine has looked whether anything was written; here it is about the keys that are told.
        let told = goes_on || matches!(self.keys, Keys::All(_)) || written.iter().any(|key| self.keys.contains(key));
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

    fn message(&mut self, scope: &Scope, chunk: &Chunk) -> Option<Value> {
        // The reference does not end a message whose model failed.
        if let Some(Part::End { finish: Finish::Failed | Finish::Cancelled | Finish::Truncated, .. }) = chunk.last() {
            return None;
        }
        let message = self.pieces.entry(scope.run_id).or_default().json(chunk);
        let mut metadata = scope.metadata.clone();
        metadata.remove(STREAMED);
        let tags: Vec<&String> = scope.tags.iter().filter(|tag| !tag.starts_with("seq:step")).collect();
        if !tags.is_empty() {
            metadata.insert("tags".to_owned(), json!(tags));
        }
        Some(json!([message, metadata]))
    }
}

/// The same twice: on its own, and wrapped for the mode debug.
fn with_debug(mode: &'static str, kind: &str, step: i64, told: Value) -> Vec<(&'static str, Value, Vec<Interrupt>)> {
    let wrapped = json!({ "step": step, "type": kind, "payload": told });
    vec![(mode, told, Vec::new()), ("debug", wrapped, Vec::new())]
}

/// What somebody who wrote the graph, or started the run, says of a task.
fn task_metadata(scope: &Scope, task: &Task) -> Map<String, Value> {
    let known = |key: &str| key.starts_with("langgraph_") || key == "thread_id" || key.starts_with("checkpoint_");
    let mut metadata: Map<String, Value> =
        scope.metadata.iter().filter(|(key, _)| !known(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    metadata.extend(task.metadata.clone());
    let tags: Vec<&String> = scope.tags.iter().filter(|tag| !tag.starts_with("seq:step")).collect();
    if !tags.is_empty() {
        metadata.insert("tags".to_owned(), json!(tags));
    }
    metadata
}

/// The keys that updates write, and what, one after the other.
pub(super) fn writes_of(updates: &[Payload]) -> Vec<(String, Value)> {
    let objects = updates.iter().filter_map(|update| match update.json() {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    objects.flatten().collect()
}
