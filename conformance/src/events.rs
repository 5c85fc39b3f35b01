//! The events of a run in the JSON of `astream_events` v2: a fold over [`Event`]s.

use std::collections::HashMap;
use std::sync::Arc;

use millstream::{Body, Chunk, Event, Kind, Message, Scope, TaskError};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::case::Filter;
use crate::message::{Pieces, message_json, piece_of_message};
use crate::model::STREAMED;
use crate::outcome::task_failure;

/// Turns events into their familiar JSON, one after the other.
#[derive(Debug)]
pub struct EventsView {
    /// What the run was given: the first event that is told shows it.
    input: Value,
    filter: Filter,
    first: Option<Uuid>,
    runs: HashMap<Uuid, Execution>,
    /// Steps of invoked sequences that have begun before the step before them has ended, by the sequence.
    held: HashMap<Uuid, Vec<Arc<Scope>>>,
}

/// What is known of one execution.
#[derive(Debug, Default)]
struct Execution {
    /// Whether it is a node of a graph, or inside one.
    in_node: bool,
    /// Whether it is inside a node: there everything is invoked, so that nothing but models gives pieces.
    invoked: bool,
    input: Option<Value>,
    /// The call that a tool answers.
    call: Option<String>,
    /// The pieces of the message that it streams.
    pieces: Pieces,
    /// What its last step gave, which is what its next step takes.
    last_output: Option<Value>,
}

impl EventsView {
    /// The view of a run that was given `input`.
    pub fn new(input: &Value, filter: Filter) -> Self {
        Self { input: shown(input), filter, first: None, runs: HashMap::new(), held: HashMap::new() }
    }

    /// The event as JSON, unless it has no such form or is not wanted.
    pub fn push(&mut self, event: &Event) -> Vec<Value> {
        self.enter(&event.scope);
        let scope = &*event.scope;
        let parent = scope.parent_ids.last().copied();
        match (&event.body, parent) {
            // Of what is invoked a step begins when the one before has ended.
            (Body::RunnableStarted { input: None }, Some(parent)) if self.run(scope).invoked => {
                self.held.entry(parent).or_default().push(event.scope.clone());
                Vec::new()
            }
            (Body::RunnableFinished { .. }, Some(parent)) => {
                let mut told: Vec<Value> = self.one(scope, &event.body).into_iter().collect();
                let given = self.runs.get(&parent).and_then(|outer| outer.last_output.clone());
                for held in self.held.remove(&parent).into_iter().flatten() {
                    told.extend(self.one(&held, &Body::RunnableStarted { input: given.clone() }));
                }
                told
            }
            (body, _) => self.one(scope, body).into_iter().collect(),
        }
    }

    fn one(&mut self, scope: &Scope, body: &Body) -> Option<Value> {
        if let Body::Dispatched { name, data } = body {
            return self.dispatched(scope, name, data);
        }
        let (name, data) = match body {
            Body::RunnableStarted { input } => self.started(scope, input.as_ref()),
            Body::Message { chunk } => self.message(scope, chunk)?,
            Body::RunnableChunk { chunk } => self.chunk(scope, chunk)?,
            Body::RunnableFinished { output } => self.finished(scope, output),
            Body::RunnableFailed { error } => self.failed(scope, error),
            Body::ToolStarted { call } => {
                self.run(scope).call = Some(call.id.clone()).filter(|id| !id.is_empty());
                return None;
            }
            _ => return None,
        };
        self.tell(scope, name, data)
    }

    /// Takes note of who speaks.
    fn enter(&mut self, scope: &Scope) {
        if self.runs.contains_key(&scope.run_id) {
            return;
        }
        let outer = scope.parent_ids.last().and_then(|parent| self.runs.get(parent));
        let execution = Execution {
            in_node: scope.node.is_some(),
            invoked: outer.is_some_and(|outer| outer.in_node),
            ..Execution::default()
        };
        self.runs.insert(scope.run_id, execution);
    }

    fn run(&mut self, scope: &Scope) -> &mut Execution {
        self.runs.entry(scope.run_id).or_default()
    }

    fn started(&mut self, scope: &Scope, input: Option<&Value>) -> (&'static str, Value) {
        let input = input.map(|input| match scope.kind {
            Kind::ChatModel => json!({ "messages": [messages(input).unwrap_or_default()] }),
            _ => shown(input),
        });
        self.run(scope).input.clone_from(&input);
        ("start", input.map_or_else(|| json!({}), |input| json!({ "input": input })))
    }

    fn message(&mut self, scope: &Scope, chunk: &Chunk) -> Option<(&'static str, Value)> {
        let piece = self.run(scope).pieces.json(chunk);
        let is_chunk = piece["type"] == "AIMessageChunk";
        is_chunk.then(|| ("stream", json!({ "chunk": piece })))
    }

    fn chunk(&mut self, scope: &Scope, chunk: &Value) -> Option<(&'static str, Value)> {
        // What a prompt gives is never in pieces.
        if scope.kind == Kind::Prompt {
            return None;
        }
        let run = self.run(scope);
        if run.invoked {
            return None;
        }
        let piece = match parts(chunk) {
            Some(parts) => run.pieces.json(&parts),
            None => shown(chunk),
        };
        Some(("stream", json!({ "chunk": piece })))
    }

    fn finished(&mut self, scope: &Scope, output: &Value) -> (&'static str, Value) {
        let parent = scope.parent_ids.last().copied();
        let before = parent.and_then(|parent| self.runs.get(&parent)?.last_output.clone());
        let run = self.run(scope);
        // What is invoked gives a message, what is streamed the sum of its pieces.
        let is_streamed = !run.invoked || scope.metadata.contains_key(STREAMED);
        let whole =
            run.pieces.take_sum().or_else(|| run.last_output.take()).filter(|_| is_message(output) && is_streamed);
        let whole = whole.unwrap_or_else(|| match scope.kind {
            Kind::Prompt => messages(output).map_or_else(|| output.clone(), |messages| json!({ "messages": messages })),
            _ => shown(output),
        });
        let input = run.input.take().or(before);
        if let Some(outer) = parent.and_then(|parent| self.runs.get_mut(&parent)) {
            outer.last_output = Some(whole.clone());
        }
        let mut output = whole;
        if let (Kind::ChatModel, Some(fields)) = (scope.kind, output.as_object_mut()) {
            fields.remove("chunk_position");
        }
        let mut data = json!({ "output": output });
        if let Some(input) = input.filter(|_| parent.is_some()) {
            data["input"] = input;
        }
        ("end", data)
    }

    /// Told of tools alone.
    fn failed(&mut self, scope: &Scope, error: &TaskError) -> (&'static str, Value) {
        let run = self.run(scope);
        let (input, call) = (run.input.take(), run.call.take());
        ("error", json!({ "error": task_failure(error), "input": input, "tool_call_id": call }))
    }

    /// A custom event is the word of whatever dispatched it, under a name of its own, which is its type too.
    fn dispatched(&mut self, scope: &Scope, name: &str, data: &Value) -> Option<Value> {
        let tags: Vec<String> = scope.tags.iter().filter(|tag| !tag.starts_with("graph:step:")).cloned().collect();
        if !wanted(&self.filter, name, name, &tags) {
            return None;
        }
        let mut data = data.clone();
        if self.first.is_none() {
            self.first = Some(scope.run_id);
            if let Some(fields) = data.as_object_mut() {
                fields.insert("input".to_owned(), self.input.clone());
            }
        }
        Some(json!({
            "event": "on_custom_event",
            "name": name,
            "run_id": scope.run_id,
            "parent_ids": &*scope.parent_ids,
            "tags": tags,
            "metadata": scope.metadata,
            "data": data,
        }))
    }

    fn tell(&mut self, scope: &Scope, name: &str, mut data: Value) -> Option<Value> {
        let kind = match scope.kind {
            Kind::Prompt => "prompt",
            Kind::ChatModel => "chat_model",
            Kind::Parser => "parser",
            Kind::Tool => "tool",
            _ => "chain",
        };
        if !wanted(&self.filter, &scope.name, kind, &scope.tags) {
            return None;
        }
        if self.first.is_none() {
            self.first = Some(scope.run_id);
            data["input"] = self.input.clone();
        } else if let (true, "end", Some(fields)) = (self.first == Some(scope.run_id), name, data.as_object_mut()) {
            fields.remove("input");
        }
        let mut metadata = scope.metadata.clone();
        metadata.remove(STREAMED);
        Some(json!({
            "event": format!("on_{kind}_{name}"),
            "name": &*scope.name,
            "run_id": scope.run_id,
            "parent_ids": &*scope.parent_ids,
            "tags": scope.tags,
            "metadata": metadata,
            "data": data,
        }))
    }
}

/// Whether a filter lets an event through: any of the inclusions, and none of the exclusions.
fn wanted(filter: &Filter, name: &str, kind: &str, tags: &[String]) -> bool {
    let has =
        |list: &Option<Vec<String>>, text: &str| list.as_ref().is_some_and(|list| list.iter().any(|item| item == text));
    let open = [&filter.include_names, &filter.include_types, &filter.include_tags].iter().all(|list| list.is_none());
    let included = open
        || has(&filter.include_names, name)
        || has(&filter.include_types, kind)
        || tags.iter().any(|tag| has(&filter.include_tags, tag));
    let excluded = has(&filter.exclude_names, name)
        || has(&filter.exclude_types, kind)
        || tags.iter().any(|tag| has(&filter.exclude_tags, tag));
    included && !excluded
}

/// The parts of a piece of a message, if a value is that.
fn parts(value: &Value) -> Option<Chunk> {
    let items = value.as_array()?;
    let are_parts = !items.is_empty() && items.iter().all(|item| item.get("part").is_some());
    are_parts.then(|| serde_json::from_value(value.clone()).ok()).flatten()
}

fn is_message(value: &Value) -> bool {
    value.get("type").is_some() && value.get("content").is_some()
}

/// Messages as outputs write them, if a value is a conversation.
fn messages(value: &Value) -> Option<Vec<Value>> {
    let items = value.as_array()?;
    items.iter().map(message).collect()
}

/// A message, or a piece of one, as outputs write it, if a value is that.
fn message(value: &Value) -> Option<Value> {
    if value["type"] == "AIMessageChunk" {
        return Some(piece_of_message(value.clone()));
    }
    let read = || serde_json::from_value::<Message>(value.clone()).ok();
    is_message(value).then(read).flatten().map(|message| message_json(&message))
}

/// A value as outputs write it.
fn shown(value: &Value) -> Value {
    match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(is_message) => {
            messages(value).map_or_else(|| value.clone(), |messages| json!({ "messages": messages }))
        }
        value if is_message(value) => message(value).unwrap_or_else(|| value.clone()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, field)| (name.clone(), kept(field))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// A value inside an object: a list of messages stays a list.
fn kept(value: &Value) -> Value {
    messages(value).filter(|list| !list.is_empty()).map_or_else(|| value.clone(), Value::Array)
}
