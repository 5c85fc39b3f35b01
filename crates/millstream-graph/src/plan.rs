//! A compiled graph: names resolved to numbers, and for each node what leaves it.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_core::{Error, ErrorKind, Metadata, Payload, Result};

use crate::breakpoints::Breakpoints;
use crate::build::{Branch, END, NodeSpec, START, StateGraph};
use crate::shape::Shape;
use crate::state::State;

/// A node, by its place in the order of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeIndex(pub(crate) usize);

pub(crate) struct Plan {
    pub(crate) name: Arc<str>,
    pub(crate) metadata: Metadata,
    pub(crate) shape: Arc<dyn Shape>,
    pub(crate) nodes: Vec<PlannedNode>,
    by_name: HashMap<Arc<str>, NodeIndex>,
    /// What leaves the start.
    pub(crate) start: Exits,
    pub(crate) joins: Vec<Join>,
    pub(crate) breakpoints: Breakpoints,
}

pub(crate) struct PlannedNode {
    pub(crate) name: Arc<str>,
    pub(crate) spec: NodeSpec,
    /// The channels that can start the node, by the names that the reference gives them.
    pub(crate) triggers: Arc<[String]>,
    pub(crate) exits: Exits,
}

/// What leaves a node, or the start.
pub(crate) struct Exits {
    pub(crate) next: Vec<NodeIndex>,
    /// Whether an edge leads to the end, which only drawings care for.
    pub(crate) ends: bool,
    pub(crate) joins: Vec<JoinIndex>,
    pub(crate) branches: Vec<Branch>,
}

/// A waiting edge, by its place in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JoinIndex(pub(crate) usize);

/// A waiting edge: `to` runs when all of `from` have.
pub(crate) struct Join {
    /// The channel that it is in the reference.
    pub(crate) name: String,
    pub(crate) from: Vec<NodeIndex>,
    pub(crate) to: NodeIndex,
}

impl Plan {
    /// The plan of a graph without mistakes.
    pub(crate) fn new<S: State>(graph: StateGraph<S>) -> Self {
        let StateGraph { schema, name, metadata, nodes, edges, branches, breakpoints, .. } = graph;
        let by_name: HashMap<Arc<str>, NodeIndex> =
            nodes.keys().enumerate().map(|(number, name)| (name.clone(), NodeIndex(number))).collect();
        let mut joins = Vec::new();
        let mut triggers: Vec<Vec<String>> = nodes.keys().map(|name| vec![format!("branch:to:{name}")]).collect();
        let mut start = Exits::none();
        let mut exits: Vec<Exits> = nodes.keys().map(|_| Exits::none()).collect();
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
                [from] if !edge.waits => exits[by_name[from].0].next.push(to),
                many => {
                    let name = format!("join:{}:{}", many.join("+"), edge.to);
                    triggers[to.0].push(name.clone());
                    let from: Vec<NodeIndex> = many.iter().map(|from| by_name[from]).collect();
                    from.iter().for_each(|from| exits[from.0].joins.push(JoinIndex(joins.len())));
                    joins.push(Join { name, from, to });
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
        let shape = Arc::new(schema);
        Self { name, metadata, shape, nodes: nodes.collect(), by_name, start, joins, breakpoints }
    }

    pub(crate) fn node(&self, index: NodeIndex) -> &PlannedNode {
        &self.nodes[index.0]
    }

    pub(crate) fn find(&self, name: &str) -> Result<NodeIndex> {
        self.by_name.get(name).copied().ok_or_else(|| {
            let nodes: Vec<&str> = self.nodes.iter().map(|node| &*node.name).collect();
            let message =
                format!("the graph was told to go to {name:?}, which is not one of its nodes ({})", nodes.join(", "));
            Error::new(ErrorKind::InvalidInput, message)
        })
    }
}

impl PlannedNode {
    /// What the node sees of a state.
    pub(crate) fn seen(&self, state: Payload) -> Payload {
        match &self.spec.sees {
            Some(view) => view(&state),
            None => state,
        }
    }
}

impl Exits {
    fn none() -> Self {
        Self { next: Vec::new(), ends: false, joins: Vec::new(), branches: Vec::new() }
    }
}
