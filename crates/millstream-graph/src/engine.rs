//! The superstep loop: run everything that is ready, in parallel; then apply what was written, in an order that does not depend on time; then
//! save where the graph is.

use std::sync::Arc;

use millstream_core::{Cx, Error, ErrorKind, Interrupt, Payload, Result};
use uuid::Uuid;

use crate::ahead::Ahead;
use crate::breakpoints::Breakpoints;
use crate::channel::{Dirty, Progress};
use crate::checkpoint::{CheckpointMetadata, CheckpointSource, Durability};
use crate::host::{Ground, Host};
use crate::past::Past;
use crate::plan::Plan;
use crate::returned::Returned;
use crate::saver::Saver;
use crate::shape::Shape;
use crate::tell::Tell;
use crate::turn::{Step, Turn};

mod begin;
mod step;

pub(crate) use begin::{Begin, Orders};

/// How an execution of a graph is to go.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Before how many supersteps it has to end.
    pub(crate) limit: u64,
    /// How many turns may run at the same time.
    pub(crate) at_once: usize,
    pub(crate) durability: Durability,
    /// Breakpoints besides those of the graph.
    pub(crate) breakpoints: Breakpoints,
    /// The checkpoint from which to go on, if not from the newest.
    pub(crate) at: Option<Uuid>,
}

/// One execution of a graph.
pub(crate) struct Engine {
    plan: Arc<Plan>,
    tell: Tell,
    settings: Settings,
    ground: Arc<Ground>,
    /// Whether a graph is around this one.
    is_nested: bool,
    /// Whether all its runs in a thread go on with one state, although a graph is around it.
    keeps_one_state: bool,
    saver: Option<Saver>,
    state: Payload,
    /// What is in the place of the state while it changes hands.
    nothing: Payload,
    ahead: Ahead,
    /// What happened to the channels since the last checkpoint.
    dirty: Vec<Dirty>,
    /// The checkpoint that the next step runs after; the run, if there are no checkpoints.
    base: Uuid,
    /// How the checkpoint that was made last came about.
    metadata: CheckpointMetadata,
    /// What the metadata of all checkpoints of this execution have in common.
    unmade: CheckpointMetadata,
    /// The checkpoint before it, as it is told.
    parent: Option<Uuid>,
    progress: Progress,
    past: Past,
    /// Whether what tasks did in an earlier run is done again.
    replaying: bool,
    /// Whether the run goes on where another stopped, and has not run a step yet.
    resuming: bool,
    returned: Returned,
    /// Whether the state and what is ahead are neither what they were at the checkpoint that was made last nor what they are to be at the next.
    is_amid: bool,
    /// The tasks of a step that did not end, since somebody is waited for.
    unfinished: Vec<Turn>,
}

/// How an execution ended.
pub(crate) struct Ended {
    pub(crate) state: Payload,
    /// What it waits for; with nothing in it, it has come to a breakpoint.
    pub(crate) interrupts: Option<Vec<Interrupt>>,
}

impl Engine {
    /// Runs the graph to its end, or until it waits for a person.
    pub(crate) async fn run(mut self, begin: Begin) -> Result<Ended> {
        let ended = match self.begin(begin).await {
            Ok(()) => self.go_on().await,
            Err(error) => Err(error),
        };
        let interrupts = match ended {
            Ok(()) => None,
            Err(error) if error.kind() == ErrorKind::Interrupted => Some(Interrupt::of(&error).to_vec()),
            Err(error) => {
                self.close(false).await?;
                return Err(error);
            }
        };
        self.close(interrupts.is_none()).await?;
        self.count_finished().await?;
        if let (Some(interrupts), true) = (&interrupts, self.is_nested) {
            return Err(Interrupt::error(interrupts.clone()));
        }
        if interrupts.as_ref().is_some_and(Vec::is_empty) {
            self.tell.interrupted(Vec::new(), &self.state).await?;
        }
        self.tell.ended(&self.state).await?;
        Ok(Ended { state: self.plan.shape.given_in_the_end(self.state)?, interrupts })
    }

    async fn go_on(&mut self) -> Result<()> {
        loop {
            let mut turns = self.turns();
            // Before it is known whether anything is left to run, as in LangGraph: 4 steps need a limit of 5.
            if self.progress.step > self.progress.stop {
                self.tell_checkpoint(&turns).await?;
                return Err(too_long(self.ground.limit));
            }
            self.take_over(&mut turns)?;
            self.tell_checkpoint(&turns).await?;
            if turns.is_empty() {
                return Ok(());
            }
            let stop = turns.iter().any(|turn| turn.node.is_some() && self.stops_before(&turn.task.name));
            if stop && !self.resuming {
                return Err(Interrupt::error(Vec::new()));
            }
            let stop = turns.iter().any(|turn| turn.node.is_some() && self.stops_after(&turn.task.name));
            self.superstep(turns).await?;
            (self.replaying, self.resuming) = (false, false);
            if !self.is_nested {
                self.ground.answers.expire();
            }
            if stop {
                let turns = self.turns();
                self.tell_checkpoint(&turns).await?;
                return Err(Interrupt::error(Vec::new()));
            }
        }
    }

    /// What is due, as turns.
    fn turns(&self) -> Vec<Turn> {
        let step = Step { namespace: &self.ground.namespace, base: self.base, number: self.progress.step };
        self.ahead.due(&self.plan).into_iter().map(|due| Turn::new(&self.plan, due, step)).collect()
    }

    fn stops_before(&self, node: &str) -> bool {
        self.plan.breakpoints.before.contains(node) || self.settings.breakpoints.before.contains(node)
    }

    fn stops_after(&self, node: &str) -> bool {
        self.plan.breakpoints.after.contains(node) || self.settings.breakpoints.after.contains(node)
    }

    /// Makes a checkpoint of where the graph is, and saves it unless that is left for the end.
    async fn checkpoint(&mut self, source: CheckpointSource) -> Result<()> {
        let step = self.progress.step;
        self.progress.step += 1;
        self.is_amid = false;
        let Some(saver) = &mut self.saver else { return Ok(()) };
        if saver.durability == Durability::Exit {
            // What tasks did before is in the state.
            saver.take_held();
        }
        self.metadata = CheckpointMetadata { source, step, ..self.unmade.clone() };
        self.base = saver.next_id();
        if saver.durability != Durability::Exit {
            self.parent = saver.saved;
            self.save().await?;
        }
        Ok(())
    }

    /// Saves the checkpoint that was made last.
    async fn save(&mut self) -> Result<()> {
        let Some(saver) = &mut self.saver else { return Ok(()) };
        let changes = self.plan.shape.save(&self.state, &self.dirty)?;
        self.dirty.fill(Dirty::Clean);
        saver.put(self.base, self.metadata.clone(), changes, self.ahead.save(&self.plan)?).await
    }

    /// Changes the state.
    fn change(&mut self, change: impl FnOnce(&dyn Shape, Payload, &mut [Dirty]) -> Result<Payload>) -> Result<()> {
        let state = std::mem::replace(&mut self.state, self.nothing.clone());
        self.state = change(&*self.plan.shape, state, &mut self.dirty)?;
        Ok(())
    }

    /// Comes back when everything that is to be saved is. A graph inside another that has come to its end leaves nothing, unless it keeps one
    /// state for all its runs.
    async fn close(&mut self, ended: bool) -> Result<()> {
        // A save that has failed was told already, and nothing can follow it.
        let Some(saver) = self.saver.as_mut().filter(|saver| !saver.has_failed) else { return Ok(()) };
        let leaves = !self.is_nested || !ended || self.keeps_one_state;
        let is_late = saver.durability == Durability::Exit && saver.saved != Some(self.base);
        if is_late && leaves && self.metadata.step >= -1 {
            // What is held belongs to the checkpoint that is only saved now.
            let held = saver.take_held();
            if self.is_amid {
                return Ok(());
            }
            self.save().await?;
            if let Some(saver) = &mut self.saver {
                held.into_iter().for_each(|write| saver.hold(write));
            }
        }
        let Some(saver) = &mut self.saver else { return Ok(()) };
        saver.flush();
        saver.settle().await
    }

    async fn tell_checkpoint(&mut self, turns: &[Turn]) -> Result<()> {
        let Some(Saver { place, .. }) = &self.saver else { return Ok(()) };
        self.tell
            .checkpoint(&self.plan, place, self.base, self.parent, &self.metadata, &self.state, turns, &self.past)
            .await
    }

    /// What everything inside a turn finds around it.
    fn host(&mut self, turn: &Turn) -> Arc<Host> {
        let answers = self.past.of_mut(turn.task.id).map(|deeds| std::mem::take(&mut deeds.answers));
        let mut host =
            Host::new(self.ground.clone(), turn.task.name.clone(), turn.task.id, answers.unwrap_or_default());
        host.checkpoint = self.saver.is_some().then_some(self.base);
        host.resuming = self.resuming;
        host.call = match &turn.sent {
            Some(crate::answer::Sent::Call(call)) => Some(call.clone()),
            _ => None,
        };
        Arc::new(host)
    }

    /// The context of the execution.
    fn cx(&self) -> &Cx {
        self.tell.cx()
    }
}

fn too_long(limit: u64) -> Error {
    let message =
        format!("the graph has not come to its end in {limit} steps; raise the limit if it is meant to go on so long");
    Error::new(ErrorKind::LimitExceeded, message).with_name("GraphRecursionError")
}
