//! What runs next, and what is being waited for; in memory and in a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_core::{Error, ErrorKind, Payload, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{Answer, Goto, SavedSent, Sent};
use crate::build::{END, START};
use crate::checkpoint::json;
use crate::plan::{Exits, Join, JoinIndex, NodeIndex, Plan};
use crate::shape::Shape;

/// What runs next.
#[derive(Clone, Default)]
pub(crate) struct Ahead {
    /// The input, with which the graph begins in the next step.
    pub(crate) input: Option<Payload>,
    nodes: BTreeSet<NodeIndex>,
    /// Nodes that run when edges lead to no other.
    deferred: BTreeSet<NodeIndex>,
    sends: Vec<(NodeIndex, Sent)>,
    /// For each waiting edge, who has come.
    joins: Vec<BTreeSet<NodeIndex>>,
    /// The nodes that edges led to in the last step in which there were any; none for the start.
    ran: Vec<Option<NodeIndex>>,
}

/// A task that is due.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    /// The start: the input is written.
    Start,
    /// A node that edges lead to.
    Node(NodeIndex),
    /// A node that something was sent to; as which number.
    Send(usize, NodeIndex, Sent),
}

/// Where a task leads, besides along its edges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Onward {
    pub(crate) next: Vec<NodeIndex>,
    pub(crate) sends: Vec<(NodeIndex, Sent)>,
}

impl Onward {
    /// Where targets lead.
    pub(crate) fn of(plan: &Plan, targets: Vec<Goto>) -> Result<Self> {
        let mut onward = Self::default();
        for target in targets {
            match target {
                Goto::Node(name) if &*name == END => {}
                Goto::Node(name) => onward.next.push(plan.find(&name)?),
                Goto::Send(name, sent) => onward.sends.push((plan.find(&name)?, sent)),
            }
        }
        Ok(onward)
    }
}

impl Ahead {
    /// Nothing runs, nothing is waited for.
    pub(crate) fn nothing(plan: &Plan) -> Self {
        Self { joins: plan.joins.iter().map(|_| BTreeSet::new()).collect(), ..Self::default() }
    }

    /// What runs in the next step: the start alone; or sends in their order, then nodes by name.
    pub(crate) fn due(&self, plan: &Plan) -> Vec<Due> {
        if self.input.is_some() {
            return vec![Due::Start];
        }
        let sends = self.sends.iter().enumerate().map(|(number, (node, sent))| Due::Send(number, *node, sent.clone()));
        let mut nodes = self.nodes.clone();
        nodes.extend(self.joined(plan, false));
        // What was sent does not keep those from running that wait for all others.
        if nodes.is_empty() {
            nodes.clone_from(&self.deferred);
            nodes.extend(self.joined(plan, true));
        }
        sends.chain(nodes.into_iter().map(Due::Node)).collect()
    }

    /// The nodes whose waiting edges have all that they wait for, and have it until the node runs.
    fn joined<'a>(&'a self, plan: &'a Plan, deferred: bool) -> impl Iterator<Item = NodeIndex> + 'a {
        let full = plan.joins.iter().zip(&self.joins).filter(|(join, come)| is_full(join, come));
        full.map(|(join, _)| join.to).filter(move |to| plan.node(*to).spec.deferred == deferred)
    }

    /// What was due has run, or is given up.
    pub(crate) fn done(&mut self, plan: &Plan) {
        let due = self.due(plan);
        let ran: Vec<Option<NodeIndex>> = due
            .iter()
            .filter_map(|due| match due {
                Due::Start => Some(None),
                Due::Node(node) => Some(Some(*node)),
                Due::Send(..) => None,
            })
            .collect();
        if self.input.take().is_some() {
            self.ran = ran;
            return;
        }
        for node in ran.iter().flatten() {
            self.deferred.remove(node);
            for (join, come) in plan.joins.iter().zip(&mut self.joins) {
                if join.to == *node && is_full(join, come) {
                    come.clear();
                }
            }
        }
        if !ran.is_empty() {
            self.ran = ran;
        }
        self.forget();
    }

    /// Nobody goes where edges and sends have led to; what is waited for, and what waits for its time, stays.
    pub(crate) fn forget(&mut self) {
        self.input = None;
        self.nodes.clear();
        self.sends.clear();
    }

    /// The node that an update without a name is taken to come from: the only one that edges led to last.
    pub(crate) fn last_ran(&self) -> Option<Option<NodeIndex>> {
        match self.ran.as_slice() {
            [] => Some(None),
            [one] => Some(*one),
            _ => None,
        }
    }

    /// Takes note of where a task of `from` leads; the start if none.
    pub(crate) fn go(&mut self, plan: &Plan, from: Option<NodeIndex>, onward: Onward) {
        let exits = exits(plan, from);
        for node in exits.next.iter().copied().chain(onward.next) {
            self.wake(plan, node);
        }
        self.sends.extend(onward.sends);
        for JoinIndex(join) in &exits.joins {
            self.joins[*join].extend(from);
        }
    }

    /// Goes where somebody outside says; sends take the place of those that were due.
    pub(crate) fn go_from_outside(&mut self, plan: &Plan, onward: Onward) {
        onward.next.into_iter().for_each(|node| self.wake(plan, node));
        if !onward.sends.is_empty() {
            self.sends = onward.sends;
        }
    }

    fn wake(&mut self, plan: &Plan, node: NodeIndex) {
        let set = if plan.node(node).spec.deferred { &mut self.deferred } else { &mut self.nodes };
        set.insert(node);
    }
}

fn is_full(join: &Join, come: &BTreeSet<NodeIndex>) -> bool {
    join.from.iter().all(|from| come.contains(from))
}

/// What leaves a node, or the start.
pub(crate) fn exits(plan: &Plan, from: Option<NodeIndex>) -> &Exits {
    from.map_or(&plan.start, |node| &plan.node(node).exits)
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct SavedAhead {
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deferred: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sends: Vec<(Arc<str>, SavedSent)>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    joins: BTreeMap<String, Vec<Arc<str>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ran: Vec<Arc<str>>,
}

impl Ahead {
    /// As it stands in a checkpoint.
    pub(crate) fn save(&self, plan: &Plan) -> Result<Arc<str>> {
        let names = |nodes: &BTreeSet<NodeIndex>| nodes.iter().map(|node| plan.node(*node).name.clone()).collect();
        let sends = self.sends.iter().map(|(node, sent)| Ok((plan.node(*node).name.clone(), sent.save(&*plan.shape)?)));
        let waiting = plan.joins.iter().zip(&self.joins).filter(|(_, come)| !come.is_empty());
        json(&SavedAhead {
            input: self.input.as_ref().map(|input| plan.shape.save_json(input)).transpose()?,
            nodes: names(&self.nodes),
            deferred: names(&self.deferred),
            sends: sends.collect::<Result<_>>()?,
            joins: waiting.map(|(join, come)| (join.name.clone(), names(come))).collect(),
            ran: self.ran.iter().map(|node| node.map_or(START.into(), |node| plan.node(node).name.clone())).collect(),
        })
    }

    /// From a checkpoint.
    pub(crate) fn load(text: &str, plan: &Plan) -> Result<Self> {
        let saved: SavedAhead = serde_json::from_str(text).map_err(Error::failed)?;
        let find = |name: &Arc<str>| {
            plan.find(name).map_err(|_| {
                let message = format!(
                    "the thread is to go on with the node {name:?}, which the graph does not have any more; give the graph that node, or go on from an earlier checkpoint"
                );
                Error::new(ErrorKind::InvalidInput, message)
            })
        };
        let mut joins: Vec<BTreeSet<NodeIndex>> = Vec::with_capacity(plan.joins.len());
        for join in &plan.joins {
            let come = saved.joins.get(&join.name).map(Vec::as_slice).unwrap_or_default();
            joins.push(come.iter().map(find).collect::<Result<_>>()?);
        }
        let shape = &*plan.shape;
        let sends = saved.sends.into_iter().map(|(name, sent)| Ok((find(&name)?, Sent::load(sent, shape)?)));
        Ok(Self {
            input: saved.input.map(|input| shape.read_update(input)).transpose()?,
            nodes: saved.nodes.iter().map(find).collect::<Result<_>>()?,
            deferred: saved.deferred.iter().map(find).collect::<Result<_>>()?,
            sends: sends.collect::<Result<_>>()?,
            joins,
            // A node that is gone is nothing that could be waited for.
            ran: saved.ran.iter().filter_map(|name| ran(plan, name)).collect(),
        })
    }
}

fn ran(plan: &Plan, name: &str) -> Option<Option<NodeIndex>> {
    if name == START { Some(None) } else { plan.find(name).ok().map(Some) }
}

/// What a task has given, as it is saved until the next checkpoint.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct SavedOutput {
    pub(crate) updates: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    next: Vec<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sends: Vec<(Arc<str>, SavedSent)>,
}

impl SavedOutput {
    pub(crate) fn new(plan: &Plan, updates: &[Payload], onward: &Onward) -> Result<Self> {
        let sends =
            onward.sends.iter().map(|(node, sent)| Ok((plan.node(*node).name.clone(), sent.save(&*plan.shape)?)));
        Ok(Self {
            updates: updates.iter().map(|update| plan.shape.save_json(update)).collect::<Result<_>>()?,
            next: onward.next.iter().map(|node| plan.node(*node).name.clone()).collect(),
            sends: sends.collect::<Result<_>>()?,
        })
    }

    /// What came from outside, with the run.
    pub(crate) fn from_outside(answer: &Answer, shape: &dyn Shape) -> Result<Self> {
        let (mut next, mut sends) = (Vec::new(), Vec::new());
        for goto in &answer.goto {
            match goto {
                Goto::Node(name) => next.push(name.clone()),
                Goto::Send(name, sent) => sends.push((name.clone(), sent.save(shape)?)),
            }
        }
        let updates = answer.updates.iter().map(|update| shape.save_json(update));
        Ok(Self { updates: updates.collect::<Result<_>>()?, next, sends })
    }

    /// Both, one after the other.
    pub(crate) fn extend(&mut self, then: Self) {
        self.updates.extend(then.updates);
        self.next.extend(then.next);
        if !then.sends.is_empty() {
            self.sends = then.sends;
        }
    }

    pub(crate) fn load(self, plan: &Plan) -> Result<(Vec<Payload>, Onward)> {
        let shape: &dyn Shape = &*plan.shape;
        let updates = self.updates.into_iter().map(|update| shape.read_update(update)).collect::<Result<_>>()?;
        let nodes = self.next.into_iter().map(Goto::Node);
        let sends = self.sends.into_iter().map(|(name, sent)| Ok(Goto::Send(name, Sent::load(sent, shape)?)));
        let targets = nodes.map(Ok).chain(sends).collect::<Result<_>>()?;
        Ok((updates, Onward::of(plan, targets)?))
    }
}
