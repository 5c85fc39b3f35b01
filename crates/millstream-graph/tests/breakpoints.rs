//! Breakpoints: a run stops before or after nodes, and goes on when it is told to.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Log, LogUpdate, graph, lines, says};
use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{Body, ErrorKind, Interrupt, Outcome};
use millstream_graph::{Command, Graph, GraphRun, Item, Memory, Mode, Nodes, START, Send, StateGraph};

fn three() -> StateGraph<Log> {
    let graph = graph().node("a", says("a")).node("b", says("b")).node("c", says("c"));
    graph.edge(START, "a").edge("a", "b").edge("b", "c")
}

fn kept(graph: StateGraph<Log>) -> Graph<Log> {
    graph.compile().unwrap().checkpointer(Memory::new())
}

/// The log at each stop, and at the end.
async fn stops(graph: &Graph<Log>, with: impl Fn(GraphRun<Log>) -> GraphRun<Log>) -> Vec<String> {
    let mut stops = Vec::new();
    let mut run = graph.run(lines([])).thread("t");
    loop {
        let outcome = with(run).outcome().await.unwrap();
        stops.push(outcome.state.log.concat());
        match outcome.interrupts {
            None => return stops,
            Some(asked) => assert!(asked.is_empty(), "a breakpoint asks nothing"),
        }
        run = graph.go_on("t");
    }
}

#[tokio::test]
async fn a_run_stops_before_and_after_the_nodes_that_are_named() {
    for (before, after, expected) in [
        (&["b"][..], &[][..], &["a", "abc"][..]),
        (&[], &["b"], &["ab", "abc"]),
        (&["a", "c"], &[], &["", "ab", "abc"]),
        // After the last node there is still a stop.
        (&[], &["c"], &["abc", "abc"]),
        // Two breakpoints at one place are one stop.
        (&["b"], &["a"], &["a", "abc"]),
        (&["nowhere"], &[], &["abc"]),
    ] {
        let names = |names: &[&str]| Nodes::Some(names.iter().map(|name| (*name).into()).collect());
        let of_the_run = |run: GraphRun<Log>| run.interrupt_before(names(before)).interrupt_after(names(after));
        assert_eq!(stops(&kept(three()), of_the_run).await, expected, "{before:?} {after:?}, of the run");
        if before != ["nowhere"] {
            let graph = kept(three().interrupt_before(names(before)).interrupt_after(names(after)));
            assert_eq!(stops(&graph, |run| run).await, expected, "{before:?} {after:?}, of the graph");
        }
    }
}

#[tokio::test]
async fn a_run_may_stop_at_every_node() {
    assert_eq!(stops(&kept(three()), |run| run.interrupt_before(Nodes::All)).await, ["", "a", "ab", "abc"]);
    assert_eq!(stops(&kept(three()), |run| run.interrupt_after(Nodes::All)).await, ["a", "ab", "abc", "abc"]);
    let both = kept(three().interrupt_before(["b"]));
    assert_eq!(stops(&both, |run| run.interrupt_after(["b"])).await, ["a", "ab", "abc"]);
}

#[test]
fn a_breakpoint_at_a_node_that_is_not_there_is_a_mistake_of_the_graph() {
    let error = three().interrupt_before(["bb"]).compile().unwrap_err();
    assert!(error.to_string().contains("\"bb\""), "{error}");
}

#[tokio::test]
async fn a_stop_is_not_the_end() {
    let graph = kept(three().interrupt_before(["b"]));
    let error = graph.run(lines([])).thread("t").await.unwrap_err();
    assert_eq!((error.kind(), Interrupt::of(&error)), (ErrorKind::Interrupted, &[][..]));
    assert!(error.to_string().contains("breakpoint"), "{error}");
    assert_eq!(&*graph.state("t").await.unwrap().unwrap().next[0], "b");

    let mut events = graph.run(lines([])).thread("events").events();
    let (mut last, mut values) = (None, Vec::new());
    while let Some(event) = events.next().await {
        match event.unwrap().body {
            Body::Finished(end) => last = Some(end.outcome),
            Body::Values { state } => values.push(state.downcast::<Log>().unwrap().log.concat()),
            _ => {}
        }
    }
    assert_eq!((last, values), (Some(Outcome::Interrupted), vec![String::new(), "a".to_owned()]));
    let items: Vec<_> = graph.go_on("t").interrupt_before(["c"]).watch([Mode::Updates]).try_collect().await.unwrap();
    assert!(
        matches!(items.as_slice(), [Item::Updates { .. }, Item::Interrupted { interrupts }] if interrupts.is_empty()),
        "{items:?}"
    );
}

#[tokio::test]
async fn new_input_at_a_stop_gives_up_what_was_due() {
    let graph = kept(three());
    graph.run(lines(["1"])).thread("t").interrupt_before(["b"]).outcome().await.unwrap();
    assert_eq!(graph.run(lines(["2"])).thread("t").await.unwrap().log.concat(), "1a2abc");
}

#[tokio::test]
async fn at_a_stop_the_state_can_be_changed_and_the_way_too() {
    let graph = kept(three().interrupt_before(["b"]));
    graph.run(lines([])).thread("t").outcome().await.unwrap();
    graph.update("t", LogUpdate::default().replace_log(["edited"])).save().await.unwrap();
    assert_eq!(graph.go_on("t").await.unwrap().log, ["edited", "b", "c"]);
    graph.run(lines([])).thread("skip").outcome().await.unwrap();
    graph.update("skip", lines(["instead of b"])).as_node("b").save().await.unwrap();
    assert_eq!(graph.go_on("skip").await.unwrap().log, ["a", "instead of b", "c"]);
    graph.run(lines([])).thread("jump").outcome().await.unwrap();
    let end = graph.command("jump", Command::goto("c").update(lines(["and"]))).await.unwrap();
    assert_eq!(end.log, ["a", "and", "b", "c", "c"]);
}

#[tokio::test]
async fn parallel_nodes_stop_together_and_sends_stop_too() {
    let graph = graph().node("a", says("a")).node("b", says("b")).node("work", says("w")).node("end", says("end"));
    let graph = graph.edge(START, "a").edge(START, "b").join(["a", "b"], "end");
    let graph =
        graph.branch("end", |_: &Log| vec![Send::new("work", Log::default()), Send::new("work", Log::default())]);
    let graph = kept(graph);
    // One of them has a breakpoint: the other waits as well.
    let stops = stops(&graph, |run| run.interrupt_before(["b", "work"]).interrupt_after(["a"])).await;
    assert_eq!(stops, ["", "ab", "abend", "abendww"]);
}

#[tokio::test]
async fn a_breakpoint_inside_a_graph_stops_the_graph_around_it() {
    let inner = three().interrupt_before(["b"]).interrupt_after(["c"]).compile().unwrap();
    let outer = graph().node("before", says("before "));
    let outer = outer.graph_with("child", inner, |_: &Log| lines([]), |end: Log| Log::update().log(end.log));
    let outer =
        outer.node("after", says(" after")).edge(START, "before").edge("before", "child").edge("child", "after");
    let graph = kept(outer);
    assert_eq!(stops(&graph, |run| run).await, ["before ", "before ", "before abc after"]);
}

#[tokio::test]
async fn without_a_checkpointer_a_stop_is_where_the_run_ends() {
    let graph = three().compile().unwrap();
    let outcome = graph.run(lines([])).interrupt_before(["c"]).outcome().await.unwrap();
    assert_eq!((outcome.state.log.concat(), outcome.interrupts), ("ab".to_owned(), Some(vec![])));
}
