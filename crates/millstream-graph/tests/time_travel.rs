//! Time travel: going on from an old checkpoint makes a branch of its own, which is the newest from then on.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{Journal, Log, asks, graph, lines, notes, questions, says, texts};
use millstream_core::{Cx, Result};
use millstream_graph::{CheckpointSource, Command, Graph, Memory, START, Snapshot};
use uuid::Uuid;

/// a → b → c, which note that they run.
fn three(journal: &Journal) -> Graph<Log> {
    let graph = graph().node("a", notes("a", journal, 0)).node("b", notes("b", journal, 0));
    let graph = graph.node("c", notes("c", journal, 0)).edge(START, "a").edge("a", "b").edge("b", "c");
    graph.compile().unwrap().checkpointer(Memory::new())
}

/// The checkpoint of `thread` before which `next` was due, the newest of them.
async fn before(graph: &Graph<Log>, thread: &str, next: &str) -> Snapshot<Log> {
    let history = graph.history(thread, None, None).await.unwrap();
    history.into_iter().find(|it| it.next.iter().any(|name| **name == *next)).unwrap()
}

#[tokio::test]
async fn a_run_at_an_old_checkpoint_repeats_what_came_after_it_and_nothing_else() {
    let journal = Journal::default();
    let graph = three(&journal);
    graph.run(lines(["x"])).thread("t").await.unwrap();
    let old = before(&graph, "t", "b").await;
    let count = graph.history("t", None, None).await.unwrap().len();
    journal.take();
    assert_eq!(graph.go_on("t").at(old.at.id).await.unwrap().log, ["x", "a", "b", "c"]);
    assert_eq!(journal.take(), ["b", "c"]);

    let history = graph.history("t", None, None).await.unwrap();
    let new: Vec<_> = history[..history.len() - count].iter().rev().collect();
    let told: Vec<_> = new.iter().map(|it| (it.metadata.source, it.metadata.step)).collect();
    use CheckpointSource::{Fork, Loop};
    assert_eq!(told, [(Fork, 2), (Loop, 3), (Loop, 4)], "{history:?}");
    assert_eq!(new[0].parent.as_ref().map(|parent| parent.id), Some(old.at.id));
    // What was there stays as it was.
    assert_eq!(graph.state_at("t", old.at.id).await.unwrap().unwrap().values, old.values);
    assert!(history.windows(2).all(|pair| pair[0].at.id > pair[1].at.id));
}

#[tokio::test]
async fn the_newest_checkpoint_is_not_repeated_by_going_on_there() {
    let journal = Journal::default();
    let graph = three(&journal);
    let end = graph.run(lines([])).thread("t").await.unwrap();
    let newest = graph.state("t").await.unwrap().unwrap().at.id;
    journal.take();
    assert_eq!(graph.go_on("t").at(newest).await.unwrap(), end);
    assert_eq!(graph.go_on("t").await.unwrap(), end);
    assert_eq!(journal.take(), [""; 0]);
}

#[tokio::test]
async fn an_update_at_an_old_checkpoint_is_a_fork_that_the_thread_goes_on_with() {
    let graph = three(&Journal::default());
    graph.run(lines(["x"])).thread("t").await.unwrap();
    let old = before(&graph, "t", "b").await;
    let fork = graph.update("t", Log::update().replace_log(["other"])).at(old.at.id).save().await.unwrap();
    let state = graph.state("t").await.unwrap().unwrap();
    assert_eq!((&state.at, state.parent.as_ref()), (&fork, Some(&old.at)));
    assert_eq!(state.metadata.source, CheckpointSource::Update);
    assert_eq!(graph.go_on("t").await.unwrap().log, ["other", "b", "c"]);
    // Both ways can be gone again, by their addresses.
    assert_eq!(graph.go_on("t").at(old.at.id).await.unwrap().log, ["x", "a", "b", "c"]);
    assert_eq!(graph.go_on("t").at(fork.id).await.unwrap().log, ["other", "b", "c"]);
}

#[tokio::test]
async fn input_at_an_old_checkpoint_is_written_to_the_state_of_that_time() {
    let graph = three(&Journal::default());
    graph.run(lines(["1"])).thread("t").await.unwrap();
    let end = graph.state("t").await.unwrap().unwrap().at.id;
    graph.run(lines(["2"])).thread("t").await.unwrap();
    let other = graph.run(lines(["other 2"])).thread("t").at(end).await.unwrap();
    assert_eq!(other.log, ["1", "a", "b", "c", "other 2", "a", "b", "c"]);
    assert_eq!(graph.run(lines(["3"])).thread("t").await.unwrap().log.len(), 12);
}

#[tokio::test]
async fn a_checkpoint_that_is_not_there_is_an_error() {
    let graph = three(&Journal::default());
    graph.run(lines([])).thread("t").await.unwrap();
    for run in [graph.go_on("t"), graph.run(lines([])).thread("t"), graph.go_on("nobody")] {
        let error = run.at(Uuid::nil()).await.unwrap_err();
        assert!(error.to_string().contains("has no checkpoint 00000000"), "{error}");
    }
    assert_eq!(graph.history("t", None, None).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_question_that_was_answered_is_asked_again_and_can_be_answered_otherwise() {
    let graph = graph().node("ask", asks(["who?"])).node("end", says("end")).edge(START, "ask").edge("ask", "end");
    let graph = graph.compile().unwrap().checkpointer(Memory::new());
    graph.run(lines([])).thread("t").outcome().await.unwrap();
    assert_eq!(graph.resume("t", "Ann").await.unwrap().log, ["who? Ann", "end"]);
    let asked = before(&graph, "t", "ask").await;
    // A record of the step: what was asked then.
    assert_eq!(texts(asked.interrupts()), ["who?"]);
    // Going on there asks again, in a branch that waits.
    let again = graph.go_on("t").at(asked.at.id).outcome().await.unwrap();
    assert_eq!(questions(&again), ["who?"]);
    assert_eq!(texts(graph.state("t").await.unwrap().unwrap().interrupts()), ["who?"]);
    assert_eq!(graph.resume("t", "Bob").await.unwrap().log, ["who? Bob", "end"]);
    assert_eq!(graph.state("t").await.unwrap().unwrap().values.log, ["who? Bob", "end"]);
}

#[tokio::test]
async fn a_fork_runs_the_whole_step_again_although_half_of_it_had_finished() {
    let journal = Journal::default();
    let graph = graph().node("ask", asks(["who?"])).node("free", notes("free", &journal, 0));
    let graph = graph.edge(START, "ask").edge(START, "free").compile().unwrap().checkpointer(Memory::new());
    graph.run(lines([])).thread("t").outcome().await.unwrap();
    graph.resume("t", "Ann").await.unwrap();
    assert_eq!(journal.take(), ["free"]);
    let asked = before(&graph, "t", "ask").await;
    let again = graph.go_on("t").at(asked.at.id).outcome().await.unwrap();
    assert_eq!((questions(&again), again.state.log), (vec!["who?".to_owned()], vec!["free".to_owned()]));
    assert_eq!(graph.resume("t", "Bob").await.unwrap().log, ["who? Bob", "free"]);
    assert_eq!(journal.take(), ["free"]);
}

#[tokio::test]
async fn a_command_at_an_old_checkpoint_goes_another_way() {
    let graph = three(&Journal::default());
    graph.run(lines(["x"])).thread("t").await.unwrap();
    let old = before(&graph, "t", "a").await;
    let end = graph.command("t", Command::none().update(lines(["y"]))).at(old.at.id).await.unwrap();
    assert_eq!(end.log, ["x", "y", "a", "b", "c"]);
}

#[tokio::test]
async fn lists_of_branches_that_share_their_beginning_do_not_mix() {
    async fn grow(state: Arc<Log>, _: Cx) -> Result<common::LogUpdate> {
        Ok(Log::update().log([format!("{}", state.log.len())]))
    }
    let graph = graph().node("grow", grow).edge(START, "grow").compile().unwrap().checkpointer(Memory::new());
    graph.run(lines(["root"])).thread("t").await.unwrap();
    let root = graph.state("t").await.unwrap().unwrap().at.id;
    let mut ends = Vec::new();
    for branch in ["left", "middle", "right"] {
        let end = graph.run(lines([branch])).thread("t").at(root).await.unwrap();
        assert_eq!(end.log, ["root", "1", branch, "3"]);
        ends.push((graph.state("t").await.unwrap().unwrap().at.id, end));
    }
    for (id, end) in ends {
        assert_eq!(graph.state_at("t", id).await.unwrap().unwrap().values, end);
    }
}
