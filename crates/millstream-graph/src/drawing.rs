//! What a graph looks like: its nodes and edges, for whoever draws it.

use std::sync::Arc;

use serde::Serialize;

use crate::build::{END, START};
use crate::graph::Graph;
use crate::plan::{Exits, NodeIndex};
use crate::state::State;

/// The nodes and edges of a graph, with the start and the end as nodes of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Drawing {
    /// The graph's name.
    pub name: Arc<str>,
    /// The start, the nodes by their names, the end.
    pub nodes: Vec<DrawnNode>,
    /// What leaves the start, then what leaves each node.
    pub edges: Vec<DrawnEdge>,
}

/// A node of a [`Drawing`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DrawnNode {
    /// Its name, which is also what edges call it.
    pub id: Arc<str>,
    /// What it is.
    pub kind: DrawnKind,
}

/// What a node of a [`Drawing`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DrawnKind {
    /// Where the graph begins.
    Start,
    /// A node.
    Node,
    /// A node that runs only when nothing else is left to run.
    Deferred,
    /// Where the graph ends.
    End,
}

/// An edge of a [`Drawing`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DrawnEdge {
    /// Where it begins.
    pub source: Arc<str>,
    /// Where it leads.
    pub target: Arc<str>,
    /// Whether a branch decides if it is gone.
    pub conditional: bool,
}

impl<S: State> Graph<S> {
    /// What the graph looks like. A branch that does not say where it goes leads to every node.
    ///
    /// ```
    /// use millstream_core::{Demo, Model, tool};
    /// use millstream_graph::react;
    /// use serde_json::json;
    ///
    /// let look = tool("look", "Looks out of the window.", json!({ "type": "object" }), async |_, _| "It rains.");
    /// let drawing = react(Model::from(Demo::instant()), [look])?.drawing();
    /// let edge = drawing.edges.iter().find(|edge| &*edge.target == "tools").unwrap();
    /// assert_eq!((&*edge.source, edge.conditional), ("agent", true));
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    pub fn drawing(&self) -> Drawing {
        let plan = &self.plan;
        let node = |id: &Arc<str>, kind| DrawnNode { id: id.clone(), kind };
        let inner = plan.nodes.iter().map(|planned| {
            let kind = if planned.spec.deferred { DrawnKind::Deferred } else { DrawnKind::Node };
            node(&planned.name, kind)
        });
        let (start, end): (Arc<str>, Arc<str>) = (START.into(), END.into());
        let nodes = [node(&start, DrawnKind::Start)].into_iter().chain(inner).chain([node(&end, DrawnKind::End)]);
        let mut edges = self.exits(&start, &plan.start);
        for planned in &plan.nodes {
            edges.extend(self.exits(&planned.name, &planned.exits));
        }
        Drawing { name: plan.name.clone(), nodes: nodes.collect(), edges }
    }

    fn exits(&self, source: &Arc<str>, exits: &Exits) -> Vec<DrawnEdge> {
        let edge = |target: Arc<str>, conditional| DrawnEdge { source: source.clone(), target, conditional };
        let named = |index: NodeIndex| self.plan.node(index).name.clone();
        let mut edges: Vec<_> = exits.next.iter().map(|to| edge(named(*to), false)).collect();
        edges.extend(exits.joins.iter().map(|join| edge(named(self.plan.joins[join.0].to), false)));
        for branch in &exits.branches {
            let all = || self.plan.nodes.iter().map(|node| node.name.clone()).chain([END.into()]).collect();
            edges.extend(branch.targets.clone().unwrap_or_else(all).into_iter().map(|to| edge(to, true)));
        }
        edges.extend(exits.ends.then(|| edge(END.into(), false)));
        edges
    }
}
