//! Random graphs whose nodes are deterministic: what they write depends on the state that they are given, and on nothing else.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use millstream_core::{Body, Channels, Cx, Outcome, Result};
use millstream_graph::{Command, Durability, Graph, GraphRun, START, Send, StateGraph, Target};
use proptest::prelude::*;
use serde_json::json;

use super::{Journal, Later, Log, LogUpdate, answer, graph, lines};

/// A part of a graph: it has one node where it begins, and one where it ends. Numbers are milliseconds if nothing else is said.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// A node.
    Say(u64),
    /// A node that says so many things.
    Shout(usize),
    /// Chains side by side, which are all waited for: how long each node takes, and how many there are.
    Fan(Vec<(u64, usize)>),
    /// One way or the other, by the state.
    Choice(u64, u64),
    /// A node that runs so many times.
    Again(usize),
    /// A node that something is sent to.
    Sends(Vec<u64>),
    /// Two ways of unequal length, and a deferred node behind them.
    Deferred(u64, u64),
    /// A node that says where to go.
    Goto(u64),
    /// A node that asks so many questions.
    Ask(usize),
    /// A graph inside, so many times.
    Inside(Vec<Part>, Way, usize),
}

/// How a graph is inside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As a node.
    Node,
    /// As a node, with one state for all its runs.
    OneState,
    /// As a node that keeps nothing.
    Nothing,
    /// In a function, twice.
    Called,
}

pub(crate) fn parts() -> impl Strategy<Value = Vec<Part>> {
    let way = prop_oneof![Just(Way::Node), Just(Way::OneState), Just(Way::Nothing), Just(Way::Called)];
    let inside = (prop::collection::vec(leaf(), 1..3), way, 1..3_usize)
        .prop_map(|(parts, way, times)| Part::Inside(parts, way, times));
    prop::collection::vec(prop_oneof![3 => leaf(), 2 => inside], 1..4)
}

fn leaf() -> impl Strategy<Value = Part> {
    let after = || 0..4_u64;
    prop_oneof![
        after().prop_map(Part::Say),
        (0..100_usize).prop_map(Part::Shout),
        prop::collection::vec((after(), 1..4_usize), 1..4).prop_map(Part::Fan),
        (after(), after()).prop_map(|(left, right)| Part::Choice(left, right)),
        (1..4_usize).prop_map(Part::Again),
        prop::collection::vec(after(), 1..4).prop_map(Part::Sends),
        (after(), after()).prop_map(|(left, right)| Part::Deferred(left, right)),
        after().prop_map(Part::Goto),
        (1..3_usize).prop_map(Part::Ask),
    ]
}

/// The parts without those that ask.
pub(crate) fn without_questions(parts: &[Part]) -> Vec<Part> {
    let kept = parts.iter().map(|part| match part {
        Part::Ask(_) => Part::Say(1),
        Part::Inside(inner, way, times) => Part::Inside(without_questions(inner), *way, *times),
        other => other.clone(),
    });
    kept.collect()
}

/// The parts without graphs that keep one state for all their runs.
pub(crate) fn without_one_state(parts: &[Part]) -> Vec<Part> {
    let kept = parts.iter().map(|part| match part {
        Part::Inside(inner, Way::OneState, times) => Part::Inside(inner.clone(), Way::Node, *times),
        other => other.clone(),
    });
    kept.collect()
}

/// A node that notes in `ran` what it does, takes a while, and writes how long the log was.
fn work(name: String, after: u64, ran: &Journal) -> impl Fn(Arc<Log>, Cx) -> Later + use<> {
    let ran = ran.clone();
    move |state, cx| {
        let (name, ran) = (format!("{name}:{}:{}", state.log.len(), state.n), ran.clone());
        async move {
            ran.note(&*name);
            cx.write(json!({ "begins": name })).await?;
            tokio::time::sleep(Duration::from_millis(after)).await;
            cx.write(json!({ "ends": name })).await?;
            Ok(lines([&*name]))
        }
        .boxed()
    }
}

fn shout(times: usize, name: String, ran: &Journal) -> impl Fn(Arc<Log>, Cx) -> Later + use<> {
    let ran = ran.clone();
    move |state, cx| {
        let (name, ran) = (format!("{name}:{}", state.log.len()), ran.clone());
        async move {
            ran.note(&*name);
            for number in 0..times {
                cx.write(number).await?;
            }
            Ok(lines([&*name]).n(state.n + 1))
        }
        .boxed()
    }
}

fn ask(times: usize, name: String, ran: &Journal) -> impl Fn(Arc<Log>, Cx) -> Later + use<> {
    let ran = ran.clone();
    move |state, cx| {
        let (name, ran) = (format!("{name}:{}", state.log.len()), ran.clone());
        async move {
            let mut answers = Vec::new();
            for number in 0..times {
                answers.push(cx.interrupt::<String>(format!("{name} {number}?")).await?);
            }
            ran.note(name);
            Ok(Log::update().log(answers))
        }
        .boxed()
    }
}

/// How often `name` has written to the log.
fn times_of(state: &Log, name: &str) -> usize {
    state.log.iter().filter(|line| line.split(':').next() == Some(name)).count()
}

/// The graph of `parts`, of which the names of nodes begin with `prefix`.
pub(crate) fn build(parts: &[Part], prefix: &str, ran: &Journal) -> StateGraph<Log> {
    let (mut graph, mut before) = (graph(), START.to_owned());
    for (number, part) in parts.iter().enumerate() {
        let name = format!("{prefix}{number}");
        (graph, before) = add(graph.edge(&before, &name), part, name, ran);
    }
    graph
}

/// Adds a part that begins with the node `name`; gives the node with which it ends.
fn add(graph: StateGraph<Log>, part: &Part, name: String, ran: &Journal) -> (StateGraph<Log>, String) {
    let end = format!("{name}z");
    let node = |name: &String, after: u64| work(name.clone(), after, ran);
    match part {
        Part::Say(after) => (graph.node(name.clone(), node(&name, *after)), name),
        Part::Shout(times) => (graph.node(name.clone(), shout(*times, name.clone(), ran)), name),
        Part::Ask(times) => (graph.node(name.clone(), ask(*times, name.clone(), ran)), name),
        Part::Fan(chains) => {
            let mut graph = graph.node(name.clone(), node(&name, 0)).node(end.clone(), node(&end, 0));
            let mut last = Vec::new();
            for (chain, (after, length)) in chains.iter().enumerate() {
                let mut before = name.clone();
                for place in 0..*length {
                    let link = format!("{name}c{chain}{place}");
                    graph = graph.node(link.clone(), node(&link, *after)).edge(&before, &link);
                    before = link;
                }
                last.push(before);
            }
            let last: Vec<&str> = last.iter().map(String::as_str).collect();
            (graph.join_all(&last, &end), end)
        }
        Part::Choice(left, right) => {
            let (one, two) = (format!("{name}l"), format!("{name}r"));
            let graph = graph.node(name.clone(), node(&name, 0)).node(end.clone(), node(&end, 0));
            let graph = graph.node(one.clone(), node(&one, *left)).node(two.clone(), node(&two, *right));
            let graph = graph.edge(&one, &end).edge(&two, &end);
            let route = move |state: &Log| if state.log.len().is_multiple_of(2) { one.clone() } else { two.clone() };
            (graph.branch(&name, route), end)
        }
        Part::Again(times) => {
            let graph = graph.node(name.clone(), node(&name, 1)).node(end.clone(), node(&end, 0));
            (again(graph, &name, &end, *times), end)
        }
        Part::Sends(afters) => {
            let worker = format!("{name}w");
            let graph = graph.node(name.clone(), node(&name, 0)).node(end.clone(), node(&end, 0));
            let (ran, afters, to) = (ran.clone(), afters.clone(), worker.clone());
            let own = worker.clone();
            let works = move |state: Arc<Log>, cx: Cx| {
                let after = afters[usize::try_from(state.n).unwrap()];
                work(own.clone(), after, &ran)(state, cx)
            };
            let count = match part {
                Part::Sends(afters) => afters.len(),
                _ => 0,
            };
            let route = move |state: &Log| -> Vec<Target<Log>> {
                let sends =
                    (0..count).map(|n| Send::new(to.clone(), Log { n: i64::try_from(n).unwrap(), ..state.clone() }));
                sends.map(Target::from).collect()
            };
            (graph.node(worker.clone(), works).branch(&name, route).edge(&worker, &end), end)
        }
        Part::Deferred(left, right) => {
            let (one, two, three) = (format!("{name}a"), format!("{name}b"), format!("{name}c"));
            let graph = graph.node(name.clone(), node(&name, 0)).node(end.clone(), node(&end, 0)).deferred(&end);
            let graph = graph.node(one.clone(), node(&one, *left)).node(two.clone(), node(&two, *right));
            let graph = graph.node(three.clone(), node(&three, 0)).edge(&name, &one).edge(&name, &two);
            (graph.edge(&two, &three).edge(&one, &end).edge(&three, &end), end)
        }
        Part::Goto(after) => {
            let (own, to) = (node(&name, *after), end.clone());
            let goes = move |state: Arc<Log>, cx: Cx| -> Later<Command<Log>> {
                let (update, to) = (own(state, cx), to.clone());
                async move { Ok(Command::goto(to).update(update.await?)) }.boxed()
            };
            (graph.node(name.clone(), goes).node(end.clone(), node(&end, 0)), end)
        }
        Part::Inside(parts, way, times) => {
            let asks = parts.iter().any(|part| matches!(part, Part::Ask(_)));
            let inner = build(parts, &format!("{name}i"), ran).compile().unwrap();
            let graph = graph.node(end.clone(), node(&end, 0));
            let graph = inside(graph, &name, inner, *way, asks);
            (again(graph, &name, &end, *times), end)
        }
    }
}

/// `name` runs so many times, then `end`.
fn again(graph: StateGraph<Log>, name: &str, end: &str, times: usize) -> StateGraph<Log> {
    let (again, then) = (name.to_owned(), end.to_owned());
    let route = move |state: &Log| if times_of(state, &again) < times { again.clone() } else { then.clone() };
    graph.branch(name, route)
}

fn inside(graph: StateGraph<Log>, name: &str, inner: Graph<Log>, way: Way, asks: bool) -> StateGraph<Log> {
    let into = |state: &Log| lines(["in"]).n(state.n);
    let own = name.to_owned();
    let back = move |end: Log| Log::update().log([format!("{own}:{}", end.log.join("+"))]).n(end.n + 1);
    match way {
        Way::Node => graph.graph_with(name, inner, into, back),
        Way::OneState => graph.graph_with(name, inner.keeping_one_state(), into, back),
        // What asks there begins anew with each answer, which is for one question only.
        Way::Nothing if !asks => graph.graph_with(name, inner.keeping_nothing(), into, back),
        Way::Nothing => graph.graph_with(name, inner, into, back),
        Way::Called => {
            let calls = move |state: Arc<Log>, cx: Cx| {
                let (inner, back) = (inner.clone(), back.clone());
                async move {
                    let first = inner.invoke(into(&state), &cx).await?;
                    let second = inner.invoke(into(&first), &cx).await?;
                    Ok::<LogUpdate, _>(back(Log { log: [first.log, second.log].concat(), n: second.n }))
                }
            };
            graph.node(name.to_owned(), calls)
        }
    }
}

/// The run with which `thread` goes on: with an answer to everything that it waits for.
pub(crate) async fn next_run(graph: &Graph<Log>, thread: &str) -> GraphRun<Log> {
    match graph.state(thread).await.unwrap() {
        None => graph.run(lines(["begin"])).thread(thread),
        Some(found) => {
            let asked: Vec<_> = found.interrupts().collect();
            match asked.as_slice() {
                [] => graph.go_on(thread),
                [one] => graph.resume(thread, answer(one)),
                many => graph.resume_by_id(thread, many.iter().map(|asked| (&*asked.id, answer(asked)))),
            }
        }
    }
}

/// Runs `thread` to its end, but drops what runs when it has been polled so often; gives how often it was polled.
pub(crate) async fn drive_by_polls(
    graph: &Graph<Log>,
    thread: &str,
    durability: Durability,
    mut kill: Option<usize>,
) -> usize {
    let mut count = 0;
    for _ in 0..200 {
        let mut run = Box::pin(next_run(graph, thread).await.durability(durability).outcome());
        let ended = poll_fn(|task| {
            if kill == Some(count) {
                kill = None;
                return Poll::Ready(None);
            }
            count += 1;
            run.as_mut().poll(task).map(Some)
        });
        if let Some(outcome) = ended.await
            && outcome.unwrap().interrupts.is_none()
        {
            return count;
        }
    }
    panic!("the graph does not come to its end");
}

/// Runs `thread` to its end, but drops what runs after so many events; gives how many events there were.
pub(crate) async fn drive(
    graph: &Graph<Log>,
    thread: &str,
    durability: Durability,
    mut kill: Option<usize>,
) -> Result<usize> {
    let channels = Channels::VALUES | Channels::CUSTOM | Channels::TASKS | Channels::UPDATES | Channels::CHECKPOINTS;
    let mut count = 0;
    for _ in 0..200 {
        let mut events = next_run(graph, thread).await.durability(durability).events_of(channels);
        loop {
            if kill == Some(count) {
                kill = None;
                break;
            }
            let Some(event) = events.next().await.transpose()? else { break };
            count += 1;
            if let Body::Finished(end) = event.body
                && end.outcome == Outcome::Completed
            {
                return Ok(count);
            }
        }
    }
    panic!("the graph does not come to its end");
}
