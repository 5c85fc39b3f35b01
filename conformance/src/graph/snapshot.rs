//! Checkpoints and the states of threads in the JSON of outputs.

use std::collections::BTreeMap;

use millstream::graph::{CheckpointMetadata, GraphSnapshot, Json, Snapshot, TaskSnapshot};
use millstream::{CheckpointEvent, CheckpointPlace, CheckpointTask, Payload};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::view::writes_of;
use crate::outcome::task_failure;

/// The state of a thread; with the states of graphs inside, if they were asked for.
pub(super) fn state(snapshot: &Snapshot<Json>, subgraphs: bool) -> Value {
    shown(snapshot, &snapshot.values.to_value(), subgraphs)
}

fn shown<S>(snapshot: &Snapshot<S>, values: &Value, subgraphs: bool) -> Value {
    let parents = &snapshot.metadata.parents;
    json!({
        "values": values,
        "next": snapshot.next,
        "config": config(&snapshot.at, parents),
        "metadata": metadata(&snapshot.metadata),
        "parent_config": snapshot.parent.as_ref().map(|parent| config(parent, parents)),
        "tasks": snapshot.tasks.iter().map(|task| task_of(task, &snapshot.at, subgraphs)).collect::<Vec<_>>(),
        "interrupts": snapshot.interrupts().collect::<Vec<_>>(),
    })
}

/// A thread that has no state.
pub(super) fn nothing(thread: &str) -> Value {
    nothing_at(&json!({ "configurable": { "thread_id": thread } }))
}

fn nothing_at(config: &Value) -> Value {
    json!({
        "values": {}, "next": [], "config": config, "metadata": null, "parent_config": null, "tasks": [], "interrupts": [],
    })
}

fn metadata(metadata: &CheckpointMetadata) -> Value {
    let mut told = json!({ "source": metadata.source.name(), "step": metadata.step, "parents": metadata.parents });
    if let Some(fields) = told.as_object_mut() {
        fields.extend(metadata.run.clone());
    }
    told
}

fn task_of(task: &TaskSnapshot, at: &CheckpointPlace, subgraphs: bool) -> Value {
    let state = task.graph.as_ref().map(|GraphSnapshot { namespace, snapshot, .. }| match snapshot {
        Some(inner) => shown(inner, &inner.values.json(), subgraphs),
        None if subgraphs => nothing_at(&address(&at.thread, namespace)),
        None => address(&at.thread, namespace),
    });
    json!({
        "id": task.id,
        "name": &*task.name,
        "path": task.path,
        "error": task.error.as_ref().map(task_failure),
        "interrupts": task.interrupts,
        "result": task.result.as_deref().map(result),
        "state": state,
    })
}

/// What a task wrote: an object, in which several writes of a key are a list of them.
pub(super) fn result(updates: &[Payload]) -> Value {
    result_of(&writes_of(updates))
}

pub(super) fn result_of(writes: &[(String, Value)]) -> Value {
    let mut result: Map<String, Value> = Map::new();
    for (key, value) in writes {
        let same: Vec<&Value> = writes.iter().filter(|(other, _)| other == key).map(|(_, value)| value).collect();
        let told = if same.len() > 1 { json!({ "$writes": same }) } else { value.clone() };
        result.insert(key.clone(), told);
    }
    Value::Object(result)
}

fn address(thread: &str, namespace: &str) -> Value {
    json!({ "configurable": { "thread_id": thread, "checkpoint_ns": namespace } })
}

/// The address of a checkpoint, with those of the graphs around if there are any.
pub(super) fn config(at: &CheckpointPlace, parents: &BTreeMap<String, Uuid>) -> Value {
    let mut configurable = json!({
        "thread_id": &*at.thread, "checkpoint_ns": &*at.namespace, "checkpoint_id": at.id,
    });
    if !parents.is_empty() {
        let mut map = parents.clone();
        map.insert(at.namespace.to_string(), at.id);
        configurable["checkpoint_map"] = json!(map);
    }
    json!({ "configurable": configurable })
}

/// What a stream says of a checkpoint.
pub(super) fn event(event: &CheckpointEvent) -> Value {
    let task = |task: &CheckpointTask| {
        let state = task.graph.as_ref().map(|namespace| address(&event.at.thread, namespace));
        let mut told = json!({ "id": task.id, "name": &*task.name, "state": state });
        match (&task.error, &task.result) {
            (Some(error), _) => told["error"] = task_failure(error),
            (None, result_) => {
                told["interrupts"] = json!(task.interrupts);
                if let Some(updates) = result_ {
                    told["result"] = result(updates);
                }
            }
        }
        told
    };
    json!({
        "config": config(&event.at, &event.parents),
        "parent_config": event.parent.as_ref().map(|parent| config(parent, &event.parents)),
        "values": event.state.json(),
        "metadata": { "source": event.source, "step": event.step, "parents": event.parents },
        "next": event.tasks.iter().map(|task| &*task.name).collect::<Vec<_>>(),
        "tasks": event.tasks.iter().map(task).collect::<Vec<_>>(),
    })
}
