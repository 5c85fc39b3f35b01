//! A compiled graph: names resolved to numbers, and for each node what leaves it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::build::{Branch, END, NodeSpec, START, StateGraph};
use crate::state::{Schema, State};

/// A node, by its place in the order of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeIndex(pub(crate) usize);

pub(crate) struct Plan<S: State> {
    pub(crate) name: Arc<str>,
    pub(crate) schema: Schema<S>,
    pub(crate) nodes: Vec<PlannedNode<S>>,
    pub(crate) by_name: HashMap<Arc<str>, NodeIndex>,
    /// What leaves the start.
    pub(crate) start: Exits<S>,
    pub(crate) joins: Vec<Join>,
}

pub(crate) struct PlannedNode<S: State> {
    pub(crate) name: Arc<str>,
    pub(crate) spec: NodeSpec<S>,
    /// The channels that can start the node, by the names that the reference gives them.
    pub(crate) triggers: Arc<[String]>,
    pub(crate) exits: Exits<S>,
}

/// What leaves a node, or the start.
pub(crate) struct Exits<S: State> {
    pub(crate) next: Vec<NodeIndex>,
    /// Whether an edge leads to the end, which only drawings care for.
    pub(crate) ends: bool,
    pub(crate) joins: Vec<JoinIndex>,
    pub(crate) branches: Vec<Branch<S>>,
}

/// A waiting edge, by its place in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JoinIndex(pub(crate) usize);

/// A waiting edge: `to` runs when all of `from` have.
pub(crate) struct Join {
    pub(crate) from: Vec<NodeIndex>,
    pub(crate) to: NodeIndex,
}

impl<S: State> Plan<S> {
    /// The plan of a graph without mistakes.
    pub(crate) fn new(graph: StateGraph<S>) -> Self {
        let StateGraph { schema, name, nodes, edges, branches, .. } = graph;
        let by_name: HashMap<Arc<str>, NodeIndex> =
            nodes.keys().enumerate().map(|(number, name)| (name.clone(), NodeIndex(number))).collect();
        let mut joins = Vec::new();
        let mut triggers: Vec<Vec<String>> = nodes.keys().map(|name| vec![format!("branch:to:{name}")]).collect();
        let mut start = Exits::none();
        let mut exits: Vec<Exits<S>> = nodes.keys().map(|_| Exits::none()).collect();
        for edge in edges {
            if &*edge.to == END {
                for from in &edge.from {
                    match &**from {
                        START => start.ends = true,
                        from => exits[by_name[from].0].ends = true,
                    }
                }
                continue;
            }
            let to = by_name[&edge.to];
            match edge.from.as_slice() {
                [from] if &**from == START => start.next.push(to),
                [from] => exits[by_name[from].0].next.push(to),
                many => {
                    triggers[to.0].push(format!("join:{}:{}", many.join("+"), edge.to));
                    let from: Vec<NodeIndex> = many.iter().map(|from| by_name[from]).collect();
                    from.iter().for_each(|from| exits[from.0].joins.push(JoinIndex(joins.len())));
                    joins.push(Join { from, to });
                }
            }
        }
        for branch in branches {
            match &*branch.from {
                START => start.branches.push(branch),
                from => exits[by_name[from].0].branches.push(branch),
            }
        }
        triggers.iter_mut().for_each(|triggers| triggers.sort());
        let nodes = nodes.into_iter().zip(exits).zip(triggers).map(|(((name, spec), exits), triggers)| PlannedNode {
            name,
            spec,
            triggers: triggers.into(),
            exits,
        });
        Self { name, schema, nodes: nodes.collect(), by_name, start, joins }
    }

    pub(crate) fn node(&self, index: NodeIndex) -> &PlannedNode<S> {
        &self.nodes[index.0]
    }
}

impl<S: State> PlannedNode<S> {
    /// What the node sees of a state.
    pub(crate) fn seen(&self, state: Arc<S>) -> Arc<S> {
        match &self.spec.sees {
            Some(view) => Arc::new(view(&state)),
            None => state,
        }
    }
}

impl<S: State> Exits<S> {
    fn none() -> Self {
        Self { next: Vec::new(), ends: false, joins: Vec::new(), branches: Vec::new() }
    }
}
