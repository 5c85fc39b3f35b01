//! What can be wrong with a graph before it runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::breakpoints::Nodes;
use crate::build::{END, START, StateGraph};
use crate::state::State;

/// Every mistake, each as a sentence that says what to do.
pub(crate) fn mistakes<S: State>(graph: &StateGraph<S>) -> Vec<String> {
    let mut mistakes = graph.mistakes.clone();
    mistakes.extend(graph.schema.mistakes());
    let known = |name: &str| graph.nodes.contains_key(name);
    for reserved in [START, END].into_iter().filter(|name| known(name)) {
        mistakes.push(format!("a node cannot be called {reserved:?}; that name is the graph's own"));
    }
    for edge in &graph.edges {
        for from in edge.from.iter().filter(|from| &***from != START && !known(from)) {
            let what = if &**from == END { "the end".to_owned() } else { format!("{from:?}, which is not a node") };
            mistakes.push(format!("an edge comes from {what}{}", suggestion(graph, from)));
        }
        if edge.waits && edge.from.iter().any(|from| &**from == START) {
            mistakes.push("a waiting edge comes from the start, which is always there; leave it out".to_owned());
        }
        let to = &edge.to;
        if &**to == START {
            mistakes.push("an edge leads to the start; let it lead to the first node".to_owned());
        } else if &**to != END && !known(to) {
            mistakes.push(format!("an edge leads to {to:?}, which is not a node{}", suggestion(graph, to)));
        }
    }
    for branch in &graph.branches {
        let from = &branch.from;
        if &**from != START && !known(from) {
            mistakes.push(format!("a branch comes from {from:?}, which is not a node{}", suggestion(graph, from)));
        }
        for to in branch.targets.iter().flatten().filter(|to| &***to != END && !known(to)) {
            mistakes
                .push(format!("a branch of {from:?} leads to {to:?}, which is not a node{}", suggestion(graph, to)));
        }
    }
    let stops = [&graph.breakpoints.before, &graph.breakpoints.after].into_iter().flat_map(Nodes::names);
    for name in stops.filter(|name| !known(name)) {
        mistakes.push(format!("a breakpoint is at {name:?}, which is not a node{}", suggestion(graph, name)));
    }
    let starts = graph.edges.iter().any(|edge| edge.from.iter().any(|from| &**from == START))
        || graph.branches.iter().any(|branch| &*branch.from == START);
    if !starts {
        mistakes.push("nothing leaves the start; add an edge from START to the first node".to_owned());
    }
    mistakes.extend(unreachable(graph));
    mistakes
}

/// Nodes that no path leads to. A branch that does not say where it goes, or a node's command, may lead anywhere.
fn unreachable<S: State>(graph: &StateGraph<S>) -> Vec<String> {
    let open_branch = graph.branches.iter().any(|branch| branch.targets.is_none());
    if open_branch || !graph.mistakes.is_empty() {
        return Vec::new();
    }
    // A node to which nothing leads may be the target of a command, and what follows it then runs too.
    let is_target = |name: &Arc<str>| {
        graph.edges.iter().any(|edge| edge.to == *name)
            || graph.branches.iter().any(|branch| branch.targets.iter().flatten().any(|target| target == name))
    };
    let mut reached: BTreeSet<Arc<str>> = graph.nodes.keys().filter(|name| !is_target(name)).cloned().collect();
    reached.insert(START.into());
    loop {
        let along_edges = graph.edges.iter().filter(|edge| edge.from.iter().any(|from| reached.contains(from)));
        let along_branches = graph.branches.iter().filter(|branch| reached.contains(&branch.from));
        let next = along_edges.map(|edge| edge.to.clone());
        let next: Vec<_> =
            next.chain(along_branches.flat_map(|branch| branch.targets.iter().flatten().cloned())).collect();
        let before = reached.len();
        reached.extend(next);
        if reached.len() == before {
            break;
        }
    }
    let lost = graph.nodes.keys().filter(|name| !reached.contains(*name));
    lost.map(|name| format!("no path leads to the node {name:?}")).collect()
}

/// "; did you mean ...?", if some name is near.
fn suggestion<S: State>(graph: &StateGraph<S>, name: &str) -> String {
    let nearest = graph.nodes.keys().map(|known| (distance(known, name), known)).min();
    match nearest {
        Some((distance, known)) if distance <= 1 + name.len() / 4 => format!("; did you mean {known:?}?"),
        _ => String::new(),
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
