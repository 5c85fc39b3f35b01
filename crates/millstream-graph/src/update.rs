//! Changes to the state of a thread from outside, without a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_core::{CheckpointPlace, Error, ErrorKind, Payload, Result};
use uuid::Uuid;

use crate::ahead::{Ahead, Onward, SavedOutput};
use crate::answer::Answer;
use crate::branch;
use crate::build::START;
use crate::channel::{Dirty, INVALID_UPDATE, Progress};
use crate::checkpoint::{CheckpointMetadata, CheckpointSource, Durability, TaskWrite, WriteKind, json};
use crate::command::Command;
use crate::graph::Graph;
use crate::past::Past;
use crate::plan::{NodeIndex, Plan};
use crate::saver::Saver;
use crate::shape::AnyWrite;
use crate::state::{IntoInput, State};
use crate::turn::{Step, Turn};

/// An update of a thread's state that has been described and not yet made.
#[must_use = "an update does nothing until `save` is awaited"]
pub struct StateUpdate<S: State> {
    graph: Graph<S>,
    thread: Arc<str>,
    answer: Answer,
    node: Option<Arc<str>>,
    at: Option<Uuid>,
}

impl<S: State> Graph<S> {
    /// Describes a change of the state of `thread`, as if a node had written it: LangGraph's `update_state`.
    pub fn update(&self, thread: impl Into<Arc<str>>, update: impl IntoInput<S>) -> StateUpdate<S> {
        self.update_as(thread, Command::none().update(update.into_input()))
    }

    /// Describes a change of the state of `thread`, as if a node had answered with `command`, which may say where to go.
    pub fn update_as(&self, thread: impl Into<Arc<str>>, command: Command<S>) -> StateUpdate<S> {
        StateUpdate { graph: self.clone(), thread: thread.into(), answer: command.into(), node: None, at: None }
    }
}

impl<S: State> StateUpdate<S> {
    /// The node that is taken to have written it: what leaves that node runs next. The one that ran last unless set.
    pub fn as_node(mut self, node: impl Into<Arc<str>>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// The checkpoint that it follows, instead of the newest: a fork.
    pub fn at(mut self, checkpoint: Uuid) -> Self {
        self.at = Some(checkpoint);
        self
    }

    /// Makes the change: a new checkpoint, of which the address comes back.
    ///
    /// # Errors
    /// `invalid_input` without a checkpointer, for a node that is not there, and if several nodes ran last and none of them is named; else what the store fails
    /// with.
    pub async fn save(self) -> Result<CheckpointPlace> {
        let Self { graph, thread, answer: Answer { updates, goto, .. }, node, at } = self;
        let plan: &Plan = &graph.plan;
        let shape = &*plan.shape;
        let place = graph.place(&thread)?;
        let found = place.get(at).await?;
        if let (Some(id), None) = (at, &found) {
            let message = format!("the thread {thread:?} has no checkpoint {id}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut saver = Saver::new(place.clone(), Durability::Sync, found.as_ref().map(|found| found.id));
        if let (Some(_), Some(newest)) = (at, place.get(None).await?) {
            saver.know(newest.id);
        }
        let (mut state, mut ahead, step, past, parents) = match &found {
            None => (shape.initial(), Ahead::nothing(plan), -1, Past::default(), BTreeMap::new()),
            Some(found) => (
                shape.load(&found.values)?,
                Ahead::load(&found.next, plan)?,
                found.metadata.step,
                Past::read(&found.writes)?,
                found.metadata.parents.clone(),
            ),
        };
        let as_node = written_by(plan, node.as_deref(), &ahead)?;
        let updates: Vec<Payload> = updates.into_iter().map(|update| shape.identify(update)).collect();
        let name = as_node.map_or(START, |node| &plan.node(node).name);
        // The task that would have run is taken to have given this.
        if let Some(found) = &found {
            let step = Step { namespace: &place.namespace, base: found.id, number: step + 1 };
            let due = ahead.due().into_iter().map(|due| Turn::new(plan, due, step));
            if let Some(turn) = due.into_iter().find(|turn| &*turn.task.name == name && is_open(&past, turn)) {
                let output = SavedOutput::new(plan, &updates, &Onward::default())?;
                saver.hold(TaskWrite { task: turn.task.id, kind: WriteKind::Output, value: json(&output)? });
            }
        }
        let unwritten = if found.is_some() { Dirty::Clean } else { Dirty::Changed };
        let mut dirty = vec![unwritten; shape.width()];
        let writes: Vec<_> = updates.iter().map(|update| AnyWrite { node: name, update }).collect();
        state = shape.apply(state, &writes, &mut dirty)?;
        let given = shape.given(&state, Progress { step: step + 1, stop: step + 3 });
        let seen = as_node.map_or_else(|| given.clone(), |node| plan.node(node).seen(given.clone()));
        let onward = branch::take(plan, as_node, Some(&seen), goto, None).await?;
        drop((given, seen));
        state = shape.after_step(state, &writes, &mut dirty)?;
        ahead.give_up();
        ahead.go(plan, as_node, onward);
        let id = saver.next_id();
        let metadata = CheckpointMetadata { source: CheckpointSource::Update, step: step + 1, parents };
        saver.put(id, metadata, shape.save(&state, &dirty)?, ahead.save(plan)?).await?;
        Ok(CheckpointPlace { thread, namespace: place.namespace, id })
    }
}

fn is_open(past: &Past, turn: &Turn) -> bool {
    past.of(turn.task.id).is_none_or(|deeds| deeds.output.is_none())
}

/// The node that wrote an update; none for the start.
fn written_by(plan: &Plan, named: Option<&str>, ahead: &Ahead) -> Result<Option<NodeIndex>> {
    let invalid = |message: String| Error::new(ErrorKind::InvalidInput, message).with_name(INVALID_UPDATE);
    match named {
        Some(START) => Ok(None),
        Some(name) => plan.find(name).map(Some).map_err(|_| {
            let nodes: Vec<&str> = plan.nodes.iter().map(|node| &*node.name).collect();
            invalid(format!("there is no node {name:?} that could have written this; there are {}", nodes.join(", ")))
        }),
        None => ahead.last_ran().ok_or_else(|| {
            invalid(
                "several nodes ran last, so it is not clear which of them wrote this; name one with `as_node`"
                    .to_owned(),
            )
        }),
    }
}
