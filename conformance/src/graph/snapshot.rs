//! The states of threads in the JSON of outputs.

use millstream::CheckpointPlace;
use millstream::graph::{CheckpointMetadata, GraphSnapshot, Json, Snapshot, TaskSnapshot};
use millstream_protocol::stream_modes::{checkpoint_config, graph_config, task_result};
use serde_json::{Value, json};

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
        "config": checkpoint_config(&snapshot.at, parents),
        "metadata": metadata(&snapshot.metadata),
        "parent_config": snapshot.parent.as_ref().map(|parent| checkpoint_config(parent, parents)),
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
        None if subgraphs => nothing_at(&graph_config(&at.thread, namespace)),
        None => graph_config(&at.thread, namespace),
    });
    json!({
        "id": task.id,
        "name": &*task.name,
        "path": task.path,
        "error": task.error.as_ref().map(task_failure),
        "interrupts": task.interrupts,
        "result": task.result.as_deref().map(task_result),
        "state": state,
    })
}
