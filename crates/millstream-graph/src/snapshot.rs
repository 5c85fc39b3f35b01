//! The state of a thread: now, at any checkpoint, and all of them.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream_core::{CheckpointPlace, Error, ErrorKind, Interrupt, Payload, Result, TaskError};
use serde_json::Value;
use uuid::Uuid;

use crate::ahead::Ahead;
use crate::channel::Dirty;
use crate::checkpoint::{Checkpoint, CheckpointMetadata};
use crate::graph::{Graph, Keeping};
use crate::host;
use crate::nested::Inner;
use crate::past::Past;
use crate::plan::Plan;
use crate::saver::Place;
use crate::shape::{AnyWrite, typed};
use crate::state::State;
use crate::turn::{self, Done, Step, Turn};

/// A thread at one of its checkpoints.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot<S> {
    /// The state.
    pub values: S,
    /// The nodes that run next.
    pub next: Vec<Arc<str>>,
    /// The checkpoint.
    pub at: CheckpointPlace,
    /// The one before it.
    pub parent: Option<CheckpointPlace>,
    /// How it came about.
    pub metadata: CheckpointMetadata,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// The tasks that run next.
    pub tasks: Vec<TaskSnapshot>,
}

/// A task that runs after a checkpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskSnapshot {
    /// Its id.
    pub id: Uuid,
    /// The node.
    pub name: Arc<str>,
    /// Its place in the superstep, as LangGraph writes it.
    pub path: Value,
    /// Why it failed.
    pub error: Option<TaskError>,
    /// What it asked; in the newest state only what has no answer yet.
    pub interrupts: Vec<Interrupt>,
    /// What it changed, if it has returned.
    pub result: Option<Vec<Payload>>,
    /// The graph that the node is, if it is one.
    pub graph: Option<GraphSnapshot>,
}

/// A graph inside another, at a checkpoint of the outer one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GraphSnapshot {
    /// Its namespace: the address of its checkpoints.
    pub namespace: Arc<str>,
    /// Its own state, if that was asked for and it has begun to run.
    pub snapshot: Option<Box<Snapshot<Payload>>>,
}

impl<S> Snapshot<S> {
    /// The questions that wait for an answer, or waited for one at the time.
    pub fn interrupts(&self) -> impl Iterator<Item = &Interrupt> {
        self.tasks.iter().flat_map(|task| &task.interrupts)
    }
}

impl<S: State> Graph<S> {
    /// The state of a thread: with what tasks have finished already, the nodes that have still to run, and the questions that wait for an answer.
    /// None for a thread that has none.
    ///
    /// # Errors
    /// `invalid_input` without a checkpointer, or if what was saved does not fit the graph; else what the store fails with.
    pub async fn state(&self, thread: &str) -> Result<Option<Snapshot<S>>> {
        self.looked_at(thread, None, false).await
    }

    /// [`state`](Self::state), with the states of the graphs inside that have begun to run.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn state_with_subgraphs(&self, thread: &str) -> Result<Option<Snapshot<S>>> {
        self.looked_at(thread, None, true).await
    }

    /// The thread as it was at a checkpoint: a record of the step that followed.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn state_at(&self, thread: &str, checkpoint: Uuid) -> Result<Option<Snapshot<S>>> {
        self.looked_at(thread, Some(checkpoint), false).await
    }

    /// The thread at all its checkpoints, newest first: those before `before`, and `limit` at most.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub async fn history(&self, thread: &str, before: Option<Uuid>, limit: Option<usize>) -> Result<Vec<Snapshot<S>>> {
        let place = self.place(thread)?;
        let found = place.checkpointer.list(&place.thread, &place.namespace, before, limit).await?;
        let mut history = Vec::with_capacity(found.len());
        for checkpoint in found {
            history.push(with_type(look(self.plan.clone(), place.clone(), false, false, checkpoint).await?)?);
        }
        Ok(history)
    }

    async fn looked_at(&self, thread: &str, id: Option<Uuid>, recurse: bool) -> Result<Option<Snapshot<S>>> {
        let place = self.place(thread)?;
        let Some(checkpoint) = place.get(id).await? else { return Ok(None) };
        let live = id.is_none();
        look(self.plan.clone(), place, recurse, live, checkpoint).await.and_then(with_type).map(Some)
    }

    /// Where the checkpoints of a thread are.
    pub(crate) fn place(&self, thread: &str) -> Result<Place> {
        match &self.keeping {
            Keeping::In(checkpointer) => {
                Ok(Place { checkpointer: checkpointer.clone(), thread: thread.into(), namespace: "".into() })
            }
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                "the graph has no checkpointer, so a thread has no state; give it one with `checkpointer`",
            )),
        }
    }
}

fn with_type<S: State>(snapshot: Snapshot<Payload>) -> Result<Snapshot<S>> {
    let Snapshot { values, next, at, parent, metadata, created_at, tasks } = snapshot;
    let values = Arc::unwrap_or_clone(typed::<S>(values)?);
    Ok(Snapshot { values, next, at, parent, metadata, created_at, tasks })
}

/// A thread at a checkpoint: with the states of graphs inside, if `recurse`; how it stands now, if `live`, else as a record of the step.
///
/// Boxed, since graphs are inside graphs.
fn look(
    plan: Arc<Plan>,
    place: Place,
    recurse: bool,
    live: bool,
    checkpoint: Checkpoint,
) -> BoxFuture<'static, Result<Snapshot<Payload>>> {
    async move { look_at(&plan, &place, recurse, live, checkpoint).await }.boxed()
}

async fn look_at(
    plan: &Plan,
    place: &Place,
    recurse: bool,
    live: bool,
    checkpoint: Checkpoint,
) -> Result<Snapshot<Payload>> {
    let shape = &*plan.shape;
    let mut state = shape.load(&checkpoint.values)?;
    let mut past = Past::read(&checkpoint.writes)?;
    let mut unused = vec![Dirty::Clean; shape.width()];
    let ahead = Ahead::load(&checkpoint.next, plan)?;
    let outside = past.outside.take().map(|outside| outside.load(plan)).transpose()?;
    let step = Step { namespace: &place.namespace, base: checkpoint.id, number: checkpoint.metadata.step + 1 };
    let input = ahead.input.clone();
    let mut turns: Vec<Turn> = ahead.due(plan).into_iter().map(|due| Turn::new(plan, due, step)).collect();
    // As in LangGraph, a snapshot has sends first, and then nodes in the order in which they were added.
    turns.sort_by_key(|turn| (turn.send.is_none(), turn.send, turn.node.map(|node| plan.node(node).spec.number)));
    if let Some((updates, _)) = outside {
        let writes: Vec<_> = updates.iter().map(|update| AnyWrite { node: "__input__", update }).collect();
        state = shape.apply(state, &writes, &mut unused)?;
    }
    let mut tasks = Vec::with_capacity(turns.len());
    for turn in &mut turns {
        let deeds = past.of_mut(turn.task.id).map(std::mem::take).unwrap_or_default();
        let output = deeds.output.map(|output| output.load(plan)).transpose()?;
        turn.done = output.map(|(updates, onward)| Done { updates, onward });
        let is_start = turn.node.is_none();
        let result = match (&turn.done, &input) {
            // The start has run if there is a checkpoint after this one, and does nothing else than to write the input.
            (_, Some(input)) if is_start => Some(vec![input.clone()]),
            (done, _) => done.as_ref().map(|done| done.updates.clone()),
        };
        let answered = live && turn.done.is_some();
        tasks.push(TaskSnapshot {
            id: turn.task.id,
            name: turn.task.name.clone(),
            path: turn::path(&turn.task.name, turn.send),
            error: deeds.error,
            interrupts: if answered { Vec::new() } else { deeds.interrupts },
            result,
            graph: graph_of(plan, place, turn, recurse).await?,
        });
    }
    let mut finished: Vec<&Turn> = turns.iter().filter(|turn| live && turn.done.is_some()).collect();
    // In the order in which a step applies them.
    finished.sort_by_key(|turn| (turn.send, turn.node));
    let mut writes = Vec::new();
    for turn in &finished {
        let updates = turn.done.iter().flat_map(|done| &done.updates);
        writes.extend(updates.map(|update| AnyWrite { node: &turn.task.name, update }));
    }
    if !finished.is_empty() {
        state = shape.apply(state, &writes, &mut unused)?;
        state = shape.after_step(state, &writes, &mut unused)?;
    }
    let next = turns.iter().filter(|turn| !(live && turn.done.is_some())).map(|turn| turn.task.name.clone());
    let at = |id| CheckpointPlace { thread: place.thread.clone(), namespace: place.namespace.clone(), id };
    Ok(Snapshot {
        values: state,
        next: next.collect(),
        at: at(checkpoint.id),
        parent: checkpoint.parent.map(at),
        metadata: checkpoint.metadata,
        created_at: checkpoint.created_at,
        tasks,
    })
}

/// The graph that a turn's node is.
async fn graph_of(plan: &Plan, place: &Place, turn: &Turn, recurse: bool) -> Result<Option<GraphSnapshot>> {
    let inner = turn.node.and_then(|node| plan.node(node).spec.inner.as_ref());
    let Some(Inner { plan: inner, keeping }) = inner.filter(|inner| inner.keeps_state()) else { return Ok(None) };
    let namespace: Arc<str> = host::place(&place.namespace, &turn.task.name, turn.task.id).into();
    if !recurse {
        return Ok(Some(GraphSnapshot { namespace, snapshot: None }));
    }
    let own = match keeping {
        Keeping::One => host::without_tasks(&namespace).into(),
        _ => namespace.clone(),
    };
    let place = Place { namespace: own, ..place.clone() };
    let snapshot = match place.get(None).await? {
        Some(checkpoint) => Some(Box::new(look(inner.clone(), place, true, true, checkpoint).await?)),
        None => None,
    };
    Ok(Some(GraphSnapshot { namespace, snapshot }))
}
