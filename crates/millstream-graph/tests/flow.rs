//! What runs when, and what the state is afterwards, whoever was faster.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use millstream_core::{Cx, Error, ErrorKind, Result};
use millstream_graph::{Command, END, Graph, Retry, START, Send, State, StateGraph, append};
use serde::{Deserialize, Serialize};

#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Log {
    #[reduce(append)]
    log: Vec<String>,
    n: i64,
}

/// A node that writes its name, after a while.
fn says(
    name: &'static str,
    after: u64,
) -> impl Fn(Arc<Log>, Cx) -> futures_util::future::BoxFuture<'static, Result<LogUpdate>> {
    move |_, _| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            Ok(Log::update().log([name]))
        })
    }
}

async fn run(graph: &Graph<Log>) -> Vec<String> {
    graph.run(Log::default()).await.unwrap().log
}

#[tokio::test(start_paused = true)]
async fn parallel_nodes_are_applied_by_name_whoever_is_faster() {
    for (a, b, c) in [(1, 2, 3), (3, 2, 1), (2, 3, 1)] {
        let graph = StateGraph::new()
            .node("src", says("src", 0))
            .node("c", says("c", c))
            .node("a", says("a", a))
            .node("b", says("b", b))
            .node("sink", says("sink", 0))
            .edge(START, "src")
            .edge("src", "c")
            .edge("src", "a")
            .edge("src", "b")
            .join(["a", "b", "c"], "sink")
            .edge("sink", END)
            .compile()
            .unwrap();
        assert_eq!(run(&graph).await, ["src", "a", "b", "c", "sink"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_edge_waits_for_branches_of_unequal_length_and_plain_edges_do_not() {
    let build = |join: bool| {
        let graph = StateGraph::new()
            .node("a", says("a", 0))
            .node("b", says("b", 0))
            .node("b2", says("b2", 0))
            .node("sink", says("sink", 0))
            .edge(START, "a")
            .edge(START, "b")
            .edge("b", "b2");
        let graph = if join { graph.join(["a", "b2"], "sink") } else { graph.edge("a", "sink").edge("b2", "sink") };
        graph.compile().unwrap()
    };
    assert_eq!(run(&build(true)).await, ["a", "b", "b2", "sink"]);
    assert_eq!(run(&build(false)).await, ["a", "b", "b2", "sink", "sink"]);
}

#[tokio::test(start_paused = true)]
async fn a_deferred_node_runs_when_nothing_else_is_left() {
    let graph = StateGraph::new()
        .node("a", says("a", 0))
        .node("b", says("b", 0))
        .node("b2", says("b2", 0))
        .node("last", says("last", 0))
        .deferred("last")
        .edge(START, "a")
        .edge(START, "b")
        .edge("b", "b2")
        .edge("a", "last")
        .edge("b2", "last")
        .compile()
        .unwrap();
    assert_eq!(run(&graph).await, ["a", "b", "b2", "last"]);
}

#[tokio::test]
async fn a_branch_sees_what_its_own_node_wrote_and_not_what_others_did() {
    async fn bump(state: Arc<Log>, _: Cx) -> Result<LogUpdate> {
        Ok(Log::update().n(state.n + 1).log(["bump"]))
    }
    let graph = StateGraph::new()
        .node("bump", bump)
        .node("other", says("other", 0))
        .node("low", says("low", 0))
        .node("high", says("high", 0))
        .edge(START, "bump")
        .edge(START, "other")
        .branch("bump", |state: &Log| if state.n == 1 && state.log == ["bump"] { "low" } else { "high" })
        .compile()
        .unwrap();
    assert_eq!(run(&graph).await, ["bump", "other", "low"]);
}

#[tokio::test]
async fn a_loop_runs_until_its_branch_says_so_or_the_limit_is_reached() {
    async fn tick(state: Arc<Log>, _: Cx) -> Result<LogUpdate> {
        Ok(Log::update().n(state.n + 1))
    }
    let to = |last: i64| {
        let graph = StateGraph::new().node("tick", tick).edge(START, "tick");
        graph.branch("tick", move |state: &Log| if state.n < last { "tick" } else { END }).compile().unwrap()
    };
    assert_eq!(to(1000).run(Log::default()).await.unwrap().n, 1000);
    let error = to(i64::MAX).run(Log::default()).limit(50).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(error.to_string().contains("50 steps"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn sends_run_a_node_once_each_with_a_state_of_their_own() {
    async fn work(state: Arc<Log>, _: Cx) -> Result<LogUpdate> {
        tokio::time::sleep(Duration::from_millis(10 - state.n.unsigned_abs())).await;
        Ok(Log::update().log([format!("work {}", state.n)]))
    }
    let graph = StateGraph::new()
        .node("work", work)
        .node("best", says("best", 0))
        .branch(START, |_: &Log| (1..=3).map(|n| Send::new("work", Log { n, log: vec![] })).collect::<Vec<_>>())
        .edge("work", "best")
        .compile()
        .unwrap();
    assert_eq!(run(&graph).await, ["work 1", "work 2", "work 3", "best"]);
}

#[tokio::test]
async fn a_command_changes_and_goes() {
    async fn pick(_: Arc<Log>, _: Cx) -> Result<Command<Log>> {
        Ok(Command::goto("b").update(Log::update().log(["pick"])))
    }
    let graph = StateGraph::new()
        .node("pick", pick)
        .node("a", says("a", 0))
        .node("b", says("b", 0))
        .edge(START, "pick")
        .compile()
        .unwrap();
    assert_eq!(run(&graph).await, ["pick", "b"]);
}

#[tokio::test]
async fn what_follows_a_node_that_only_a_command_leads_to_is_reached_and_a_ring_beside_the_start_is_not() {
    async fn pick(_: Arc<Log>, _: Cx) -> Result<Command<Log>> {
        Ok(Command::goto("b").update(Log::update().log(["pick"])))
    }
    let graph = StateGraph::new().node("pick", pick).node("b", says("b", 0)).node("c", says("c", 0));
    let graph = graph.edge(START, "pick").edge("b", "c");
    assert_eq!(run(&graph.compile().unwrap()).await, ["pick", "b", "c"]);
    let ring = StateGraph::new().node("pick", pick).node("b", says("b", 0)).node("c", says("c", 0));
    let error = ring.edge(START, "pick").edge("b", "c").edge("c", "b").compile().unwrap_err().to_string();
    assert!(error.contains("no path leads to the node \"b\"") && error.contains("to the node \"c\""), "{error}");
}

#[tokio::test]
async fn going_nowhere_is_an_error_that_names_the_nodes() {
    async fn lost(_: Arc<Log>, _: Cx) -> Result<Command<Log>> {
        Ok(Command::goto("nowhere"))
    }
    let graph = StateGraph::new().node("lost", lost).edge(START, "lost").compile().unwrap();
    let error = graph.run(Log::default()).await.unwrap_err();
    assert!(error.to_string().contains("\"nowhere\"") && error.to_string().contains("(lost)"), "{error}");
}

#[tokio::test]
async fn two_writes_of_a_last_value_in_one_step_name_both_nodes() {
    async fn one(_: Arc<Log>, _: Cx) -> Result<LogUpdate> {
        Ok(Log::update().n(1))
    }
    let graph = StateGraph::new().node("a", one).node("b", one).edge(START, "a").edge(START, "b").compile().unwrap();
    let error = graph.run(Log::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("the nodes a and b wrote \"n\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_failing_node_stops_its_siblings() {
    struct Guard(Arc<AtomicU32>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (ended, dropped) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (end, drops) = (ended.clone(), dropped.clone());
    let slow = move |_: Arc<Log>, _: Cx| {
        let (end, guard) = (end.clone(), Guard(drops.clone()));
        async move {
            let _guard = guard;
            tokio::time::sleep(Duration::from_secs(60)).await;
            end.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    };
    async fn bad(_: Arc<Log>, _: Cx) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Err(Error::new(ErrorKind::Failed, "boom"))
    }
    let graph =
        StateGraph::new().node("bad", bad).node("slow", slow).edge(START, "bad").edge(START, "slow").compile().unwrap();
    let start = tokio::time::Instant::now();
    assert_eq!(graph.run(Log::default()).await.unwrap_err().to_string(), "boom");
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!((ended.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_node_is_tried_again_and_a_slow_one_is_given_up() {
    let tries = Arc::new(AtomicU32::new(0));
    let count = tries.clone();
    let flaky = move |_: Arc<Log>, _: Cx| {
        let turn = count.fetch_add(1, Ordering::Relaxed);
        async move {
            match turn {
                0 | 1 => Err(Error::new(ErrorKind::ProviderFailed, "not yet")),
                _ => Ok(Log::update().log(["done"])),
            }
        }
    };
    let build = |retry: Retry| {
        let graph = StateGraph::new().node("flaky", flaky.clone()).retry("flaky", retry).edge(START, "flaky");
        graph.compile().unwrap()
    };
    assert_eq!(run(&build(Retry::default())).await, ["done"]);
    tries.store(0, Ordering::Relaxed);
    let error = build(Retry { attempts: 2, ..Retry::default() }).run(Log::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "not yet");
    tries.store(0, Ordering::Relaxed);
    let never = Retry { when: Arc::new(|_| false), ..Retry::default() };
    assert!(build(never).run(Log::default()).await.is_err());
    assert_eq!(tries.load(Ordering::Relaxed), 1);

    let slow = StateGraph::new()
        .node("slow", says("slow", 1000))
        .timeout("slow", Duration::from_millis(10))
        .edge(START, "slow");
    let error = slow.compile().unwrap().run(Log::default()).await.unwrap_err();
    assert_eq!(error.code(), "total_timeout");
}

#[test]
fn every_mistake_is_reported_at_once_with_a_suggestion() {
    let graph = StateGraph::<Log>::new()
        .node("tools", says("tools", 0))
        .node("tools", says("again", 0))
        .edge("tools", "tolls")
        .edge(END, "tools")
        .branch_to("tool", &["tools"], |_| Ok(vec![]))
        .deferred("agent");
    let text = graph.compile().unwrap_err().to_string();
    for mistake in [
        "two nodes \"tools\"",
        "no node \"agent\" to change",
        "an edge leads to \"tolls\", which is not a node; did you mean \"tools\"?",
        "an edge comes from the end",
        "a branch comes from \"tool\", which is not a node; did you mean \"tools\"?",
        "nothing leaves the start",
    ] {
        assert!(text.contains(mistake), "{mistake} is not in:\n{text}");
    }
}
