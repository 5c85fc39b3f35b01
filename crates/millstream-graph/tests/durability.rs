//! What is saved when, what happens when saving fails, and that a run can be dropped at any point.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::store::{Call, Store};
use common::{Log, asks, graph, lines, notes, questions, says, texts, to_the_end};
use futures_util::{FutureExt, StreamExt};
use millstream_core::{Cx, Error, ErrorKind};
use millstream_graph::{Durability, END, Graph, START, StateGraph};

const ALL: [Durability; 3] = [Durability::Sync, Durability::Async, Durability::Exit];

/// a → b → c; each takes so many milliseconds, and notes in the journal of the store that it runs.
fn three(store: &Store, after: u64) -> Graph<Log> {
    let graph = graph().node("a", notes("a", &store.journal, after)).node("b", notes("b", &store.journal, after));
    let graph = graph.node("c", notes("c", &store.journal, after)).edge(START, "a").edge("a", "b").edge("b", "c");
    graph.compile().unwrap().checkpointer(store.clone())
}

#[tokio::test(start_paused = true)]
async fn with_sync_a_step_begins_when_its_checkpoint_is_saved() {
    let store = Store::slow(10);
    three(&store, 1).run(lines([])).thread("t").durability(Durability::Sync).await.unwrap();
    let saved = |what: &str| [format!("saving {what}"), format!("saved {what}")];
    let mut wanted = Vec::new();
    wanted.extend(saved("input -1"));
    for (step, node) in ["a", "b", "c"].into_iter().enumerate() {
        wanted.extend(saved(&format!("loop {step}")));
        wanted.push(node.to_owned());
    }
    wanted.extend(saved("loop 3"));
    assert_eq!(store.journal.take(), wanted);
}

#[tokio::test(start_paused = true)]
async fn with_async_saving_goes_on_beside_the_steps_and_the_run_ends_when_all_is_saved() {
    let store = Store::slow(10);
    let start = tokio::time::Instant::now();
    three(&store, 10).run(lines([])).thread("t").durability(Durability::Async).await.unwrap();
    // Five checkpoints of 10 ms; the three nodes run meanwhile.
    assert_eq!(start.elapsed().as_millis(), 50);
    let told = store.journal.take();
    let place = |line: &str| told.iter().position(|told| told == line).unwrap();
    assert!(place("a") < place("saved loop 0"), "{told:?}");
    let saved: Vec<_> = told.iter().filter(|line| line.starts_with("saved")).collect();
    assert_eq!(saved, ["saved input -1", "saved loop 0", "saved loop 1", "saved loop 2", "saved loop 3"]);
}

#[tokio::test(start_paused = true)]
async fn with_async_a_store_that_is_slower_slows_the_graph_down() {
    let store = Store::slow(100);
    let journal = store.journal.clone();
    let tick = move |state: Arc<Log>, _: Cx| {
        journal.note("tick");
        async move { Ok(Log::update().n(state.n + 1)) }
    };
    let graph = graph().node("tick", tick).edge(START, "tick");
    let graph = graph.branch("tick", |state: &Log| if state.n < 60 { "tick" } else { END });
    let graph = graph.compile().unwrap().checkpointer(store.clone());
    graph.run(lines([])).thread("t").await.unwrap();
    let (mut ahead, mut most) = (0_i64, 0);
    for line in store.journal.take() {
        ahead += if line == "tick" { 1 } else { -i64::from(line.starts_with("saved")) };
        most = most.max(ahead);
    }
    assert!((2..=17).contains(&most), "{most} steps are ahead of the store");
}

#[tokio::test(start_paused = true)]
async fn what_is_done_together_is_saved_together_while_others_go_on() {
    let store = Store::default();
    let late = notes("late", &store.journal, 5);
    let graph = graph().node("a", says("a")).node("b", says("b")).node("c", says("c")).node("late", late);
    let graph = ["a", "b", "c", "late"].into_iter().fold(graph, |graph, node| graph.edge(START, node));
    let graph = graph.compile().unwrap().checkpointer(store.clone());
    let run = graph.run(lines([])).thread("t").into_future();
    assert!(tokio::time::timeout(Duration::from_millis(3), run).await.is_err());
    let told = store.journal.take();
    assert_eq!(told.last().map(String::as_str), Some("saved output+output+output"), "{told:?}");
    assert_eq!(graph.go_on("t").await.unwrap().log, ["a", "b", "c", "late"]);
}

#[tokio::test(start_paused = true)]
async fn with_exit_the_last_checkpoint_alone_is_saved() {
    let store = Store::slow(10);
    let graph = three(&store, 1);
    graph.run(lines([])).thread("t").durability(Durability::Exit).await.unwrap();
    assert_eq!(store.journal.take(), ["a", "b", "c", "saving loop 3", "saved loop 3"]);
    let history = graph.history("t", None, None).await.unwrap();
    assert_eq!((history.len(), history[0].parent.is_none()), (1, true));
    // The next run in the thread follows it.
    graph.run(lines([])).thread("t").durability(Durability::Exit).await.unwrap();
    let history = graph.history("t", None, None).await.unwrap();
    assert_eq!((history.len(), history[0].parent.as_ref()), (2, Some(&history[1].at)));
    assert_eq!(history[0].values.log.len(), 6);
}

/// A graph with everything that is saved: steps, a question beside a node that finishes, a graph inside that asks too.
fn mixed(store: &Store) -> Graph<Log> {
    let inner = graph().node("in", says("in")).node("ask", asks(["inside?"])).edge(START, "in").edge("in", "ask");
    let inner = inner.compile().unwrap();
    let outer =
        graph().node("a", says("a")).node("ask", asks(["outside?"])).node("free", notes("free", &store.journal, 5));
    let outer =
        outer.graph_with("child", inner, |_: &Log| lines([]), |end: Log| Log::update().log([end.log.join("+")]));
    let outer = outer.node("end", says("end")).edge(START, "a").edge("a", "ask").edge("a", "free").edge("a", "child");
    outer.join(["ask", "free", "child"], "end").compile().unwrap().checkpointer(store.clone())
}

const MIXED: [&str; 5] = ["a", "outside? yes to \"outside?\"", "in+inside? yes to \"inside?\"", "free", "end"];

#[tokio::test(start_paused = true)]
async fn what_is_saved_at_a_question_is_the_same_with_every_durability() {
    for durability in ALL {
        let store = Store::default();
        let graph = mixed(&store);
        let outcome = graph.run(lines([])).thread("t").durability(durability).outcome().await.unwrap();
        assert_eq!((questions(&outcome), outcome.state.log.len()), (vec!["inside?".into(), "outside?".into()], 2));
        let state = graph.state("t").await.unwrap().unwrap();
        assert_eq!((texts(state.interrupts()), state.values.log.len()), (vec!["inside?".into(), "outside?".into()], 2));
        let end = to_the_end(&graph, "t", lines([]), |run| run.durability(durability)).await;
        let mut wanted = MIXED;
        let mut log = end.log.clone();
        wanted.sort_unstable();
        log.sort();
        assert_eq!(log, wanted, "{durability:?}");
        assert_eq!(store.journal.counts()["free"], 1, "{durability:?}");
    }
}

/// Everything that a store is asked, failing one after the other: each failure is the failure of the run that it happens in, and the thread can go on.
#[tokio::test(start_paused = true)]
async fn each_call_that_fails_fails_the_run_and_the_thread_goes_on() {
    for durability in ALL {
        for slow in [0, 3] {
            for call in [Call::Get, Call::Put, Call::PutWrites] {
                let mut failed = 0;
                for number in 0.. {
                    let store = Store::slow(slow);
                    let graph = mixed(&store);
                    store.fail(call, number);
                    let mut errors = 0;
                    for run in 0.. {
                        assert!(run < 20, "the thread does not come to its end");
                        let asked = match run {
                            0 => None,
                            // Looked at past the failing store, as somebody else would.
                            _ => mixed(&store.without_faults()).state("t").await.unwrap(),
                        };
                        let described = match &asked {
                            None => graph.run(lines([])).thread("t"),
                            Some(state) if state.interrupts().next().is_none() => graph.go_on("t"),
                            Some(state) => graph.resume_by_id(
                                "t",
                                state.interrupts().map(|asked| (asked.id.to_string(), common::answer(asked))),
                            ),
                        };
                        match described.durability(durability).outcome().await {
                            Ok(outcome) if outcome.interrupts.is_none() => break,
                            Ok(_) => {}
                            Err(error) => {
                                errors += 1;
                                assert_eq!(error.to_string(), "the disk is full", "{durability:?} {call:?} {number}");
                            }
                        }
                    }
                    let state = mixed(&store.without_faults()).state("t").await.unwrap().unwrap();
                    let (mut log, mut wanted) = (state.values.log.clone(), MIXED);
                    wanted.sort_unstable();
                    log.sort();
                    assert_eq!(log, wanted, "{durability:?} {call:?} {number}, {slow} ms");
                    assert!(state.next.is_empty(), "{durability:?} {call:?} {number}");
                    if store.is_waiting() {
                        break;
                    }
                    assert_eq!(errors, 1, "{durability:?} {call:?} {number}, {slow} ms: a failure was not told");
                    failed += 1;
                }
                assert!(failed > 0, "{durability:?} {call:?} never happened");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_fails_what_only_reads_or_updates_too() {
    let store = Store::default();
    let graph = three(&store, 0);
    graph.run(lines([])).thread("t").await.unwrap();
    let newest = graph.state("t").await.unwrap().unwrap().at.id;
    for (call, number) in [(Call::Get, 0), (Call::Put, 0)] {
        store.fail(call, number);
        let error = graph.update("t", lines(["x"])).save().await.unwrap_err();
        assert_eq!(error.to_string(), "the disk is full", "{call:?}");
    }
    store.fail(Call::Get, 0);
    assert_eq!(graph.state("t").await.unwrap_err().to_string(), "the disk is full");
    store.fail(Call::List, 0);
    assert_eq!(graph.history("t", None, None).await.unwrap_err().to_string(), "the disk is full");
    assert_eq!(graph.state("t").await.unwrap().unwrap().at.id, newest);
}

/// A failing step: what is said of it is the failure of the step, and what the thread has is the step's beginning.
#[tokio::test(start_paused = true)]
async fn a_step_that_fails_leaves_the_thread_at_its_beginning_with_every_durability() {
    type Build = fn(StateGraph<Log>, Arc<AtomicBool>) -> StateGraph<Log>;
    fn bad(fails: &Arc<AtomicBool>) -> impl Fn(Arc<Log>, Cx) -> common::Later + use<> {
        let fails = fails.clone();
        move |_, _| {
            let fails = fails.load(Ordering::Relaxed);
            async move { if fails { Err(Error::new(ErrorKind::Failed, "boom")) } else { Ok(lines(["second"])) } }
                .boxed()
        }
    }
    let node: Build = |graph, fails| graph.node("second", bad(&fails));
    let branch: Build = |graph, fails| {
        let route = move |_: &Log| match fails.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Failed, "boom")),
            false => Ok(vec![]),
        };
        graph.node("second", says("second")).try_branch("second", route)
    };
    let start: Build = |graph, fails| {
        let route = move |_: &Log| match fails.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Failed, "boom")),
            false => Ok(vec![]),
        };
        graph.node("second", says("second")).try_branch(START, route)
    };
    for (name, build) in [("node", node), ("branch", branch), ("start", start)] {
        for durability in ALL {
            let fails = Arc::new(AtomicBool::new(true));
            let graph = build(graph().node("first", says("first")), fails.clone());
            let graph =
                graph.edge(START, "first").edge("first", "second").compile().unwrap().checkpointer(Store::default());
            let error = graph.run(lines([])).thread("t").durability(durability).await.unwrap_err();
            assert_eq!(error.to_string(), "boom", "{name} {durability:?}");
            fails.store(false, Ordering::Relaxed);
            let end = to_the_end(&graph, "t", lines([]), |run| run.durability(durability)).await;
            assert_eq!(end.log, ["first", "second"], "{name} {durability:?}");
        }
    }
}

/// What cannot be written is said, with every durability, and the thread can be used again.
#[tokio::test(start_paused = true)]
async fn writes_that_cannot_be_applied_are_the_error_and_new_input_gives_them_up() {
    for durability in ALL {
        let fails = Arc::new(AtomicBool::new(true));
        let fail = fails.clone();
        let twice = move |_: Arc<Log>, _: Cx| {
            // Two values for one that takes one, after the list was written already.
            let updates = if fail.load(Ordering::Relaxed) { vec![lines(["x"]).n(1), lines([]).n(2)] } else { vec![] };
            async move { Ok(updates) }
        };
        let graph =
            graph().node("first", says("first")).node("twice", twice).edge(START, "first").edge("first", "twice");
        let graph = graph.compile().unwrap().checkpointer(Store::default());
        let error = graph.run(lines([])).thread("t").durability(durability).await.unwrap_err();
        assert!(error.to_string().contains("twice and twice wrote \"n\""), "{durability:?}: {error}");
        fails.store(false, Ordering::Relaxed);
        let end = graph.run(Log::update().replace_log(["new"])).thread("t").durability(durability).await.unwrap();
        assert_eq!((end.log, end.n), (vec!["new".to_owned(), "first".to_owned()], 0), "{durability:?}");
    }
}

/// The run is dropped after so many milliseconds, wherever it is then, also in the middle of saving.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_at_any_time_leaves_a_thread_that_goes_on() {
    for durability in ALL {
        for (takes, after) in [(0, 3), (2, 3), (7, 1)] {
            for dropped in 0..70 {
                let store = Store::slow(takes);
                let graph = three(&store, after);
                let run = graph.run(lines([])).thread("t").durability(durability);
                let ended = tokio::time::timeout(Duration::from_millis(dropped), run.into_future()).await.is_ok();
                let before = graph.history("t", None, None).await.unwrap();
                assert!(!ended || before[0].next.is_empty());
                let end = to_the_end(&graph, "t", lines([]), |run| run.durability(durability)).await;
                assert_eq!(end.log, ["a", "b", "c"], "{durability:?} dropped after {dropped} ms");
                let counts = store.journal.counts();
                let twice = ["a", "b", "c"].iter().filter(|node| counts[**node] > 1).count();
                assert!(["a", "b", "c"].iter().all(|node| counts[*node] <= 2), "{counts:?}");
                if durability == Durability::Sync {
                    assert!(twice <= 1, "{dropped} ms: more than the step that ran has run again: {counts:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn events_that_are_not_read_to_the_end_keep_what_was_saved() {
    let store = Store::default();
    let graph = three(&store, 0);
    let mut events = graph.run(lines([])).thread("t").durability(Durability::Sync).events();
    while !store.journal.counts().contains_key("b") {
        events.next().await.unwrap().unwrap();
    }
    drop(events);
    assert_eq!(graph.state("t").await.unwrap().unwrap().values.log, ["a"]);
    assert_eq!(graph.go_on("t").await.unwrap().log, ["a", "b", "c"]);
    assert_eq!(store.journal.counts()["a"], 1);
}
