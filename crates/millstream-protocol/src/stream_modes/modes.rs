use std::collections::{BTreeSet, HashMap};

use millstream_core::{
    Body, Channels, Chunk, Event, Finish, Interrupt, Part, Payload, Scope, ShownMessages, Task, TaskError,
};
use millstream_graph::Mode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::checkpoint::checkpoint;
use super::writes::writes;
use super::{MessagePieces, StateKeys, StreamItem, Version, task_result};

/// How the failure of a task is written.
pub type ErrorForm = fn(&TaskError) -> Value;

/// Turns the events of a run into what its stream yields.
///
/// Each event is looked at once. What a mode says is made only if the mode is watched; a chunk of a message costs what the chunk is long,
/// however long the message has become.
///
/// ```
/// use futures_util::StreamExt;
/// use millstream_core::Cx;
/// use millstream_graph::{JsonKind, JsonUpdate, Mode, START, Schema, StateGraph};
/// use millstream_protocol::stream_modes::StreamModes;
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let add = |_, cx: Cx| async move {
///     cx.write("half way").await?;
///     Ok(JsonUpdate::new().with("n", 1))
/// };
/// let keys = [("n", JsonKind::Sum)];
/// let graph = StateGraph::with_schema(Schema::json(keys)).node("add", add).edge(START, "add").compile()?;
///
/// let mut view = StreamModes::new([Mode::Updates, Mode::Custom]);
/// let mut events = graph.run(JsonKind::initial_state(keys)).events_of(view.channels());
/// let mut told = Vec::new();
/// while let Some(event) = events.next().await {
///     told.extend(view.push(&event?).iter().map(|item| item.tuple()));
/// }
/// assert_eq!(told, [json!([[], "custom", "half way"]), json!([[], "updates", { "add": { "n": 1 } }])]);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct StreamModes {
    modes: Vec<Mode>,
    subgraphs: bool,
    version: Version,
    keys: StateKeys,
    error_form: ErrorForm,
    /// The keys of the outermost graph that were written since its values were told.
    written: BTreeSet<String>,
    /// Whether the next values are told whatever was written.
    goes_on: bool,
    shown: ShownMessages,
    messages: HashMap<Uuid, MessagePieces>,
}

impl StreamModes {
    /// What a stream with these modes yields of a run that goes on, or whose input wrote all keys: see [`input`](Self::input).
    #[must_use]
    pub fn new(modes: impl IntoIterator<Item = Mode>) -> Self {
        Self {
            modes: modes.into_iter().collect(),
            subgraphs: false,
            version: Version::default(),
            keys: StateKeys::default(),
            error_form: plain_error,
            written: BTreeSet::new(),
            goes_on: true,
            shown: ShownMessages::default(),
            messages: HashMap::new(),
        }
    }

    /// Graphs inside are told too.
    #[must_use]
    pub fn with_subgraphs(mut self) -> Self {
        self.subgraphs = true;
        self
    }

    /// Where values say what is asked.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Tells only these keys of the outermost graph's state.
    #[must_use]
    pub fn keys(mut self, keys: StateKeys) -> Self {
        self.keys = keys;
        self
    }

    /// The run begins with this input: its values are told first only if it writes a key that is told.
    #[must_use]
    pub fn input(mut self, input: &Value) -> Self {
        self.goes_on = false;
        self.written = input.as_object().into_iter().flat_map(Map::keys).cloned().collect();
        self
    }

    /// How failures of tasks are written, if not as `{"type","message"}`, which tells whoever runs the graph all: a server that has
    /// clients of its own tells them less.
    #[must_use]
    pub fn error_form(mut self, form: ErrorForm) -> Self {
        self.error_form = form;
        self
    }

    /// What it has to see of the run: what is left out of a run's events is not made, and costs nothing.
    #[must_use]
    pub fn channels(&self) -> Channels {
        // Who is told some keys is told values when one of those was written.
        let updates = if self.keys == StateKeys::All { Channels::NONE } else { Channels::UPDATES };
        self.modes.iter().fold(updates, |all, mode| all | mode.channels())
    }

    /// What the stream yields for the event: nothing, or an item for each mode that says something.
    pub fn push(&mut self, event: &Event) -> Vec<StreamItem> {
        let inside = !event.scope.namespace.is_empty();
        if inside && !self.subgraphs {
            return Vec::new();
        }
        if let (false, Body::Updates { updates, .. }) = (inside || self.keys == StateKeys::All, &event.body) {
            self.written.extend(writes(updates).map(|(key, _)| key));
        }
        let mut told = self.data(event, inside);
        told.retain(|item| self.modes.contains(&item.mode));
        told
    }

    fn watches(&self, modes: &[Mode]) -> bool {
        modes.iter().any(|mode| self.modes.contains(mode))
    }

    fn data(&mut self, event: &Event, inside: bool) -> Vec<StreamItem> {
        let scope = &*event.scope;
        let item = |mode, data| {
            let (namespace, interrupts) = (scope.namespace.clone(), Vec::new());
            StreamItem { namespace, mode, data, interrupts }
        };
        // The same twice: on its own, and wrapped for the mode debug.
        let with_debug = |mode, kind: &str, step: i64, data: Value| {
            let wrapped = json!({ "step": step, "type": kind, "payload": data });
            vec![item(mode, data), item(Mode::Debug, wrapped)]
        };
        match &event.body {
            Body::Values { state } if self.watches(&[Mode::Values]) => {
                self.values(state, inside).map(|data| vec![item(Mode::Values, data)]).unwrap_or_default()
            }
            Body::Updates { node, updates, cached } if self.watches(&[Mode::Updates]) => {
                let mut told = json!({ &**node: self.updates(updates, inside) });
                if *cached {
                    told["__metadata__"] = json!({ "cached": true });
                }
                vec![item(Mode::Updates, told)]
            }
            Body::Interrupted { interrupts, state } => {
                let mut told = vec![item(Mode::Updates, json!({ "__interrupt__": interrupts }))];
                // At a breakpoint nothing is asked, and the values are as they were told.
                if !interrupts.is_empty() {
                    let mut values = item(Mode::Values, self.interrupted(interrupts, state, inside));
                    if self.version == Version::V2 {
                        values.interrupts.clone_from(interrupts);
                    }
                    told.push(values);
                }
                told
            }
            Body::Message { chunk } if self.watches(&[Mode::Messages]) && self.shown.shows(event) => {
                self.message(scope, chunk).map(|data| vec![item(Mode::Messages, data)]).unwrap_or_default()
            }
            Body::MessageReturned { message } if self.watches(&[Mode::Messages]) && self.shown.shows(event) => {
                vec![item(Mode::Messages, json!([message.json(), scope.metadata]))]
            }
            Body::Custom { value } => vec![item(Mode::Custom, value.clone())],
            Body::TaskStarted { task, input } if self.watches(&[Mode::Tasks, Mode::Debug]) => {
                let mut told =
                    json!({"id": task.id, "name": &*task.name, "input": input.json(), "triggers": task.triggers});
                let metadata = task_metadata(scope, task);
                if !metadata.is_empty() {
                    told["metadata"] = Value::Object(metadata);
                }
                with_debug(Mode::Tasks, "task", task.step, told)
            }
            Body::TaskFinished { task, result, error, interrupts } if self.watches(&[Mode::Tasks, Mode::Debug]) => {
                let told = json!({
                    "id": task.id, "name": &*task.name, "error": error.as_deref().map(self.error_form),
                    "result": task_result(result), "interrupts": interrupts,
                });
                with_debug(Mode::Tasks, "task_result", task.step, told)
            }
            Body::Checkpoint(event) if self.watches(&[Mode::Checkpoints, Mode::Debug]) => {
                with_debug(Mode::Checkpoints, "checkpoint", event.step, checkpoint(event, self.error_form))
            }
            _ => Vec::new(),
        }
    }

    /// The values while somebody is waited for.
    fn interrupted(&self, interrupts: &[Interrupt], state: &Payload, inside: bool) -> Value {
        let mut told = match &self.keys {
            StateKeys::One(_) if !inside => json!({}),
            _ if inside => state.json(),
            keys => keys.shown(state.json()),
        };
        if let (Version::V1, Some(fields)) = (self.version, told.as_object_mut()) {
            fields.insert("__interrupt__".to_owned(), json!(interrupts));
        }
        told
    }

    fn values(&mut self, state: &Payload, inside: bool) -> Option<Value> {
        if inside || self.keys == StateKeys::All {
            return Some(state.json());
        }
        let goes_on = std::mem::take(&mut self.goes_on);
        let written = std::mem::take(&mut self.written);
        // The engine has looked whether anything was written; here it is about the keys that are told.
        let told = goes_on || written.iter().any(|key| self.keys.contains(key));
        told.then(|| self.keys.shown(state.json()))
    }

    /// What a node wrote: one object, or one for each write if it wrote a key more than once.
    fn updates(&self, updates: &[Payload], inside: bool) -> Value {
        let told: Vec<_> = writes(updates).filter(|(key, _)| inside || self.keys.contains(key)).collect();
        let different: BTreeSet<&String> = told.iter().map(|(key, _)| key).collect();
        let mut items: Vec<Value> = match &self.keys {
            StateKeys::One(_) if !inside => told.into_iter().map(|(_, value)| value).collect(),
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
        let message = self.messages.entry(scope.run_id).or_default().push(chunk);
        if let Some(Part::End { finish, .. }) = chunk.last() {
            self.messages.remove(&scope.run_id);
            // LangGraph does not end a message whose model failed.
            if matches!(finish, Finish::Failed | Finish::Cancelled | Finish::Truncated) {
                return None;
            }
        }
        let mut metadata = scope.metadata.clone();
        if let Some(tags) = tags_of(scope) {
            metadata.insert("tags".to_owned(), tags);
        }
        Some(json!([message, metadata]))
    }
}

fn plain_error(error: &TaskError) -> Value {
    json!({ "type": error.name.as_deref().unwrap_or(&error.code), "message": error.message })
}

/// What somebody who wrote the graph, or started the run, says of a task.
fn task_metadata(scope: &Scope, task: &Task) -> Map<String, Value> {
    let known = |key: &str| key.starts_with("langgraph_") || key == "thread_id" || key.starts_with("checkpoint_");
    let mut metadata: Map<String, Value> =
        scope.metadata.iter().filter(|(key, _)| !known(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    metadata.extend(task.metadata.clone());
    if let Some(tags) = tags_of(scope) {
        metadata.insert("tags".to_owned(), tags);
    }
    metadata
}

/// The tags that somebody chose: not the places in chains.
fn tags_of(scope: &Scope) -> Option<Value> {
    let tags: Vec<&String> = scope.tags.iter().filter(|tag| !tag.starts_with("seq:step")).collect();
    (!tags.is_empty()).then(|| json!(tags))
}
