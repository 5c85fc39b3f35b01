//! One task of a superstep: a node's turn, with its retries and its time limit.

use std::sync::Arc;

use futures_util::FutureExt;
use millstream_core::{Channels, Cx, Error, ErrorKind, Kind, Label, Result, Task};
use serde_json::json;

use crate::command::{Command, ForParent};
use crate::plan::{NodeIndex, Plan, PlannedNode};
use crate::state::State;

/// A node that is to run, and the state that it is given.
pub(crate) struct Turn<S: State> {
    pub(crate) node: NodeIndex,
    /// The number of the send that asks for it; none for a node that its edges lead to.
    pub(crate) send: Option<usize>,
    pub(crate) state: Arc<S>,
    pub(crate) task: Arc<Task>,
}

impl<S: State> Turn<S> {
    /// The turn of a node that its edges lead to.
    pub(crate) fn pull(plan: &Plan<S>, node: NodeIndex, state: Arc<S>) -> Self {
        let planned = plan.node(node);
        let task = Task::new(planned.name.clone(), planned.triggers.clone());
        Self { node, send: None, state: planned.seen(state), task: Arc::new(task) }
    }

    /// The turn of a node that something is sent to.
    pub(crate) fn push(plan: &Plan<S>, node: NodeIndex, number: usize, state: Arc<S>) -> Self {
        let task = Task::new(plan.node(node).name.clone(), Arc::new(["__pregel_push".to_owned()]));
        Self { node, send: Some(number), state, task: Arc::new(task) }
    }

    /// The context of the turn, as number `step` of the graph that runs as `cx`.
    pub(crate) fn context(&self, plan: &Plan<S>, cx: &Cx, step: u64) -> Cx {
        let planned = plan.node(self.node);
        let mut label = Label::new(Kind::Chain, planned.name.clone());
        if cx.wants(Channels::MESSAGES) || cx.wants(Channels::RUNNABLES) {
            label.metadata.clone_from(&planned.spec.metadata);
            label.tags.push(format!("graph:step:{step}"));
            let path = match self.send {
                None => json!(["__pregel_pull", planned.name]),
                Some(number) => json!(["__pregel_push", number, false]),
            };
            label = label
                .with_metadata("langgraph_step", step)
                .with_metadata("langgraph_node", &*planned.name)
                .with_metadata("langgraph_triggers", json!(self.task.triggers))
                .with_metadata("langgraph_path", path)
                .with_metadata("langgraph_checkpoint_ns", place(cx, &planned.name, self.task.id));
        }
        cx.task(label, self.task.id)
    }
}

/// The task's place among all graphs: the reference's `outer:id|inner:id`.
fn place(cx: &Cx, node: &str, task: uuid::Uuid) -> String {
    let mut place = cx.scope().namespace.join("|");
    if !place.is_empty() {
        place.push('|');
    }
    place + &format!("{node}:{task}")
}

/// Runs the node until it answers, or has failed for good.
pub(crate) async fn run<S: State>(planned: &PlannedNode<S>, state: Arc<S>, cx: Cx) -> Result<Command<S>> {
    let attempt = || limited(planned, state.clone(), cx.clone());
    match &planned.spec.retry {
        None => attempt().await,
        Some(retry) => retry.run(attempt).await,
    }
}

async fn limited<S: State>(planned: &PlannedNode<S>, state: Arc<S>, cx: Cx) -> Result<Command<S>> {
    // What a graph inside this node says to the graph around it is this node's answer.
    let running = planned.spec.node.run(state, cx).map(|answer| answer.or_else(ForParent::from_error));
    let Some(limit) = planned.spec.timeout else { return running.await };
    let late =
        |_| Error::new(ErrorKind::TotalTimeout, format!("the node {:?} took longer than {limit:?}", planned.name));
    tokio::time::timeout(limit, running).await.map_err(late)?
}
