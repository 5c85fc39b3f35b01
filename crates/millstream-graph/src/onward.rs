//! Where the graph goes after a step: along edges, where branches and commands say, and when waiting edges have all they wait for.

use std::collections::BTreeSet;
use std::sync::Arc;

use millstream_core::{Body, Channels, Cx, Error, ErrorKind, Kind, Label, Result};
use serde_json::Value;

use crate::build::{Branch, END};
use crate::channel::Written;
use crate::command::{Send, Target};
use crate::plan::{Exits, Join, JoinIndex, NodeIndex, Plan};
use crate::state::State;
use crate::task::Turn;

/// What runs next, and what is being waited for.
pub(crate) struct Ready<S: State> {
    nodes: BTreeSet<NodeIndex>,
    /// Nodes that run when nothing else is left.
    deferred: BTreeSet<NodeIndex>,
    sends: Vec<(NodeIndex, Arc<S>)>,
    /// For each waiting edge, who has come.
    joins: Vec<BTreeSet<NodeIndex>>,
}

/// Where a turn leads.
pub(crate) struct Onward<S: State> {
    pub(crate) next: Vec<NodeIndex>,
    pub(crate) joins: Vec<JoinIndex>,
    pub(crate) sends: Vec<(NodeIndex, Arc<S>)>,
}

/// Where a turn that was executed as `cx` and wrote `updates` leads.
pub(crate) async fn after_turn<S: State>(
    plan: &Plan<S>,
    turn: &Turn<S>,
    updates: &[S::Update],
    goto: Vec<Target<S>>,
    cx: &Cx,
) -> Result<Onward<S>> {
    let planned = plan.node(turn.node);
    let mut targets = goto;
    if !planned.exits.branches.is_empty() {
        // A branch sees the state with what its own node wrote, not with what the others in the step do.
        let mut own = turn.state.clone();
        let writes: Vec<_> = updates.iter().map(|update| Written { node: &turn.task.name, update }).collect();
        write(plan, &mut own, &writes)?;
        let seen = planned.seen(own);
        for branch in &planned.exits.branches {
            targets.extend(take_branch(branch, &*seen, cx).await?);
        }
    }
    onward(plan, &planned.exits, targets)
}

/// Where a run begins with `state`.
pub(crate) fn from_start<S: State>(plan: &Plan<S>, state: &S) -> Result<Onward<S>> {
    let mut targets = Vec::new();
    for branch in &plan.start.branches {
        targets.extend((branch.route)(state)?);
    }
    onward(plan, &plan.start, targets)
}

/// Takes a branch, as a runnable inside the node.
async fn take_branch<S: State>(branch: &Branch<S>, state: &S, cx: &Cx) -> Result<Vec<Target<S>>> {
    if !cx.wants(Channels::RUNNABLES) {
        return (branch.route)(state);
    }
    let cx = cx.child(Label::new(Kind::Chain, branch.name.clone()));
    let input = serde_json::to_value(state).map_err(Error::failed)?;
    cx.emit(Body::RunnableStarted { input: Some(input) }).await?;
    let targets = (branch.route)(state)?;
    let mut names: Vec<Value> = targets.iter().map(Target::json).collect::<Result<_>>()?;
    let output = if names.len() == 1 { names.remove(0) } else { Value::Array(names) };
    cx.emit(Body::RunnableFinished { output }).await?;
    Ok(targets)
}

/// Where `exits` lead, besides to `targets`.
fn onward<S: State>(plan: &Plan<S>, exits: &Exits<S>, targets: Vec<Target<S>>) -> Result<Onward<S>> {
    let mut onward = Onward { next: exits.next.clone(), joins: exits.joins.clone(), sends: Vec::new() };
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

/// Applies the writes of a step to the state, channel by channel; what lives for one step is gone after it.
pub(crate) fn apply<S: State>(plan: &Plan<S>, state: &mut Arc<S>, writes: &[Written<'_, S>]) -> Result<()> {
    for channel in plan.schema.channels() {
        if let (Some(clear), false) = (channel.clear(), writes.iter().any(|write| channel.is_written(write.update))) {
            clear(Arc::make_mut(state));
        }
    }
    write(plan, state, writes)
}

fn write<S: State>(plan: &Plan<S>, state: &mut Arc<S>, writes: &[Written<'_, S>]) -> Result<()> {
    for channel in plan.schema.channels() {
        let own: Vec<Written<'_, S>> =
            writes.iter().filter(|write| channel.is_written(write.update)).copied().collect();
        if !own.is_empty() {
            channel.apply(Arc::make_mut(state), &own)?;
        }
    }
    Ok(())
}

impl<S: State> Ready<S> {
    /// Nothing is ready, nothing is waited for.
    pub(crate) fn nothing(plan: &Plan<S>) -> Self {
        let joins = plan.joins.iter().map(|_| BTreeSet::new()).collect();
        Self { nodes: BTreeSet::new(), deferred: BTreeSet::new(), sends: Vec::new(), joins }
    }

    /// What runs in the next step, which is given `state`: sends in their order, then nodes by name.
    pub(crate) fn turns(&mut self, plan: &Plan<S>, state: &Arc<S>) -> Vec<Turn<S>> {
        let sends = std::mem::take(&mut self.sends);
        let mut nodes = std::mem::take(&mut self.nodes);
        if sends.is_empty() && nodes.is_empty() {
            nodes = std::mem::take(&mut self.deferred);
        }
        let sends = sends.into_iter().enumerate().map(|(number, (node, state))| Turn::push(plan, node, number, state));
        let nodes = nodes.into_iter().map(|node| Turn::pull(plan, node, state.clone()));
        sends.chain(nodes).collect()
    }

    /// Takes note of where a turn leads.
    pub(crate) fn go(&mut self, plan: &Plan<S>, from: Option<NodeIndex>, onward: Onward<S>) {
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
        let set = if plan.node(node).spec.deferred { &mut self.deferred } else { &mut self.nodes };
        set.insert(node);
    }
}
