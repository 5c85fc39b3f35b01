//! Which graphs inside the run's graph have begun, and how they end.

use std::collections::HashSet;

use millstream_core::{Event, Outcome, Task};
use serde_json::{Value, json};

/// A graph that ended.
pub(super) struct Ended {
    pub(super) namespace: Vec<String>,
    pub(super) name: String,
    pub(super) outcome: Outcome,
}

/// Follows the tasks of all graphs: a graph begins with the first task in it, and ends with the task that it runs in.
#[derive(Debug, Default)]
pub(super) struct Lifecycles {
    seen: HashSet<Vec<String>>,
    /// The namespaces of graphs that run, and their names.
    open: Vec<(Vec<String>, String)>,
}

impl Lifecycles {
    /// A task has begun: what is said of its graph, if that is new.
    pub(super) fn task_started(&mut self, event: &Event) -> Option<Value> {
        let scope = &event.scope;
        let (node, task) = scope.namespace.last()?.split_once(':')?;
        if !self.seen.insert(scope.namespace.clone()) {
            return None;
        }
        // An agent goes by its own name.
        let agent = scope.metadata.get("lc_agent_name").and_then(Value::as_str);
        let name = agent.unwrap_or(node).to_owned();
        self.open.push((scope.namespace.clone(), name.clone()));
        Some(json!({
            "event": "started", "namespace": scope.namespace, "graph_name": name, "trigger_call_id": task,
        }))
    }

    /// A task in the graph at `namespace` is over: the graph that it ran, if it ran one.
    pub(super) fn task_finished(&mut self, namespace: &[String], task: &Task, outcome: Outcome) -> Option<Ended> {
        let id = task.id.to_string();
        let is_its = |(open, _): &(Vec<String>, String)| match open.split_last() {
            Some((last, before)) => before == namespace && last.split_once(':').is_some_and(|(_, task)| task == id),
            None => false,
        };
        let at = self.open.iter().position(is_its)?;
        let (namespace, name) = self.open.remove(at);
        Some(Ended { namespace, name, outcome })
    }

    /// The run is over, and with it all that is open.
    pub(super) fn finished(&mut self, outcome: Outcome) -> impl Iterator<Item = Ended> {
        std::mem::take(&mut self.open).into_iter().map(move |(namespace, name)| Ended { namespace, name, outcome })
    }
}

/// The protocol's word for an end.
pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Failed | Outcome::Truncated => "failed",
        Outcome::Interrupted | Outcome::Cancelled => "interrupted",
    }
}
