//! Threads: their state is kept from run to run, can be looked at, changed from outside, and forgotten.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{Log, graph, lines, says};
use futures_util::TryStreamExt;
use millstream_core::{Cx, ErrorKind, Result};
use millstream_graph::{
    CheckpointSource, Checkpointer, Command, END, Graph, Item, Memory, Mode, START, Snapshot, State, StateGraph, append,
};
use serde::{Deserialize, Serialize};

fn two() -> Graph<Log> {
    let graph = graph().node("a", says("a")).node("b", says("b")).edge(START, "a").edge("a", "b").edge("b", END);
    graph.compile().unwrap().checkpointer(Memory::new())
}

fn next<S>(snapshot: &Snapshot<S>) -> Vec<&str> {
    snapshot.next.iter().map(|name| &**name).collect()
}

#[tokio::test]
async fn a_run_goes_on_with_what_its_thread_has() {
    let graph = two();
    let whole = Log { log: vec!["one".to_owned()], n: 1 };
    assert_eq!(graph.run(whole).thread("t").await.unwrap(), Log { log: strings(["one", "a", "b"]), n: 1 });
    // An update leaves alone what it does not write; a whole state writes every field.
    let end = graph.run(lines(["two"])).thread("t").await.unwrap();
    assert_eq!(end, Log { log: strings(["one", "a", "b", "two", "a", "b"]), n: 1 });
    let end = graph.run(Log::default()).thread("t").await.unwrap();
    assert_eq!((end.log.len(), end.n), (8, 0));
}

fn strings<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn threads_do_not_mix_and_a_run_without_a_thread_keeps_nothing() {
    let graph = two();
    let (first, second) = tokio::join!(
        graph.run(lines(["first"])).thread("1").into_future(),
        graph.run(lines(["second"])).thread("2").into_future(),
    );
    assert_eq!((&*first.unwrap().log[0], &*second.unwrap().log[0]), ("first", "second"));
    graph.run(lines(["nobody"])).await.unwrap();
    graph.run(lines(["first again"])).thread("1").await.unwrap();
    assert_eq!(graph.state("1").await.unwrap().unwrap().values.log.len(), 6);
    assert_eq!(graph.state("2").await.unwrap().unwrap().values.log, ["second", "a", "b"]);
    assert!(graph.state("3").await.unwrap().is_none());
}

#[tokio::test]
async fn a_graph_without_a_checkpointer_says_so() {
    let graph = graph().node("a", says("a")).edge(START, "a").compile().unwrap();
    for error in [
        graph.state("t").await.unwrap_err(),
        graph.history("t", None, None).await.unwrap_err(),
        graph.update("t", lines(["x"])).save().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("`checkpointer`"), "{error}");
    }
}

#[tokio::test]
async fn history_is_a_chain_from_the_newest_to_the_input() {
    let graph = two();
    graph.run(lines(["one"])).thread("t").await.unwrap();
    graph.run(lines(["two"])).thread("t").await.unwrap();
    let history = graph.history("t", None, None).await.unwrap();
    let told: Vec<_> = history.iter().map(|it| (it.metadata.source, it.metadata.step, next(it).join(","))).collect();
    use CheckpointSource::{Input, Loop};
    let wanted = [
        (Loop, 6, ""),
        (Loop, 5, "b"),
        (Loop, 4, "a"),
        (Input, 3, "__start__"),
        (Loop, 2, ""),
        (Loop, 1, "b"),
        (Loop, 0, "a"),
        (Input, -1, "__start__"),
    ];
    assert_eq!(told, wanted.map(|(source, step, next)| (source, step, next.to_owned())));
    for (newer, older) in history.iter().zip(&history[1..]) {
        assert_eq!(newer.parent.as_ref(), Some(&older.at));
        assert!(newer.at.id > older.at.id && newer.created_at >= older.created_at);
    }
    assert_eq!(history.last().unwrap().parent, None);

    let (third, limited) = (history[2].at.id, graph.history("t", Some(history[2].at.id), Some(2)).await.unwrap());
    assert_eq!(limited.iter().map(|it| it.at.id).collect::<Vec<_>>(), [history[3].at.id, history[4].at.id]);
    let then = graph.state_at("t", third).await.unwrap().unwrap();
    assert_eq!((then.values.log.len(), next(&then)), (4, vec!["a"]));
    assert!(graph.state_at("t", uuid::Uuid::nil()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_update_from_outside_goes_where_its_node_leads() {
    let graph = two();
    // To a thread that has nothing yet: as if the start had written it.
    graph.update("t", lines(["x"])).save().await.unwrap();
    let state = graph.state("t").await.unwrap().unwrap();
    assert_eq!((next(&state), state.metadata.source), (vec!["a"], CheckpointSource::Update));
    assert_eq!(graph.go_on("t").await.unwrap().log, ["x", "a", "b"]);
    // The node that ran last is taken to have written it, unless another is named.
    graph.update("t", lines(["y"])).save().await.unwrap();
    assert_eq!(next(&graph.state("t").await.unwrap().unwrap()), [""; 0]);
    let place = graph.update("t", lines(["z"])).as_node("a").save().await.unwrap();
    assert_eq!(graph.state("t").await.unwrap().unwrap().at, place);
    assert_eq!(graph.go_on("t").await.unwrap().log, ["x", "a", "b", "y", "z", "b"]);
}

#[tokio::test]
async fn an_update_by_nobody_who_is_known_is_refused_and_changes_nothing() {
    let graph = two();
    graph.run(lines([])).thread("t").await.unwrap();
    let before = graph.history("t", None, None).await.unwrap().len();
    let error = graph.update("t", lines(["x"])).as_node("c").save().await.unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::InvalidInput, Some("InvalidUpdateError")));
    assert!(error.to_string().contains("no node \"c\"") && error.to_string().contains("a, b"), "{error}");
    let error = graph.update("t", lines(["x"])).at(uuid::Uuid::nil()).save().await.unwrap_err();
    assert!(error.to_string().contains("no checkpoint"), "{error}");
    assert_eq!(graph.history("t", None, None).await.unwrap().len(), before);
}

#[tokio::test]
async fn an_update_after_parallel_nodes_has_to_name_one() {
    let graph = graph().node("a", says("a")).node("b", says("b")).node("end", says("end"));
    let graph = graph.edge(START, "a").edge(START, "b").edge("a", "end").edge("b", "end").interrupt_before(["end"]);
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    graph.run(lines([])).thread("t").outcome().await.unwrap();
    let error = graph.update("t", lines(["x"])).save().await.unwrap_err();
    assert_eq!(error.name(), Some("InvalidUpdateError"));
    assert!(error.to_string().contains("`as_node`"), "{error}");
    graph.update("t", lines(["x"])).as_node("b").save().await.unwrap();
    assert_eq!(graph.go_on("t").await.unwrap().log, ["a", "b", "x", "end"]);
}

#[tokio::test]
async fn an_update_may_say_where_to_go() {
    let graph = two();
    graph.run(lines([])).thread("t").await.unwrap();
    graph.update_as("t", Command::goto("b").update(lines(["again"]))).save().await.unwrap();
    assert_eq!(graph.go_on("t").await.unwrap().log, ["a", "b", "again", "b"]);
    let end = graph.command("t", Command::goto("a").update(lines(["and again"]))).await.unwrap();
    assert_eq!(end.log, ["a", "b", "again", "b", "and again", "a", "b"]);
    let error = graph.command("t", Command::goto("c")).await.unwrap_err();
    assert!(error.to_string().contains("\"c\""), "{error}");
    assert_eq!(graph.state("t").await.unwrap().unwrap().values.log.len(), 7);
}

#[tokio::test]
async fn a_thread_is_forgotten_and_begins_anew() {
    let memory = Memory::new();
    let graph = graph().node("a", says("a")).edge(START, "a").compile().unwrap().checkpointer(memory.clone());
    graph.run(lines(["old"])).thread("t").await.unwrap();
    graph.run(lines(["other"])).thread("other").await.unwrap();
    memory.delete_thread("t").await.unwrap();
    memory.delete_thread("t").await.unwrap();
    assert!(graph.state("t").await.unwrap().is_none() && graph.history("t", None, None).await.unwrap().is_empty());
    let error = graph.go_on("t").await.unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::InvalidInput, Some("EmptyInputError")));
    assert_eq!(graph.run(lines(["new"])).thread("t").await.unwrap().log, ["new", "a"]);
    assert_eq!(graph.state("other").await.unwrap().unwrap().values.log, ["other", "a"]);
}

#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Newer {
    #[reduce(append)]
    log: Vec<String>,
    title: Option<String>,
    level: u8,
}

#[tokio::test]
async fn a_checkpoint_outlives_a_change_of_the_graph_as_far_as_it_makes_sense() {
    let memory = Memory::new();
    let old = graph().node("a", says("a")).node("gone", says("gone")).edge(START, "a").edge("a", "gone");
    let old = old.interrupt_before(["gone"]).compile().unwrap().checkpointer(memory.clone());
    old.run(Log { log: vec![], n: 7 }).thread("t").outcome().await.unwrap();

    async fn look(state: Arc<Newer>, _: Cx) -> Result<NewerUpdate> {
        Ok(Newer::update().log(["look"]).level(state.level + 1))
    }
    let new = StateGraph::<Newer>::new().node("look", look).edge(START, "look");
    let new = new.compile().unwrap().checkpointer(memory);
    for error in [new.go_on("t").await.unwrap_err(), new.state("t").await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("\"gone\""), "{error}");
    }
    // An earlier checkpoint, which waits for no node that is gone, has its state: a new field is what it is by default.
    let first = old.history("t", None, None).await.unwrap().pop().unwrap().at.id;
    let end = new.go_on("t").at(first).await.unwrap();
    assert_eq!(end, Newer { log: strings(["look"]), title: None, level: 1 });
}

#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Other {
    log: i64,
}

#[tokio::test]
async fn a_saved_state_that_does_not_fit_is_an_error() {
    let memory = Memory::new();
    let old = graph().node("a", says("a")).edge(START, "a").compile().unwrap().checkpointer(memory.clone());
    old.run(lines(["x"])).thread("t").await.unwrap();
    let new = StateGraph::<Other>::new().node("a", |_: Arc<Other>, _: Cx| async { Ok(()) }).edge(START, "a");
    let new = new.compile().unwrap().checkpointer(memory);
    let error = new.run(Other { log: 1 }).thread("t").await.unwrap_err();
    assert!(error.to_string().contains("does not fit"), "{error}");
    assert_eq!(old.state("t").await.unwrap().unwrap().values.log, ["x", "a"]);
}

#[tokio::test]
async fn a_watched_run_tells_the_checkpoints_that_history_has() {
    let graph = two();
    let items: Vec<_> = graph.run(lines([])).thread("t").watch([Mode::Checkpoints]).try_collect().await.unwrap();
    let told: Vec<_> = items
        .into_iter()
        .map(|item| match item {
            Item::Checkpoint(event) => (event.at, event.parent, event.step),
            other => panic!("{other:?}"),
        })
        .collect();
    let mut history = graph.history("t", None, None).await.unwrap();
    history.reverse();
    let saved: Vec<_> = history.into_iter().map(|it| (it.at, it.parent, it.metadata.step)).collect();
    assert_eq!(told, saved);
}
