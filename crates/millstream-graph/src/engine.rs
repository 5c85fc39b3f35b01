//! The superstep loop: run everything that is ready, in parallel; then apply what was written, in an order that does not depend on time.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use millstream_core::{Body, Channels, Cx, Error, ErrorKind, Payload, Result, TaskError};

use crate::build::{END, START};
use crate::channel::Written;
use crate::command::{Command, Send, Target};
use crate::plan::{Exits, Join, JoinIndex, NodeIndex, Plan};
use crate::state::State;
use crate::task::{self, Turn};

/// One execution of a graph.
pub(crate) struct Engine<S: State> {
    plan: Arc<Plan<S>>,
    cx: Cx,
    state: Arc<S>,
    step: u64,
    limit: u64,
    ready: Ready<S>,
}

/// What runs next, and what is being waited for.
struct Ready<S: State> {
    nodes: BTreeSet<NodeIndex>,
    /// Nodes that run when nothing else is left.
    deferred: BTreeSet<NodeIndex>,
    sends: Vec<(NodeIndex, Arc<S>)>,
    /// For each waiting edge, who has come.
    joins: Vec<BTreeSet<NodeIndex>>,
}

/// Where a turn leads.
struct Onward<S: State> {
    next: Vec<NodeIndex>,
    joins: Vec<JoinIndex>,
    sends: Vec<(NodeIndex, Arc<S>)>,
}

/// A turn that is over.
struct Done<S: State> {
    turn: Turn<S>,
    updates: Vec<S::Update>,
    onward: Onward<S>,
}

impl<S: State> Engine<S> {
    pub(crate) fn new(plan: Arc<Plan<S>>, cx: Cx, state: Arc<S>, limit: u64) -> Self {
        let joins = plan.joins.iter().map(|_| BTreeSet::new()).collect();
        let ready = Ready { nodes: BTreeSet::new(), deferred: BTreeSet::new(), sends: Vec::new(), joins };
        Self { plan, cx, state, step: 0, limit, ready }
    }

    /// Applies `input` to the state and runs the graph to its end.
    pub(crate) async fn run(mut self, input: Vec<S::Update>) -> Result<Arc<S>> {
        let plan = self.plan.clone();
        let input: Vec<_> = input.iter().map(|update| Written { node: START, update }).collect();
        self.apply(&input)?;
        self.tell_values().await?;
        let first = onward(&plan, &plan.start, &self.state, Vec::new())?;
        self.ready.go(&plan, None, first);
        loop {
            let turns = self.next_turns();
            if turns.is_empty() {
                return Ok(self.state);
            }
            self.step += 1;
            if self.step > self.limit {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    format!(
                        "the graph has not come to its end in {} steps; raise the limit if it is meant to go on so long",
                        self.limit
                    ),
                ));
            }
            self.superstep(turns).await?;
        }
    }

    /// Sends in their order, then nodes by name.
    fn next_turns(&mut self) -> Vec<Turn<S>> {
        let (plan, ready) = (&self.plan, &mut self.ready);
        let sends = std::mem::take(&mut ready.sends);
        let mut nodes = std::mem::take(&mut ready.nodes);
        if sends.is_empty() && nodes.is_empty() {
            nodes = std::mem::take(&mut ready.deferred);
        }
        let sends = sends.into_iter().enumerate().map(|(number, (node, state))| Turn::push(plan, node, number, state));
        let nodes = nodes.into_iter().map(|node| Turn::pull(plan, node, self.state.clone()));
        sends.chain(nodes).collect()
    }

    async fn superstep(&mut self, turns: Vec<Turn<S>>) -> Result<()> {
        let plan = self.plan.clone();
        for turn in &turns {
            self.tell_started(turn).await?;
        }
        let mut running: FuturesUnordered<_> = turns
            .into_iter()
            .map(|mut turn| {
                let cx = turn.context(&plan, &self.cx, self.step);
                let plan = &plan;
                // The turn gives its state away, so that a state that nobody holds any more is changed in place.
                let state = std::mem::replace(&mut turn.state, self.state.clone());
                async move {
                    let answer = task::run(plan.node(turn.node), state, cx).await;
                    (turn, answer)
                }
            })
            .collect();
        let mut done = Vec::with_capacity(running.len());
        while let Some((turn, answer)) = running.next().await {
            let settled = answer.and_then(|command| settle(&plan, &turn, command));
            match settled {
                Ok((updates, onward)) => {
                    self.tell_finished(&turn, &updates).await?;
                    done.push(Done { turn, updates, onward });
                }
                Err(error) => {
                    // The others are dropped with `running`, and stop.
                    self.tell_failed(&turn, &error).await?;
                    return Err(error);
                }
            }
        }
        drop(running);
        self.finish_step(done).await
    }

    /// Applies what the step wrote: nodes by name, then sends in their order, whatever came first.
    async fn finish_step(&mut self, mut done: Vec<Done<S>>) -> Result<()> {
        let plan = self.plan.clone();
        done.sort_by_key(|done| (done.turn.send, done.turn.node));
        let mut written = false;
        let mut writes = Vec::new();
        let mut onwards = Vec::with_capacity(done.len());
        let mut updates = Vec::with_capacity(done.len());
        for Done { turn, updates: own, onward } in done {
            onwards.push((turn.node, onward));
            updates.push((turn.task.name.clone(), own));
        }
        for (node, own) in &updates {
            for update in own {
                written |= plan.schema.writes(update).next().is_some();
                writes.push(Written { node, update });
            }
        }
        self.apply(&writes)?;
        for (node, onward) in onwards {
            self.ready.go(&plan, Some(node), onward);
        }
        if written { self.tell_values().await } else { Ok(()) }
    }

    /// Applies writes to the state, channel by channel.
    fn apply(&mut self, writes: &[Written<'_, S>]) -> Result<()> {
        apply(&self.plan, &mut self.state, writes)
    }

    async fn tell_values(&self) -> Result<()> {
        if !self.cx.wants(Channels::VALUES) {
            return Ok(());
        }
        self.cx.emit(Body::Values { state: Payload::new(self.state.clone()) }).await
    }

    async fn tell_started(&self, turn: &Turn<S>) -> Result<()> {
        if !self.cx.wants(Channels::TASKS) {
            return Ok(());
        }
        let (task, input) = (turn.task.clone(), Payload::new(turn.state.clone()));
        self.cx.emit(Body::TaskStarted { task, input }).await
    }

    async fn tell_finished(&self, turn: &Turn<S>, updates: &[S::Update]) -> Result<()> {
        let (wants_updates, wants_tasks) = (self.cx.wants(Channels::UPDATES), self.cx.wants(Channels::TASKS));
        if !wants_updates && !wants_tasks {
            return Ok(());
        }
        let says_something = |update: &&S::Update| self.plan.schema.writes(update).next().is_some();
        let updates: Vec<Payload> = updates.iter().filter(says_something).cloned().map(Payload::new).collect();
        if wants_updates {
            let (node, updates) = (turn.task.name.clone(), updates.clone());
            self.cx.emit(Body::Updates { node, updates }).await?;
        }
        if wants_tasks {
            self.cx.emit(Body::TaskFinished { task: turn.task.clone(), result: updates, error: None }).await?;
        }
        Ok(())
    }

    async fn tell_failed(&self, turn: &Turn<S>, error: &Error) -> Result<()> {
        if !self.cx.wants(Channels::TASKS) {
            return Ok(());
        }
        let error = Some(TaskError::from(error));
        self.cx.emit(Body::TaskFinished { task: turn.task.clone(), result: Vec::new(), error }).await
    }
}

/// What a node's answer changes, and where it leads.
fn settle<S: State>(plan: &Plan<S>, turn: &Turn<S>, command: Command<S>) -> Result<(Vec<S::Update>, Onward<S>)> {
    let exits = &plan.node(turn.node).exits;
    let Command { updates, goto, parent } = command;
    if parent {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("the node {:?} speaks to the graph around its own, and there is none", turn.task.name),
        ));
    }
    if exits.branches.is_empty() {
        let onward = onward(plan, exits, &turn.state, goto)?;
        return Ok((updates, onward));
    }
    // A branch sees the state with what its own node wrote, not with what the others in the step do.
    let mut own = turn.state.clone();
    let writes: Vec<_> = updates.iter().map(|update| Written { node: &turn.task.name, update }).collect();
    apply(plan, &mut own, &writes)?;
    let onward = onward(plan, exits, &own, goto)?;
    Ok((updates, onward))
}

fn onward<S: State>(plan: &Plan<S>, exits: &Exits<S>, state: &S, goto: Vec<Target<S>>) -> Result<Onward<S>> {
    let mut onward = Onward { next: exits.next.clone(), joins: exits.joins.clone(), sends: Vec::new() };
    let mut targets = goto;
    for branch in &exits.branches {
        targets.extend((branch.route)(state)?);
    }
    for target in targets {
        match target {
            Target::Node(name) if &*name == END => {}
            Target::Node(name) => onward.next.push(find(plan, &name)?),
            Target::Send(Send { node, state }) => onward.sends.push((find(plan, &node)?, state)),
        }
    }
    Ok(onward)
}

fn find<S: State>(plan: &Plan<S>, name: &str) -> Result<NodeIndex> {
    plan.by_name.get(name).copied().ok_or_else(|| {
        let nodes: Vec<&str> = plan.nodes.iter().map(|node| &*node.name).collect();
        let message =
            format!("the graph was told to go to {name:?}, which is not one of its nodes ({})", nodes.join(", "));
        Error::new(ErrorKind::InvalidInput, message)
    })
}

fn apply<S: State>(plan: &Plan<S>, state: &mut Arc<S>, writes: &[Written<'_, S>]) -> Result<()> {
    for channel in plan.schema.channels() {
        let own: Vec<Written<'_, S>> =
            writes.iter().filter(|write| channel.is_written(write.update)).copied().collect();
        if !own.is_empty() {
            channel.apply(Arc::make_mut(state), &own)?;
        } else if let Some(clear) = channel.clear() {
            clear(Arc::make_mut(state));
        }
    }
    Ok(())
}

impl<S: State> Ready<S> {
    /// Takes note of where a turn leads.
    fn go(&mut self, plan: &Plan<S>, from: Option<NodeIndex>, onward: Onward<S>) {
        let Onward { next, joins, sends } = onward;
        self.sends.extend(sends);
        for node in next {
            self.wake(plan, node);
        }
        for JoinIndex(join) in joins {
            let Join { from: awaited, to } = &plan.joins[join];
            self.joins[join].extend(from);
            if awaited.iter().all(|from| self.joins[join].contains(from)) {
                self.joins[join].clear();
                self.wake(plan, *to);
            }
        }
    }

    fn wake(&mut self, plan: &Plan<S>, node: NodeIndex) {
        let set = if plan.node(node).deferred { &mut self.deferred } else { &mut self.nodes };
        set.insert(node);
    }
}
