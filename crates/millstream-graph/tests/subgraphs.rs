//! Graphs inside graphs: where they keep their state, how it is seen from outside, and how a run finds its way back into them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Journal, Log, asks, graph, lines, notes, questions, says, texts};
use futures_util::TryStreamExt;
use millstream_core::{Body, Cx, Error, ErrorKind, Result};
use millstream_graph::{Command, END, Graph, Item, Memory, Mode, START, State, StateGraph};
use serde::{Deserialize, Serialize};

#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Sum {
    #[reduce(millstream_graph::sum)]
    total: i64,
    seen: u64,
}

/// `outer` with `inner` as its node `child`, whose log is taken over.
fn around(outer: StateGraph<Log>, inner: Graph<Log>) -> StateGraph<Log> {
    outer.graph_with("child", inner, |_: &Log| lines(["in"]), |end: Log| Log::update().log([end.log.join("+")]))
}

fn kept(graph: StateGraph<Log>) -> Graph<Log> {
    graph.compile().unwrap().checkpointer(Memory::new())
}

#[tokio::test]
async fn a_graph_on_another_state_is_given_its_part_and_gives_its_part_back() {
    async fn add(state: Arc<Sum>, _: Cx) -> Result<SumUpdate> {
        Ok(Sum::update().total(10).seen(state.seen + 1))
    }
    let inner = StateGraph::<Sum>::new().node("add", add).edge(START, "add").compile().unwrap();
    let outer = graph().graph_with(
        "child",
        inner,
        |log: &Log| Sum::update().total(log.n),
        |end: Sum| Log::update().n(end.total),
    );
    let graph = outer.edge(START, "child").compile().unwrap();
    assert_eq!(graph.run(Log { n: 5, ..Log::default() }).await.unwrap().n, 15);
}

#[tokio::test]
async fn each_run_of_an_inner_graph_begins_anew_unless_it_keeps_one_state() {
    let inner = || graph().node("say", says("say")).edge(START, "say").compile().unwrap();
    let looped = |inner: Graph<Log>| {
        let outer = around(graph(), inner).edge(START, "child");
        kept(outer.branch("child", |state: &Log| if state.log.len() < 2 { "child" } else { END }))
    };
    assert_eq!(looped(inner()).run(lines([])).thread("t").await.unwrap().log, ["in+say", "in+say"]);
    assert_eq!(looped(inner().keeping_nothing()).run(lines([])).thread("t").await.unwrap().log, ["in+say", "in+say"]);
    let one = looped(inner().keeping_one_state());
    assert_eq!(one.run(lines([])).thread("t").await.unwrap().log, ["in+say", "in+say+in+say"]);
    // Also from run to run of a thread, but not from thread to thread.
    let again = one.run(Log::update().replace_log([""; 0])).thread("t").await.unwrap();
    assert_eq!(again.log[0], "in+say+in+say+in+say");
    assert_eq!(one.run(lines([])).thread("other").await.unwrap().log[0], "in+say");
}

#[tokio::test]
async fn a_graph_with_one_state_runs_again_when_its_node_failed_before_it_began() {
    let inner = graph().node("say", says("say")).edge(START, "say").compile().unwrap().keeping_one_state();
    let fails = Arc::new(AtomicBool::new(true));
    let call = move |state: Arc<Log>, cx: Cx| {
        let (inner, fails) = (inner.clone(), fails.clone());
        async move {
            if state.log.len() == 1 && fails.swap(false, Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Failed, "before the inner graph"));
            }
            let input = format!("call {}", state.log.len());
            Ok(lines([&*inner.invoke(lines([&*input]), &cx).await?.log.join("+")]))
        }
    };
    let graph = graph().node("call", call).edge(START, "call");
    let graph = kept(graph.branch("call", |state: &Log| if state.log.len() < 2 { "call" } else { END }));
    graph.run(lines([])).thread("t").await.unwrap_err();
    assert_eq!(graph.go_on("t").await.unwrap().log, ["call 0+say", "call 0+say+call 1+say"]);
}

#[tokio::test]
async fn the_state_of_a_graph_inside_is_seen_while_it_waits() {
    let inner =
        graph().node("first", says("first")).node("ask", asks(["go?"])).edge(START, "first").edge("first", "ask");
    let middle = around(graph(), inner.compile().unwrap()).edge(START, "child").compile().unwrap();
    let graph = kept(around(graph(), middle).edge(START, "child"));
    let outcome = graph.run(lines([])).thread("t").outcome().await.unwrap();
    assert_eq!(questions(&outcome), ["go?"]);

    let without = graph.state("t").await.unwrap().unwrap();
    assert!(without.tasks[0].graph.as_ref().unwrap().snapshot.is_none());
    let outer = graph.state_with_subgraphs("t").await.unwrap().unwrap();
    assert_eq!(texts(outer.interrupts()), ["go?"]);
    let middle = outer.tasks[0].graph.as_ref().unwrap().snapshot.as_ref().unwrap();
    let place = middle.tasks[0].graph.as_ref().unwrap();
    let inner = place.snapshot.as_ref().unwrap();
    let log = &inner.values.downcast::<Log>().unwrap().log;
    assert_eq!(
        (log, &*inner.next[0], texts(inner.interrupts())),
        (&vec!["in".into(), "first".into()], "ask", vec!["go?".into()])
    );
    // Its checkpoints are at the tasks around it, and know the checkpoints of the graphs around.
    assert_eq!(place.namespace, inner.at.namespace);
    assert_eq!(inner.at.namespace.split('|').count(), 2);
    assert_eq!(inner.metadata.parents[""], outer.at.id);
    assert_eq!(inner.metadata.parents[&*middle.at.namespace], middle.at.id);
    assert_eq!(graph.resume("t", "yes").await.unwrap().log, ["in+in+first+go? yes"]);
}

#[tokio::test]
async fn what_ran_inside_before_a_question_does_not_run_again() {
    let journal = Journal::default();
    let inner = graph().node("first", notes("first", &journal, 0)).node("ask", asks(["go?"]));
    let inner = inner.node("beside", notes("beside", &journal, 0)).edge(START, "first").edge("first", "ask");
    let inner = inner.edge("first", "beside").compile().unwrap();
    let graph = kept(
        around(graph().node("outside", notes("outside", &journal, 0)), inner)
            .edge(START, "child")
            .edge(START, "outside"),
    );
    graph.run(lines([])).thread("t").outcome().await.unwrap();
    assert_eq!(graph.go_on("t").outcome().await.unwrap().interrupts.unwrap().len(), 1);
    let end = graph.resume("t", "yes").await.unwrap();
    assert_eq!(end.log, ["in+first+go? yes+beside", "outside"]);
    let mut ran = journal.take();
    ran.sort();
    assert_eq!(ran, ["beside", "first", "outside"]);
}

#[tokio::test]
async fn a_graph_that_keeps_nothing_begins_anew_with_the_answer() {
    let journal = Journal::default();
    let inner = graph().node("first", notes("first", &journal, 0)).node("ask", asks(["go?"]));
    let inner = inner.edge(START, "first").edge("first", "ask").compile().unwrap().keeping_nothing();
    let graph = kept(around(graph(), inner).edge(START, "child"));
    let outcome = graph.run(lines([])).thread("t").outcome().await.unwrap();
    assert_eq!(questions(&outcome), ["go?"]);
    assert!(graph.state_with_subgraphs("t").await.unwrap().unwrap().tasks[0].graph.is_none());
    assert_eq!(graph.resume("t", "yes").await.unwrap().log, ["in+first+go? yes"]);
    assert_eq!(journal.take(), ["first", "first"]);
}

#[tokio::test]
async fn two_graphs_in_one_function_ask_one_after_the_other() {
    let inner = |question| graph().node("ask", asks([question])).edge(START, "ask").compile().unwrap();
    let (one, two) = (inner("one?"), inner("two?"));
    let call = move |_: Arc<Log>, cx: Cx| {
        let (one, two) = (one.clone(), two.clone());
        async move {
            let first = one.invoke(lines([]), &cx).await?.log;
            let second = two.invoke(lines([]), &cx).await?.log;
            Ok(Log::update().log([first, second].concat()))
        }
    };
    let graph = kept(graph().node("call", call).edge(START, "call"));
    let asked = graph.run(lines([])).thread("t").outcome().await.unwrap();
    assert_eq!(questions(&asked), ["one?"]);
    let asked = graph.resume("t", "1").outcome().await.unwrap();
    assert_eq!(questions(&asked), ["two?"]);
    assert_eq!(graph.resume("t", "2").await.unwrap().log, ["one? 1", "two? 2"]);
}

#[tokio::test]
async fn a_failure_inside_goes_on_where_it_failed() {
    let (journal, fails) = (Journal::default(), Arc::new(AtomicBool::new(true)));
    let bad = move |_: Arc<Log>, _: Cx| {
        let fails = fails.swap(false, Ordering::Relaxed);
        async move { if fails { Err(Error::new(ErrorKind::Failed, "boom")) } else { Ok(lines(["healed"])) } }
    };
    let inner =
        graph().node("first", notes("first", &journal, 0)).node("bad", bad).edge(START, "first").edge("first", "bad");
    let graph = kept(around(graph(), inner.compile().unwrap()).edge(START, "child"));
    assert_eq!(graph.run(lines([])).thread("t").await.unwrap_err().to_string(), "boom");
    assert_eq!(graph.go_on("t").await.unwrap().log, ["in+first+healed"]);
    assert_eq!(journal.take(), ["first"]);
}

#[tokio::test]
async fn going_back_to_a_time_before_an_inner_graph_ran_runs_it_again() {
    let journal = Journal::default();
    let inner = graph().node("first", notes("first", &journal, 0)).edge(START, "first").compile().unwrap();
    for inner in [inner.clone(), inner.keeping_one_state()] {
        let graph =
            kept(around(graph().node("before", says("before")), inner).edge(START, "before").edge("before", "child"));
        graph.run(lines([])).thread("t").await.unwrap();
        let history = graph.history("t", None, None).await.unwrap();
        let old = history.iter().find(|it| it.next.iter().any(|name| &**name == "child")).unwrap();
        assert_eq!(graph.go_on("t").at(old.at.id).await.unwrap().log, ["before", "in+first"]);
        assert_eq!(journal.take(), ["first", "first"]);
    }
}

#[tokio::test]
async fn a_command_from_inside_goes_on_outside() {
    async fn away(_: Arc<Log>, _: Cx) -> Result<Command<Log>> {
        Ok(Command::goto("other").update(lines(["from inside"])).parent())
    }
    let inner = graph().node("away", away).edge(START, "away").compile().unwrap();
    let outer = around(graph(), inner).node("other", says("other")).node("next", says("next"));
    let graph = kept(outer.edge(START, "child").edge("child", "next"));
    assert_eq!(graph.run(lines([])).thread("t").await.unwrap().log, ["from inside", "next", "other"]);
}

#[tokio::test]
async fn events_of_an_inner_graph_are_in_its_namespace_and_the_same_when_it_goes_on() {
    let inner =
        graph().node("first", says("first")).node("ask", asks(["go?"])).edge(START, "first").edge("first", "ask");
    let graph = kept(around(graph(), inner.compile().unwrap()).edge(START, "child"));
    let mut places = BTreeSet::new();
    for run in [graph.run(lines([])).thread("t"), graph.resume("t", "yes")] {
        let items: Vec<_> = run.watch_all([Mode::Updates, Mode::Tasks]).try_collect().await.unwrap();
        let inside = items.into_iter().filter_map(|item| match item {
            Item::Inside(event) => Some(event),
            _ => None,
        });
        for event in inside.filter(|event| matches!(event.body, Body::Updates { .. } | Body::TaskStarted { .. })) {
            places.insert(event.scope.namespace.clone());
        }
    }
    assert_eq!(places.len(), 1, "{places:?}");
    assert!(places.first().unwrap()[0].starts_with("child:"));
}
