//! Graphs on the dynamic state: graphs inside graphs, what nodes see, and what is told when something fails.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{Body, Cx, Error, ErrorKind, Event, Outcome, Result};
use millstream_graph::{
    Command, Graph, Item, Json, JsonKind, JsonUpdate, Memory, Mode, START, Schema, Send, StateGraph,
};
use serde_json::{Value, json};

const KEYS: [(&str, JsonKind); 4] = [
    ("log", JsonKind::Append),
    ("n", JsonKind::Last),
    ("left", JsonKind::RemainingSteps),
    ("last", JsonKind::IsLastStep),
];

fn graph() -> StateGraph<Json> {
    StateGraph::with_schema(Schema::json(KEYS))
}

fn empty() -> Json {
    JsonKind::initial_state(KEYS)
}

/// A node that writes its name to the log.
fn logs(name: &'static str) -> impl Fn(Arc<Json>, Cx) -> std::future::Ready<Result<JsonUpdate>> {
    move |_, _| std::future::ready(Ok(JsonUpdate::new().with("log", json!([name]))))
}

/// A node that runs `inner` so many times, as a function.
fn calls(
    inner: Graph<Json>,
    times: usize,
) -> impl Fn(Arc<Json>, Cx) -> futures_util::future::BoxFuture<'static, Result<JsonUpdate>> {
    move |_, cx| {
        let inner = inner.clone();
        Box::pin(async move {
            for _ in 0..times {
                inner.invoke(empty(), &cx).await?;
            }
            Ok(JsonUpdate::new().with("log", json!(["called"])))
        })
    }
}

async fn events(graph: Graph<Json>) -> Vec<Event> {
    graph.run(empty()).events().filter_map(|event| std::future::ready(event.ok())).collect().await
}

#[tokio::test]
async fn a_command_to_the_parent_is_the_answer_of_the_node_around() {
    let away = |_: Arc<Json>, _: Cx| {
        let update = JsonUpdate::new().with("log", json!(["from inside"]));
        std::future::ready(Ok(Command::goto("other").update(update).parent()))
    };
    let inner = graph().node("away", away).node("never", logs("never")).edge(START, "away").edge("away", "never");
    let alone = inner.compile().unwrap();
    let outer = graph().node("child", calls(alone.clone(), 1)).node("other", logs("other")).edge(START, "child");
    let end = outer.compile().unwrap().run(empty()).await.unwrap();
    assert_eq!(end.get("log"), Some(&json!(["from inside", "other"])));

    let error = alone.run(empty()).await.unwrap_err();
    assert_eq!(error.name(), Some("ParentCommand"));
}

#[tokio::test]
async fn each_further_graph_in_a_task_has_a_number_of_its_own() {
    let inner = graph().node("in", logs("in")).edge(START, "in").compile().unwrap();
    let outer = graph().node("call", calls(inner, 3)).edge(START, "call").compile().unwrap();
    let mut places: Vec<Vec<String>> = events(outer)
        .await
        .into_iter()
        .filter(|event| matches!(event.body, Body::Updates { .. }))
        .map(|event| event.scope.namespace.clone())
        .collect();
    assert_eq!(places.pop(), Some(vec![]));
    let task = &places[0][0];
    assert!(task.starts_with("call:"));
    let place = |number: &str| vec![task.clone(), number.to_owned()];
    assert_eq!(places, [vec![task.clone()], place("1"), place("2")]);
}

#[tokio::test]
async fn a_node_sees_what_it_is_shown_and_how_many_steps_are_left() {
    let look =
        |state: Arc<Json>, _: Cx| std::future::ready(Ok(JsonUpdate::new().with("log", json!([state.to_value()]))));
    let keys = ["n".to_owned()];
    let graph = graph().node("all", look).node("some", look).sees("some", move |state| state.only(&keys));
    let graph = graph.edge(START, "all").edge("all", "some").compile().unwrap();
    let input = JsonUpdate::new().with("n", 1);
    let end = graph.run(input).limit(3).await.unwrap();
    let seen = json!([{"last": false, "left": 2, "log": [], "n": 1}, {"n": 1}]);
    assert_eq!(end.to_value(), json!({"log": seen, "n": 1}));
}

#[tokio::test]
async fn a_run_that_has_begun_as_many_steps_as_its_limit_fails() {
    let graph = graph().node("a", logs("a")).node("b", logs("b")).edge(START, "a").edge("a", "b").compile().unwrap();
    let error = graph.run(empty()).limit(2).await.unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::LimitExceeded, Some("GraphRecursionError")));
    assert!(graph.run(empty()).limit(3).await.is_ok());
}

#[tokio::test]
async fn a_branch_that_fails_fails_its_task_after_its_update_was_told() {
    let lost = |_: &Json| Err(Error::new(ErrorKind::Failed, "lost").with_name("LostError"));
    let graph = graph().node("a", logs("a")).edge(START, "a").try_branch("a", lost).compile().unwrap();
    let items: Vec<Item<Json>> = graph
        .run(empty())
        .watch([Mode::Updates, Mode::Tasks])
        .filter_map(|item| std::future::ready(item.ok()))
        .collect()
        .await;
    let [Item::TaskStarted { .. }, Item::Updates { .. }, Item::TaskFinished { updates, error: Some(error), .. }] =
        items.as_slice()
    else {
        panic!("{items:?}")
    };
    assert_eq!((updates.len(), error.name.as_deref(), error.message.as_str()), (1, Some("LostError"), "lost"));
}

#[tokio::test]
async fn a_message_is_told_once_by_whichever_node_returns_it_first() {
    let keys = [("messages", JsonKind::Messages)];
    let says = |text: &'static str| {
        move |_: Arc<Json>, _: Cx| {
            let message = json!({"type": "ai", "content": text, "id": "a1"});
            std::future::ready(Ok(JsonUpdate::new().with("messages", message)))
        }
    };
    let graph = StateGraph::with_schema(Schema::json(keys)).node("a", says("one")).node("b", says("two"));
    let graph = graph.edge(START, "a").edge("a", "b").compile().unwrap();
    let said: Vec<String> = graph
        .run(JsonKind::initial_state(keys))
        .messages()
        .map_ok(|(chunk, _)| chunk.to_string())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(said, ["one"]);
}

#[tokio::test]
async fn tags_and_metadata_of_a_run_are_those_of_what_runs_inside() {
    let node = |_: Arc<Json>, cx: Cx| async move { cx.write("here").await };
    let graph = graph().node("a", node).edge(START, "a").compile().unwrap();
    let run = graph.run(empty()).named("mine").tag("t").metadata("user", "u1");
    let events: Vec<Event> = run.events().try_collect().await.unwrap();
    let (first, custom) = (&events[0], events.iter().find(|event| matches!(event.body, Body::Custom { .. })).unwrap());
    assert_eq!((&*first.scope.name, first.scope.tags.as_slice()), ("mine", ["t".to_owned()].as_slice()));
    assert_eq!(custom.scope.metadata["user"], Value::from("u1"));
    assert_eq!(custom.scope.tags, ["t", "graph:step:1"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_nodes_run_at_a_time_than_are_allowed() {
    let slow = |_: Arc<Json>, _: Cx| async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Ok(())
    };
    let names = ["a", "b", "c", "d", "e"];
    let graph = names.iter().fold(graph(), |graph, name| graph.node(*name, slow).edge(START, name)).compile().unwrap();
    for (nodes, seconds) in [(1, 5), (2, 3), (5, 1), (usize::MAX, 1)] {
        let start = tokio::time::Instant::now();
        graph.run(empty()).max_concurrency(nodes).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), seconds, "{nodes} at a time");
    }
}

#[test]
fn a_waiting_edge_from_the_start_is_a_mistake() {
    let graph = graph().node("a", logs("a")).node("b", logs("b")).edge(START, "a").join([START, "a"], "b");
    assert!(graph.compile().unwrap_err().to_string().contains("waiting edge"));
}

#[tokio::test]
async fn what_a_node_dispatches_is_told_with_its_name_among_the_runnables() {
    let node = |_: Arc<Json>, cx: Cx| async move { cx.dispatch("note", json!({"x": 1})).await };
    let graph = graph().node("a", node).edge(START, "a").branch("a", |_: &Json| "b").branch_name("choose");
    let events = events(graph.node("b", logs("b")).compile().unwrap()).await;
    let told: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::RunnableStarted { .. } => Some(format!("{} begins", event.scope.name)),
            Body::RunnableFinished { output, .. } => Some(format!("{} gives {}", event.scope.name, output.json())),
            Body::Dispatched { name, data } => Some(format!("{name} {data}")),
            _ => None,
        })
        .collect();
    let node_a = ["a begins", "note {\"x\":1}", "choose begins", "choose gives \"b\"", "a gives null"];
    assert_eq!(told[0], "LangGraph begins");
    assert_eq!(told[1..6], node_a);
    assert_eq!(told.last().unwrap(), "LangGraph gives {\"log\":[\"b\"]}");
}

#[tokio::test]
async fn the_last_step_is_the_one_with_one_step_left() {
    let seen = |state: Arc<Json>, _: Cx| {
        let seen = json!([state.get("left"), state.get("last")]);
        std::future::ready(Ok::<_, Error>(JsonUpdate::new().with("log", json!([seen]))))
    };
    let graph = graph().node("a", seen).node("b", seen).edge(START, "a").edge("a", "b").compile().unwrap();
    let mut states = graph.run(JsonUpdate::new().with("n", json!(0))).limit(2).events();
    let mut last = Value::Null;
    while let Ok(Some(event)) = states.try_next().await {
        if let Body::Values { state } = event.body {
            last = state.json();
        }
    }
    assert_eq!(last["log"], json!([[1, true], [0, false]]));
}

#[tokio::test]
async fn a_reducer_that_cannot_take_a_value_raises_what_python_raises() {
    let graph = graph().node("a", logs("a")).edge(START, "a").compile().unwrap();
    let failed = graph.run(JsonUpdate::new().with("log", json!("no list"))).await;
    assert_eq!(failed.unwrap_err().name(), Some("TypeError"));
}

#[tokio::test]
async fn the_last_event_of_a_run_that_waits_says_so() {
    let asks = |_: Arc<Json>, cx: Cx| async move {
        let answer: Value = cx.interrupt(json!("how many?")).await?;
        Ok::<_, Error>(JsonUpdate::new().with("n", answer))
    };
    let graph = graph().node("a", asks).edge(START, "a").compile().unwrap().checkpointer(Memory::default());
    let input = JsonUpdate::new().with("n", json!(0));
    let waiting: Vec<Event> = graph.run(input).thread("t").events().try_collect().await.unwrap();
    let Body::Finished(finished) = &waiting.last().unwrap().body else { panic!("a last event") };
    assert_eq!((finished.outcome, finished.error.is_none()), (Outcome::Interrupted, true));
}

#[tokio::test(start_paused = true)]
async fn more_turns_than_events_may_wait_do_not_stand_in_each_others_way() {
    const TURNS: usize = 300;
    let says = |_: Arc<Json>, cx: Cx| async move {
        cx.write("here").await?;
        cx.write("there").await?;
        Ok::<_, Error>(JsonUpdate::new().with("log", json!(["done"])))
    };
    let send = |_: &Json| (0..TURNS).map(|_| Send::new("a", Json::default())).collect::<Vec<_>>();
    let graph = graph().node("a", says).branch(START, send).compile().unwrap();
    let events = graph.run(JsonUpdate::new().with("n", json!(0))).events().try_collect::<Vec<Event>>();
    let events = tokio::time::timeout(std::time::Duration::from_secs(1), events).await.expect("an end").unwrap();
    let said = events.iter().filter(|event| matches!(event.body, Body::Custom { .. })).count();
    assert_eq!(said, 2 * TURNS);
}
