//! One superstep: its tasks run side by side, and what they wrote is applied when all are done.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use millstream_core::{Cx, Error, ErrorKind, Interrupt, Payload, Result, TaskError};
use serde::Serialize;

use super::Engine;
use crate::ahead::{Onward, SavedOutput, exits};
use crate::answer::{Answer, ForParent, Goto};
use crate::branch;
use crate::channel::Dirty;
use crate::checkpoint::{CheckpointSource, Durability, TaskWrite, WriteKind, json};
use crate::host::Host;
use crate::past::Past;
use crate::shape::AnyWrite;
use crate::tell::Tell;
use crate::turn::{self, Done, Turn};

/// A turn whose node has answered, or failed.
struct Answered {
    turn: usize,
    cx: Cx,
    host: Arc<Host>,
    answer: Result<Answer>,
}

/// What has come of a step so far.
#[derive(Default)]
struct Course {
    /// What was asked and has no answer; with nothing in it, a graph inside has come to a breakpoint.
    interrupts: Option<Vec<Interrupt>>,
    /// Whether the state has what the only turn wrote.
    applied: bool,
}

/// Does `work` while the turns go on. Whoever emits waits in one line for the reader: a turn that stands before `work` in that line has to move, or
/// neither ever does.
async fn beside<T>(
    work: impl Future<Output = T>,
    running: &mut FuturesUnordered<impl Future<Output = Answered>>,
    early: &mut VecDeque<Answered>,
) -> T {
    let mut work = pin!(work);
    poll_fn(|task| {
        if let Poll::Ready(done) = work.as_mut().poll(task) {
            return Poll::Ready(done);
        }
        while let Poll::Ready(Some(answered)) = running.poll_next_unpin(task) {
            early.push_back(answered);
        }
        Poll::Pending
    })
    .await
}

impl Engine {
    /// Gives turns what they have given in an earlier run, so that they do not run again.
    pub(super) fn take_over(&mut self, turns: &mut [Turn]) -> Result<()> {
        for turn in turns.iter_mut() {
            if turn.node.is_none()
                && let Some(input) = self.ahead.input.clone()
            {
                turn.done = Some(Done { updates: vec![input], onward: Onward::default() });
            } else if !self.replaying
                && let Some(output) = self.past.of_mut(turn.task.id).and_then(|deeds| deeds.output.take())
            {
                let (updates, onward) = output.load(&self.plan)?;
                turn.done = Some(Done { updates, onward });
            }
        }
        Ok(())
    }

    pub(super) async fn superstep(&mut self, mut turns: Vec<Turn>) -> Result<()> {
        let plan = self.plan.clone();
        let given = plan.shape.given(&self.state, self.progress);
        for turn in turns.iter().filter(|turn| turn.node.is_some()) {
            self.tell.started(turn, || turn.given(&plan, &given)).await?;
        }
        for turn in turns.iter().filter(|turn| turn.node.is_some()) {
            if let Some(done) = &turn.done {
                self.tell.updates(&*plan.shape, turn, &done.updates, true).await?;
            }
        }
        let course = self.run_turns(&mut turns, given).await?;
        if let Some(interrupts) = course.interrupts {
            self.unfinished = turns;
            return Err(Interrupt::error(interrupts));
        }
        self.finish_step(turns, course.applied).await
    }

    async fn run_turns(&mut self, turns: &mut [Turn], given: Payload) -> Result<Course> {
        let plan = self.plan.clone();
        let mut course = Course::default();
        let mut waiting = Vec::new();
        for (number, turn) in turns.iter().enumerate().filter(|(_, turn)| turn.done.is_none()) {
            let Some(node) = turn.node else { continue };
            let host = self.host(turn);
            let place = turn.context(&plan, self.cx(), host.clone());
            let (plan, state) = (&plan, turn.given(&plan, &given));
            waiting.push(async move {
                let (cx, answer) = turn::run(plan.node(node), &*plan.shape, state, place).await;
                Answered { turn: number, cx, host, answer }
            });
        }
        // A turn that is alone needs no copy of the state for its branches, unless the state is saved when one of them fails.
        let saves_late = self.saver.as_ref().is_some_and(|saver| saver.durability == Durability::Exit);
        let graph_state = (turns.len() > 1 || saves_late).then(|| given.clone());
        drop(given);
        let mut waiting = waiting.into_iter();
        let mut running: FuturesUnordered<_> = waiting.by_ref().take(self.settings.at_once).collect();
        let (mut early, mut failure, mut unsaved) = (VecDeque::new(), None, false);
        loop {
            let saver = &mut self.saver;
            let next = poll_fn(|task| {
                if let Some(Poll::Ready(error)) = saver.as_mut().map(|saver| saver.poll(task)) {
                    return Poll::Ready(Err(error));
                }
                if let Some(answered) = early.pop_front() {
                    return Poll::Ready(Ok(Some(answered)));
                }
                match running.poll_next_unpin(task) {
                    // What others have finished by the time one has failed still counts; the rest stops.
                    Poll::Pending if failure.is_some() => Poll::Ready(Ok(None)),
                    // What has been done is saved while the others go on: together, if it was done together.
                    Poll::Pending if std::mem::take(&mut unsaved) => {
                        let failed = saver.as_mut().map_or(Poll::Pending, |saver| saver.flush_and_poll(task));
                        failed.map(Err)
                    }
                    next => next.map(Ok),
                }
            });
            let Some(answered) = next.await? else { break };
            if failure.is_none() {
                running.extend(waiting.next());
            }
            let turn = &mut turns[answered.turn];
            let settled = self.settle_turn(turn, answered, graph_state.as_ref(), &mut course);
            if let Err(error) = beside(settled, &mut running, &mut early).await {
                failure.get_or_insert(error);
            }
            unsaved = true;
        }
        failure.map_or(Ok(course), Err)
    }

    /// Takes what a turn answered.
    async fn settle_turn(
        &mut self,
        turn: &mut Turn,
        answered: Answered,
        graph_state: Option<&Payload>,
        course: &mut Course,
    ) -> Result<()> {
        let Answered { cx, host, answer, .. } = answered;
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                return self.turn_waits(turn, &host, Interrupt::of(&error), course).await;
            }
            Err(error) => return self.turn_failed(turn, &[], error).await,
        };
        if answer.parent {
            return Err(ForParent::error(answer, &turn.task.name));
        }
        let output = self.tell.output(&answer)?;
        let shape = self.plan.shape.clone();
        answer.updates = answer.updates.into_iter().map(|update| shape.identify(update)).collect();
        let Answer { updates, goto, .. } = answer;
        self.returned.tell(&cx, turn.sent.as_ref(), &updates).await?;
        let told = self.tell.updates(&*shape, turn, &updates, false).await?;
        let onward = match self.branches(turn, &updates, goto, &cx, graph_state, course).await {
            Ok(onward) => onward,
            Err(error) => {
                self.tell.answered(turn, &told).await?;
                return self.turn_failed(turn, &told, error).await;
            }
        };
        Tell::node_ended(&cx, output).await?;
        self.tell.answered(turn, &told).await?;
        self.tell.finished(turn, &told, None, Vec::new()).await?;
        if self.saver.is_some() {
            self.hold(turn, WriteKind::Output, &SavedOutput::new(&self.plan, &updates, &onward)?)?;
            if let Some(answers) = host.used() {
                self.hold(turn, WriteKind::Resume, &answers)?;
            }
        }
        turn.done = Some(Done { updates, onward });
        Ok(())
    }

    /// Where a turn leads. A branch sees the state with what its own node wrote, not with what the others in the step do.
    async fn branches(
        &mut self,
        turn: &Turn,
        updates: &[Payload],
        goto: Vec<Goto>,
        cx: &Cx,
        graph_state: Option<&Payload>,
        course: &mut Course,
    ) -> Result<Onward> {
        let plan = self.plan.clone();
        let has_branches = !exits(&plan, turn.node).branches.is_empty();
        if !has_branches {
            return branch::take(&plan, turn.node, None, goto, Some(cx)).await;
        }
        let writes: Vec<_> = updates.iter().map(|update| AnyWrite { node: &turn.task.name, update }).collect();
        let own = match graph_state {
            Some(state) => {
                let mut unused = vec![Dirty::Clean; plan.shape.width()];
                plan.shape.apply(state.clone(), &writes, &mut unused)?
            }
            None => {
                course.applied = true;
                self.change(|shape, state, dirty| shape.apply(state, &writes, dirty))?;
                plan.shape.given(&self.state, self.progress)
            }
        };
        let seen = match turn.node {
            Some(node) => plan.node(node).seen(own),
            None => own,
        };
        branch::take(&plan, turn.node, Some(&seen), goto, Some(cx)).await
    }

    /// A turn asks a person: the others go on.
    async fn turn_waits(&mut self, turn: &Turn, host: &Host, asked: &[Interrupt], course: &mut Course) -> Result<()> {
        course.interrupts.get_or_insert_default().extend_from_slice(asked);
        if asked.is_empty() {
            return Ok(());
        }
        self.hold(turn, WriteKind::Interrupt, &asked)?;
        if let Some(answers) = host.used() {
            self.hold(turn, WriteKind::Resume, &answers)?;
        }
        self.tell.interrupted(asked.to_vec(), &self.state).await?;
        self.tell.finished(turn, &[], None, asked.to_vec()).await
    }

    /// A turn has failed, and the graph with it; what it has `told` until then stays said.
    async fn turn_failed(&mut self, turn: &Turn, told: &[Payload], error: Error) -> Result<()> {
        if ForParent::is(&error) {
            return Err(error);
        }
        let failure = TaskError::from(&error);
        if error.kind() != ErrorKind::Cancelled {
            self.hold(turn, WriteKind::Error, &failure)?;
        }
        self.tell.finished(turn, told, Some(failure), Vec::new()).await?;
        Err(error)
    }

    fn hold(&mut self, turn: &Turn, kind: WriteKind, value: &impl Serialize) -> Result<()> {
        if let Some(saver) = &mut self.saver {
            saver.hold(TaskWrite { task: turn.task.id, kind, value: json(value)? });
        }
        Ok(())
    }

    /// A step has not ended, since somebody is waited for: what has finished counts in the state that is told last, and not in what is saved.
    pub(super) async fn count_finished(&mut self) -> Result<()> {
        let mut finished = std::mem::take(&mut self.unfinished);
        finished.retain(|turn| turn.done.is_some());
        if self.is_nested || finished.is_empty() {
            return Ok(());
        }
        finished.sort_by_key(|turn| (turn.send, turn.node));
        let writes = writes_of(finished.iter());
        self.change(|shape, state, dirty| shape.apply(state, &writes, dirty))?;
        self.change(|shape, state, dirty| shape.after_step(state, &writes, dirty))?;
        if writes.iter().any(|write| self.plan.shape.says_something(write.update)) {
            self.tell.values(&self.state).await?;
        }
        Ok(())
    }

    /// Where the start leads. Its branches see the state with the input; only if there are any is the start something that events tell of.
    async fn leave_start(&mut self, turn: &Turn) -> Result<Onward> {
        let plan = self.plan.clone();
        if exits(&plan, None).branches.is_empty() {
            return Ok(Onward::default());
        }
        let host = self.host(turn);
        let cx = turn.context(&plan, self.cx(), host).again();
        let input = turn.done.iter().flat_map(|done| &done.updates).next().cloned();
        let input = input.filter(|_| cx.tells());
        if let Some(input) = &input {
            Tell::node_began(&cx, None, input).await?;
        }
        let onward = branch::take(&plan, None, Some(&self.state), Vec::new(), Some(&cx)).await?;
        if let Some(input) = input {
            Tell::node_ended(&cx, Some(input.try_json().map_err(Error::failed)?)).await?;
        }
        Ok(onward)
    }

    /// Applies what the step wrote: nodes by name, then sends in their order, whatever came first.
    async fn finish_step(&mut self, mut turns: Vec<Turn>, applied: bool) -> Result<()> {
        let plan = self.plan.clone();
        turns.sort_by_key(|turn| (turn.send, turn.node));
        self.is_amid = true;
        self.ahead.done(&plan);
        let mut start = None;
        {
            let writes = writes_of(turns.iter());
            if !applied {
                self.change(|shape, state, dirty| shape.apply(state, &writes, dirty))?;
            }
            if let Some(turn) = turns.iter().find(|turn| turn.node.is_none()) {
                start = Some(self.leave_start(turn).await?);
            }
            self.change(|shape, state, dirty| shape.after_step(state, &writes, dirty))?;
        }
        for turn in &mut turns {
            let onward = match (&mut turn.done, turn.node) {
                (_, None) => start.take().unwrap_or_default(),
                (Some(done), _) => std::mem::take(&mut done.onward),
                (None, _) => return Err(Error::new(ErrorKind::Internal, "a step ended before one of its tasks")),
            };
            self.ahead.go(&plan, turn.node, onward);
        }
        let changed = writes_of(turns.iter()).iter().any(|write| plan.shape.says_something(write.update));
        if changed {
            self.tell.values(&self.state).await?;
        }
        drop(turns);
        self.past = Past::default();
        self.checkpoint(CheckpointSource::Loop).await
    }
}

fn writes_of<'a>(turns: impl Iterator<Item = &'a Turn>) -> Vec<AnyWrite<'a>> {
    let done = turns.filter_map(|turn| Some((turn, turn.done.as_ref()?)));
    done.flat_map(|(turn, done)| done.updates.iter().map(move |update| AnyWrite { node: &turn.task.name, update }))
        .collect()
}
