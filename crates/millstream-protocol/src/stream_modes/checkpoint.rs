use std::collections::BTreeMap;

use millstream_core::{CheckpointEvent, CheckpointPlace, CheckpointTask};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ErrorForm, task_result};

/// The address of a checkpoint as a client gives it back: a config with `thread_id`, `checkpoint_ns`, `checkpoint_id`; and
/// `checkpoint_map` for a graph inside others, whose checkpoints are `parents` by namespace.
#[must_use]
pub fn checkpoint_config(at: &CheckpointPlace, parents: &BTreeMap<String, Uuid>) -> Value {
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

/// The address of a graph in a thread, at its newest checkpoint.
#[must_use]
pub fn graph_config(thread: &str, namespace: &str) -> Value {
    json!({ "configurable": { "thread_id": thread, "checkpoint_ns": namespace } })
}

/// The data of the mode `checkpoints`.
pub(super) fn checkpoint(event: &CheckpointEvent, error_form: ErrorForm) -> Value {
    let task = |task: &CheckpointTask| {
        let state = task.graph.as_ref().map(|namespace| graph_config(&event.at.thread, namespace));
        let mut told = json!({ "id": task.id, "name": &*task.name, "state": state });
        match &task.error {
            Some(error) => told["error"] = error_form(error),
            None => {
                told["interrupts"] = json!(task.interrupts);
                if let Some(updates) = &task.result {
                    told["result"] = task_result(updates);
                }
            }
        }
        told
    };
    json!({
        "config": checkpoint_config(&event.at, &event.parents),
        "parent_config": event.parent.as_ref().map(|parent| checkpoint_config(parent, &event.parents)),
        "values": event.state.json(),
        "metadata": { "source": event.source, "step": event.step, "parents": event.parents },
        "next": event.tasks.iter().map(|task| &*task.name).collect::<Vec<_>>(),
        "tasks": event.tasks.iter().map(task).collect::<Vec<_>>(),
    })
}
