//! One task of a superstep: a node's turn, with its retries and its time limit.

use std::sync::Arc;

use futures_util::FutureExt;
use millstream_core::{Channels, Cx, Error, ErrorKind, Kind, Label, Payload, Result, Task};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ahead::{Due, Onward};
use crate::answer::{Answer, ForParent, Sent};
use crate::build::START;
use crate::host::{self, Host};
use crate::node::run_again;
use crate::plan::{NodeIndex, Plan, PlannedNode};
use crate::shape::Shape;
use crate::tell::Tell;

/// Where the tasks of a step are, and what their ids are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    /// The graph, among all graphs of the thread.
    pub(crate) namespace: &'a str,
    /// The checkpoint that the tasks run after; the run, if there are no checkpoints.
    pub(crate) base: Uuid,
    /// The number of the step.
    pub(crate) number: i64,
}

/// A node that is to run, and the state that it is given.
pub(crate) struct Turn {
    /// The node; none for the start.
    pub(crate) node: Option<NodeIndex>,
    /// The number of the send that asks for it; none for a node that its edges lead to.
    pub(crate) send: Option<usize>,
    pub(crate) sent: Option<Sent>,
    pub(crate) task: Arc<Task>,
    /// What it gave in an earlier run, or has given in this one.
    pub(crate) done: Option<Done>,
}

/// What a turn has given.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) updates: Vec<Payload>,
    pub(crate) onward: Onward,
}

impl Turn {
    pub(crate) fn new(plan: &Plan, due: Due, step: Step<'_>) -> Self {
        let (node, send, sent) = match due {
            Due::Start => (None, None, None),
            Due::Node(node) => (Some(node), None, None),
            Due::Send(number, node, sent) => (Some(node), Some(number), Some(sent)),
        };
        let planned = node.map(|node| plan.node(node));
        let name = planned.map_or_else(|| START.into(), |planned| planned.name.clone());
        let triggers = match (planned, send) {
            (Some(planned), None) => planned.triggers.clone(),
            (Some(_), Some(_)) => Arc::new(["__pregel_push".to_owned()]),
            (None, _) => Arc::new([START.to_owned()]) as Arc<[String]>,
        };
        let metadata = planned.map(|planned| planned.spec.metadata.clone()).unwrap_or_default();
        let id = task_id(step, &name, send);
        let task = Task { id, name, triggers, step: step.number, metadata };
        Self { node, send, sent, task: Arc::new(task), done: None }
    }

    /// The place of the turn in its step, as LangGraph writes it.
    pub(crate) fn path(&self) -> Value {
        path(&self.task.name, self.send)
    }

    /// What the node is given: what was sent to it, or what it sees of the graph's state.
    pub(crate) fn given(&self, plan: &Plan, state: &Payload) -> Payload {
        match (&self.sent, self.node) {
            (Some(Sent::State(sent)), _) => sent.clone(),
            (_, Some(node)) => plan.node(node).seen(state.clone()),
            (_, None) => state.clone(),
        }
    }

    /// Where the turn is executed, inside the graph that runs as `cx`.
    pub(crate) fn context(&self, plan: &Plan, cx: &Cx, host: Arc<Host>) -> Context {
        let mut label = Label::new(Kind::Chain, self.task.name.clone());
        if cx.wants(Channels::MESSAGES) || cx.wants(Channels::RUNNABLES) {
            label.tags.push(format!("graph:step:{}", self.task.step));
            match self.node {
                Some(node) => label.metadata.clone_from(&plan.node(node).spec.metadata),
                None => label.tags.push("langsmith:hidden".to_owned()),
            }
            label = label
                .with_metadata("langgraph_step", self.task.step)
                .with_metadata("langgraph_node", &*self.task.name)
                .with_metadata("langgraph_triggers", json!(self.task.triggers))
                .with_metadata("langgraph_path", self.path())
                .with_metadata("langgraph_checkpoint_ns", host.place());
        }
        Context { graph: cx.clone(), label, task: self.task.id, host }
    }
}

/// Where a turn is executed: each attempt is an execution of its own.
pub(crate) struct Context {
    graph: Cx,
    label: Label,
    task: Uuid,
    host: Arc<Host>,
}

impl Context {
    /// The context of an attempt.
    pub(crate) fn again(&self) -> Cx {
        self.host.begin();
        self.graph.task(self.label.clone(), self.task, self.host.clone())
    }
}

/// The place of a task in its step, as LangGraph writes it.
pub(crate) fn path(node: &str, send: Option<usize>) -> Value {
    match send {
        None => json!(["__pregel_pull", node]),
        Some(number) => json!(["__pregel_push", number, false]),
    }
}

/// The same task after the same checkpoint has the same id, in every run that comes to it.
fn task_id(step: Step<'_>, node: &str, send: Option<usize>) -> Uuid {
    let place = host::place(step.namespace, node, step.base);
    let way = match send {
        None => "pull".to_owned(),
        Some(number) => format!("push {number}"),
    };
    Uuid::new_v5(&step.base, format!("{place} {} {way}", step.number).as_bytes())
}

/// Runs the node until it answers, or has failed for good; gives the context of the last attempt too.
pub(crate) async fn run(
    planned: &PlannedNode,
    shape: &dyn Shape,
    state: Payload,
    place: Context,
) -> (Cx, Result<Answer>) {
    let attempt = |state: Payload| {
        let (cx, call) = (place.again(), place.host.call.as_ref());
        async move {
            let answer = match Tell::node_began(&cx, call, &state).await {
                Ok(()) => limited(planned, shape, state, cx.clone()).await,
                Err(error) => Err(error),
            };
            (cx, answer)
        }
    };
    match &planned.spec.retry {
        None => attempt(state).await,
        Some(retry) => run_again(retry, || attempt(state.clone())).await,
    }
}

async fn limited(planned: &PlannedNode, shape: &dyn Shape, state: Payload, cx: Cx) -> Result<Answer> {
    // What a graph inside this node says to the graph around it is this node's answer.
    let running =
        planned.spec.node.run(state, cx).map(|answer| answer.or_else(|error| ForParent::answer(error, shape)));
    let Some(limit) = planned.spec.timeout else { return running.await };
    let late =
        |_| Error::new(ErrorKind::TotalTimeout, format!("the node {:?} took longer than {limit:?}", planned.name));
    tokio::time::timeout(limit, running).await.map_err(late)?
}
