//! The stream modes as LangGraph's Python library yields them, of graphs that run.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use futures_util::StreamExt;
use millstream_core::{Channels, Cx, Demo, Error, ErrorKind, Message, Model, Runnable};
use millstream_graph::{Graph, Json, JsonKind, JsonUpdate, Memory, Mode, START, Schema, StateGraph};
use millstream_protocol::stream_modes::{StateKeys, StreamItem, StreamModes, Version};
use serde_json::{Value, json};

const KEYS: [(&str, JsonKind); 3] =
    [("log", JsonKind::Append), ("n", JsonKind::Last), ("messages", JsonKind::Messages)];

fn graph() -> StateGraph<Json> {
    StateGraph::with_schema(Schema::json(KEYS))
}

fn input() -> Json {
    JsonKind::initial_state(KEYS)
}

/// A graph with a graph inside that asks a model, and says how far it is.
fn with_graph_inside() -> Graph<Json> {
    let ask = |_: Arc<Json>, cx: Cx| async move {
        cx.write(json!({ "progress": 1 })).await?;
        let model = Model::from(Demo::says(["Old pond"]));
        let said: Message = model.invoke("A haiku", &cx).await?;
        Ok::<_, Error>(JsonUpdate::new().with("messages", json!([said])))
    };
    let count = |_: Arc<Json>, _: Cx| async { Ok::<_, Error>(JsonUpdate::new().with("n", 1)) };
    let log = |_: Arc<Json>, _: Cx| async { Ok::<_, Error>(JsonUpdate::new().with("log", json!(["inside"]))) };
    let inner = graph().node("ask", ask).node("log", log).edge(START, "ask").edge("ask", "log").compile().unwrap();
    let outer = graph().node("count", count).graph("inner", inner).edge(START, "count").edge("count", "inner");
    outer.compile().unwrap().checkpointer(Memory::new())
}

/// Watches all of a run, with one view after the other: they are views of the same events.
async fn told(graph: &Graph<Json>, views: Vec<StreamModes>) -> Vec<Vec<StreamItem>> {
    let events: Vec<_> = graph.run(input()).thread("1").events().collect().await;
    let items = |mut view: StreamModes| events.iter().flatten().flat_map(|event| view.push(event)).collect();
    views.into_iter().map(items).collect()
}

async fn told_by(graph: &Graph<Json>, view: StreamModes) -> Vec<StreamItem> {
    told(graph, vec![view]).await.remove(0)
}

#[tokio::test]
async fn each_mode_alone_says_what_it_says_among_all() {
    let mut views = vec![StreamModes::new(Mode::ALL).with_subgraphs()];
    views.extend(Mode::ALL.map(|mode| StreamModes::new([mode]).with_subgraphs()));
    let mut told = told(&with_graph_inside(), views).await;
    let all = told.remove(0);
    for (mode, alone) in Mode::ALL.into_iter().zip(told) {
        assert!(!alone.is_empty(), "{} says nothing", mode.name());
        let among: Vec<_> = all.iter().filter(|item| item.mode == mode).cloned().collect();
        assert_eq!(alone, among, "{}", mode.name());
    }
}

#[tokio::test]
async fn what_a_view_needs_of_a_run_is_enough_for_it() {
    for mode in Mode::ALL {
        for keys in [StateKeys::All, StateKeys::Some(vec!["n".into()]), StateKeys::One("n".into())] {
            let view = || StreamModes::new([mode]).keys(keys.clone()).input(&json!({ "log": [] }));
            let outline = |told: &[StreamItem]| told.iter().map(|item| item.data.is_null()).collect::<Vec<_>>();
            let of_all = told_by(&with_graph_inside(), view()).await;
            let mut narrow = view();
            let events: Vec<_> =
                with_graph_inside().run(input()).thread("1").events_of(narrow.channels()).collect().await;
            let of_some: Vec<_> = events.iter().flatten().flat_map(|event| narrow.push(event)).collect();
            assert_eq!(outline(&of_some), outline(&of_all), "{} of {keys:?}", mode.name());
        }
    }
    assert_eq!(StreamModes::new([]).channels(), Channels::NONE);
}

#[tokio::test]
async fn graphs_inside_are_told_to_who_asks_for_them() {
    let graph = with_graph_inside();
    let views = vec![StreamModes::new(Mode::ALL), StreamModes::new(Mode::ALL).with_subgraphs()];
    let told = told(&graph, views).await;
    assert!(told[0].iter().all(|item| item.namespace.is_empty()));
    // What the model says inside is told there; without that, it is a message that the node returned.
    let (messages, rest): (Vec<_>, Vec<_>) = told[0].iter().partition(|item| item.mode == Mode::Messages);
    assert_eq!(messages.iter().map(|item| &item.data[0]["content"]).collect::<Vec<_>>(), ["Old pond"]);
    assert_eq!(rest, told[1].iter().filter(|item| item.namespace.is_empty()).collect::<Vec<_>>());
    let inside = told[1].iter().find(|item| item.mode == Mode::Custom).unwrap();
    assert_eq!(inside.data, json!({ "progress": 1 }));
    assert_eq!(inside.namespace.len(), 1);
    assert!(inside.namespace[0].starts_with("inner:"), "{:?}", inside.namespace);
}

#[tokio::test]
async fn chunks_of_messages_come_with_the_node_that_says_them() {
    let told = told_by(&with_graph_inside(), StreamModes::new([Mode::Messages]).with_subgraphs()).await;
    let text: String = told.iter().filter_map(|item| item.data[0]["content"].as_str()).collect();
    assert_eq!(text, "Old pond");
    for item in &told {
        assert_eq!(item.data[0]["type"], "AIMessageChunk", "{item:?}");
        assert_eq!(item.data[1]["langgraph_node"], "ask", "{item:?}");
    }
}

#[tokio::test]
async fn only_the_keys_that_are_asked_for_are_told() {
    let some = StreamModes::new([Mode::Values, Mode::Updates]).keys(StateKeys::Some(vec!["n".into()]));
    let one = StreamModes::new([Mode::Values, Mode::Updates]).keys(StateKeys::One("n".into()));
    let views = vec![some.input(&json!({ "log": [] })), one.input(&json!({ "log": [] }))];
    let told = told(&with_graph_inside(), views).await;
    let tuples = |told: &[StreamItem]| told.iter().map(StreamItem::tuple).collect::<Vec<_>>();
    let updates = |inner: Value| json!([[], "updates", { "inner": inner }]);
    // The input wrote none of these keys, so the first values are those after the first step. The graph inside gives back what it has.
    assert_eq!(
        tuples(&told[0])[..2],
        [json!([[], "updates", { "count": { "n": 1 } }]), json!([[], "values", { "n": 1 }])]
    );
    assert_eq!(tuples(&told[0])[2], updates(json!({ "n": 1 })));
    assert_eq!(tuples(&told[1])[..2], [json!([[], "updates", { "count": 1 }]), json!([[], "values", 1])]);
    assert_eq!(tuples(&told[1])[2], updates(json!(1)));
}

#[tokio::test]
async fn what_is_asked_is_in_the_values_or_beside_them() {
    let ask = |_: Arc<Json>, cx: Cx| async move {
        let answer: i64 = cx.interrupt("how many?").await?;
        Ok::<_, Error>(JsonUpdate::new().with("n", answer))
    };
    let graph = graph().node("ask", ask).edge(START, "ask").compile().unwrap().checkpointer(Memory::new());
    let views = vec![StreamModes::new([Mode::Values]), StreamModes::new([Mode::Values]).version(Version::V2)];
    let told = told(&graph, views).await;
    let (tuple, part) = (told[0].last().unwrap().tuple(), told[1].last().unwrap().part());
    assert_eq!(tuple[2]["__interrupt__"][0]["value"], "how many?");
    assert_eq!(part["type"], "values");
    assert_eq!(part["data"].get("__interrupt__"), None);
    assert_eq!(part["interrupts"][0]["value"], "how many?");
}

#[tokio::test]
async fn a_task_that_fails_says_why() {
    let fail =
        |_: Arc<Json>, _: Cx| async { Err::<JsonUpdate, _>(Error::new(ErrorKind::InvalidInput, "the disk is full")) };
    let graph = graph().node("fail", fail).edge(START, "fail").compile().unwrap().checkpointer(Memory::new());
    let view = StreamModes::new([Mode::Tasks]).error_form(|error| json!(error.message));
    let told = told(&graph, vec![StreamModes::new([Mode::Tasks, Mode::Debug]), view]).await;
    let over = told[0].iter().rev().find(|item| item.mode == Mode::Tasks).unwrap();
    assert!(over.data["error"]["message"].as_str().unwrap().contains("the disk is full"), "{over:?}");
    let wrapped = told[0].iter().rfind(|item| item.data["type"] == "task_result").unwrap();
    assert_eq!(wrapped.data["payload"], over.data);
    assert!(told[1].last().unwrap().data["error"].is_string());
}

#[test]
fn a_mode_is_read_by_its_name() {
    for mode in Mode::ALL {
        assert_eq!(mode.name().parse::<Mode>().unwrap(), mode);
    }
    let error = "value".parse::<Mode>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"value\" is no stream mode: there are values, updates, messages, custom, tasks, checkpoints, debug"
    );
}
