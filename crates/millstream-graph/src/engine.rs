//! The superstep loop: run everything that is ready, in parallel; then apply what was written, in an order that does not depend on time.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use millstream_core::{Cx, Error, ErrorKind, Result};

use crate::build::START;
use crate::channel::{Progress, Written};
use crate::command::{Command, ForParent};
use crate::onward::{Onward, Ready, after_turn, apply, from_start};
use crate::plan::Plan;
use crate::returned::Returned;
use crate::state::State;
use crate::task::{self, Turn};
use crate::tell::Tell;

/// One execution of a graph.
pub(crate) struct Engine<S: State> {
    plan: Arc<Plan<S>>,
    tell: Tell,
    state: Arc<S>,
    progress: Progress,
    /// How many turns may run at the same time.
    at_once: usize,
    ready: Ready<S>,
    returned: Returned,
}

/// A turn that is over.
struct Done<S: State> {
    turn: Turn<S>,
    updates: Vec<S::Update>,
    onward: Onward<S>,
}

impl<S: State> Engine<S> {
    pub(crate) fn new(plan: Arc<Plan<S>>, cx: Cx, state: Arc<S>, limit: u64) -> Self {
        let ready = Ready::nothing(&plan);
        let progress = Progress { step: 0, limit };
        let (tell, returned) = (Tell::new(cx), Returned::default());
        Self { plan, tell, state, progress, at_once: usize::MAX, ready, returned }
    }

    /// Runs at most so many turns at the same time.
    pub(crate) fn at_once(self, turns: usize) -> Self {
        Self { at_once: turns.max(1), ..self }
    }

    /// Applies `input` to the state and runs the graph to its end.
    pub(crate) async fn run(mut self, input: Vec<S::Update>) -> Result<Arc<S>> {
        let plan = self.plan.clone();
        self.tell.began(&input, &*self.state).await?;
        let input: Vec<_> = input.iter().map(|update| Written { node: START, update }).collect();
        self.apply(&input)?;
        // A run may be given a whole state instead of an input.
        if input.is_empty() || input.iter().any(|write| plan.schema.says_something(write.update)) {
            self.tell.values(&self.state).await?;
        }
        let first = from_start(&plan, &*self.state)?;
        self.ready.go(&plan, None, first);
        loop {
            self.progress.step += 1;
            // Before it is known whether anything is left to run, as in LangGraph: 4 steps need a limit of 5.
            if self.progress.step > self.progress.limit {
                return Err(too_long(self.progress.limit));
            }
            let given = plan.schema.given(&self.state, self.progress);
            let turns = self.ready.turns(&plan, &given);
            if turns.is_empty() {
                self.tell.ended(&*self.state).await?;
                return Ok(self.state);
            }
            self.superstep(turns, given).await?;
        }
    }

    async fn superstep(&mut self, turns: Vec<Turn<S>>, given: Arc<S>) -> Result<()> {
        let plan = self.plan.clone();
        for turn in &turns {
            self.tell.started(turn).await?;
        }
        let mut waiting = turns.into_iter().map(|mut turn| {
            let cx = turn.context(&plan, self.tell.cx(), self.progress.step);
            let plan = &plan;
            // The turn keeps the graph's state, which its branches go by; the node may have been sent one of its own.
            let state = std::mem::replace(&mut turn.state, given.clone());
            let input = self.tell.looks_for_messages().then(|| state.clone());
            async move {
                let answer = match Tell::node_began(&cx, &*state).await {
                    Ok(()) => task::run(plan.node(turn.node), state, cx.clone()).await,
                    Err(error) => Err(error),
                };
                (turn, cx, input, answer)
            }
        });
        let mut running: FuturesUnordered<_> = waiting.by_ref().take(self.at_once).collect();
        let mut done = Vec::new();
        while let Some((turn, cx, input, answer)) = running.next().await {
            running.extend(waiting.next());
            // When it fails, the others are dropped with `running`, and stop.
            let command = match answer {
                Ok(command) => command,
                Err(error) => return self.tell.failed(&turn, &[], error).await,
            };
            if command.parent {
                return Err(ForParent(command).into_error(&turn.task.name));
            }
            let output = self.tell.output(&command)?;
            let Command { updates, goto, .. } = command;
            if let Some(input) = input {
                self.returned.tell(&cx, &input, &updates).await?;
            }
            let told = self.tell.updates(&plan.schema, &turn, &updates).await?;
            match after_turn(&plan, &turn, &updates, goto, &cx).await {
                Ok(onward) => {
                    self.tell.node_ended(&cx, output, &updates).await?;
                    self.tell.finished(&turn, &told).await?;
                    done.push(Done { turn, updates, onward });
                }
                Err(error) => return self.tell.failed(&turn, &told, error).await,
            }
        }
        drop((running, waiting));
        drop(given);
        self.finish_step(done).await
    }

    /// Applies what the step wrote: nodes by name, then sends in their order, whatever came first.
    async fn finish_step(&mut self, mut done: Vec<Done<S>>) -> Result<()> {
        let plan = self.plan.clone();
        done.sort_by_key(|done| (done.turn.send, done.turn.node));
        let mut onwards = Vec::with_capacity(done.len());
        let mut updates = Vec::with_capacity(done.len());
        for Done { turn, updates: own, onward } in done {
            onwards.push((turn.node, onward));
            updates.push((turn.task.name.clone(), own));
        }
        let writes: Vec<_> =
            updates.iter().flat_map(|(node, own)| own.iter().map(move |update| Written { node, update })).collect();
        self.apply(&writes)?;
        for (node, onward) in onwards {
            self.ready.go(&plan, Some(node), onward);
        }
        let changed = writes.iter().any(|write| plan.schema.says_something(write.update));
        if changed { self.tell.values(&self.state).await } else { Ok(()) }
    }

    fn apply(&mut self, writes: &[Written<'_, S>]) -> Result<()> {
        apply(&self.plan, &mut self.state, writes)
    }
}

fn too_long(limit: u64) -> Error {
    let message =
        format!("the graph has not come to its end in {limit} steps; raise the limit if it is meant to go on so long");
    Error::new(ErrorKind::LimitExceeded, message).with_name("GraphRecursionError")
}
