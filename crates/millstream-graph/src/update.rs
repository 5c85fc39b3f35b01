//! Changes to the state of a thread from outside, without a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_core::{CheckpointPlace, Error, ErrorKind, Metadata, Payload, Result};
use uuid::Uuid;

use crate::ahead::{Ahead, Onward, SavedOutput};
use crate::answer::Answer;
use crate::branch;
use crate::build::{END, START};
use crate::channel::{Dirty, INVALID_UPDATE, Progress};
use crate::checkpoint::{Checkpoint, CheckpointMetadata, CheckpointSource, Durability, TaskWrite, WriteKind, json};
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

    /// Makes the change: a new checkpoint, of which the address comes back. As [`END`], and with nothing written, it is the end of what was due.
    ///
    /// # Errors
    /// `invalid_input` without a checkpointer, for a node that is not there, and if several nodes ran last and none of them is named; else what the store fails
    /// with.
    pub async fn save(self) -> Result<CheckpointPlace> {
        let Self { graph, thread, answer, node, at } = self;
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
        let mut thread_state = ThreadState::read(&graph.plan, found.as_ref())?;
        match node.as_deref() {
            Some(END) if answer.updates.is_empty() && answer.goto.is_empty() => thread_state.end(&place.namespace)?,
            node => thread_state.write(answer, node, &mut saver).await?,
        }
        let ThreadState { plan, state, ahead, dirty, metadata, .. } = thread_state;
        let id = saver.next_id();
        let metadata = CheckpointMetadata {
            source: CheckpointSource::Update,
            step: metadata.step + 1,
            run: Metadata::new(),
            ..metadata
        };
        saver.put(id, metadata, plan.shape.save(&state, &dirty)?, ahead.save(plan)?).await?;
        Ok(CheckpointPlace { thread, namespace: place.namespace, id })
    }
}

/// A thread at a checkpoint, or before its first.
struct ThreadState<'a> {
    plan: &'a Plan,
    /// The checkpoint.
    id: Option<Uuid>,
    state: Payload,
    ahead: Ahead,
    past: Past,
    metadata: CheckpointMetadata,
    dirty: Vec<Dirty>,
}

impl<'a> ThreadState<'a> {
    fn read(plan: &'a Plan, found: Option<&Checkpoint>) -> Result<Self> {
        let Some(found) = found else {
            let metadata = CheckpointMetadata {
                source: CheckpointSource::Input,
                step: -1,
                parents: BTreeMap::default(),
                run: Metadata::new(),
            };
            let (state, ahead, past) = (plan.shape.initial(), Ahead::nothing(plan), Past::default());
            let dirty = vec![Dirty::Changed; plan.shape.width()];
            return Ok(Self { plan, id: None, state, ahead, past, metadata, dirty });
        };
        Ok(Self {
            plan,
            id: Some(found.id),
            state: plan.shape.load(&found.values)?,
            ahead: Ahead::load(&found.next, plan)?,
            past: Past::read(&found.writes)?,
            metadata: found.metadata.clone(),
            dirty: vec![Dirty::Clean; plan.shape.width()],
        })
    }

    /// The tasks that are due.
    fn turns(&self, namespace: &str) -> Vec<Turn> {
        let Some(base) = self.id else { return Vec::new() };
        let step = Step { namespace, base, number: self.metadata.step + 1 };
        self.ahead.due(self.plan).into_iter().map(|due| Turn::new(self.plan, due, step)).collect()
    }

    fn change(&mut self, writes: &[AnyWrite<'_>]) -> Result<()> {
        self.state = self.plan.shape.apply(self.state.clone(), writes, &mut self.dirty)?;
        Ok(())
    }

    /// Nothing is due any more; what has finished counts.
    fn end(&mut self, namespace: &str) -> Result<()> {
        let mut turns = self.turns(namespace);
        turns.sort_by_key(|turn| (turn.send, turn.node));
        let mut written = Vec::new();
        for turn in &turns {
            let output = self.past.of_mut(turn.task.id).and_then(|deeds| deeds.output.take());
            let updates = output.map(|output| output.load(self.plan)).transpose()?.map(|(updates, _)| updates);
            written.extend(updates.into_iter().flatten().map(|update| (turn.task.name.clone(), update)));
        }
        let writes: Vec<_> = written.iter().map(|(node, update)| AnyWrite { node, update }).collect();
        self.change(&writes)?;
        self.state = self.plan.shape.after_step(self.state.clone(), &writes, &mut self.dirty)?;
        self.ahead.done(self.plan);
        Ok(())
    }

    /// Writes `answer` as what `node` gave.
    async fn write(&mut self, answer: Answer, node: Option<&str>, saver: &mut Saver) -> Result<()> {
        let plan = self.plan;
        let Answer { updates, goto, .. } = answer;
        let as_node = written_by(plan, node, &self.ahead)?;
        let name = as_node.map_or(START, |node| &plan.node(node).name);
        // What the start writes is an input.
        let taken = |update| if as_node.is_none() { plan.shape.taken(update) } else { update };
        let updates: Vec<Payload> = updates.into_iter().map(|update| plan.shape.identify(taken(update))).collect();
        // The task that would have run is taken to have given this.
        let mut turns = self.turns(&saver.place.namespace).into_iter();
        if let Some(turn) = turns.find(|turn| &*turn.task.name == name && is_open(&self.past, turn)) {
            let output = SavedOutput::new(plan, &updates, &Onward::default())?;
            saver.hold(TaskWrite { task: turn.task.id, kind: WriteKind::Output, value: json(&output)? });
        }
        let writes: Vec<_> = updates.iter().map(|update| AnyWrite { node: name, update }).collect();
        self.change(&writes)?;
        let step = self.metadata.step;
        let given = plan.shape.given(&self.state, Progress { step: step + 1, stop: step + 3 });
        let seen = as_node.map_or_else(|| given.clone(), |node| plan.node(node).seen(given.clone()));
        let onward = branch::take(plan, as_node, Some(&seen), goto, None).await?;
        self.state = plan.shape.after_step(self.state.clone(), &writes, &mut self.dirty)?;
        self.ahead.forget();
        self.ahead.go(plan, as_node, onward);
        Ok(())
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
