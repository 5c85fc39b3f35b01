//! Watching a run: every mode, alone and together, sees the same run, in the order in which it happened.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{Body, Cx, Demo, Message, MessageFold, Model, Outcome, Result, Runnable, add_messages};
use millstream_graph::{END, Graph, Item, Mode, START, State, StateGraph, append};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Chat {
    #[reduce(add_messages)]
    messages: Vec<Message>,
    #[reduce(append)]
    log: Vec<String>,
}

/// agent (a model) → note (a custom value) → end.
fn chat() -> Graph<Chat> {
    let model = Model::from(Demo::says(["Hello there", "Hello there"]));
    let agent = move |state: Arc<Chat>, cx: Cx| {
        let model = model.clone();
        async move { Ok(Chat::update().messages([model.invoke(state.messages.clone(), &cx).await?])) }
    };
    async fn note(state: Arc<Chat>, cx: Cx) -> Result<ChatUpdate> {
        cx.write("noting").await?;
        Ok(Chat::update().log([format!("{} messages", state.messages.len())]))
    }
    let graph = StateGraph::new().node("agent", agent).node("note", note);
    graph.edge(START, "agent").edge("agent", "note").edge("note", END).compile().unwrap()
}

fn hello() -> Chat {
    Chat { messages: vec![Message::human("Hi")], log: vec![] }
}

/// A word for each item.
fn word(item: &Item<Chat>) -> String {
    match item {
        Item::Values { state } => format!("values {} {}", state.messages.len(), state.log.len()),
        Item::Updates { node, updates, .. } => format!("updates {node} {}", updates.len()),
        Item::Message { chunk, scope } => format!("{}:{chunk}", scope.node.as_deref().unwrap_or("?")),
        Item::Custom { value, .. } => format!("custom {value}"),
        Item::TaskStarted { task, .. } => format!("start {}", task.name),
        Item::TaskFinished { task, error, .. } => format!("end {} {}", task.name, error.is_none()),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn all_modes_together_are_in_the_order_in_which_things_happen() {
    let modes = [Mode::Values, Mode::Updates, Mode::Messages, Mode::Custom, Mode::Tasks];
    let items: Vec<_> = chat().run(hello()).watch(modes).try_collect().await.unwrap();
    let words: Vec<String> = items.iter().map(word).filter(|word| word != "agent:").collect();
    assert_eq!(
        words,
        [
            "values 1 0",
            "start agent",
            "agent:Hello",
            "agent: there",
            "updates agent 1",
            "end agent true",
            "values 2 0",
            "start note",
            "custom \"noting\"",
            "updates note 1",
            "end note true",
            "values 2 1",
        ]
    );
}

#[tokio::test]
async fn each_mode_alone_sees_what_it_sees_among_the_others() {
    let all = [Mode::Values, Mode::Updates, Mode::Messages, Mode::Custom, Mode::Tasks];
    let together: Vec<_> = chat().run(hello()).watch(all).try_collect().await.unwrap();
    let mut count = 0;
    for mode in all {
        let alone: Vec<_> = chat().run(hello()).watch([mode]).try_collect().await.unwrap();
        let alone: Vec<String> = alone.iter().map(word).collect();
        let mut rest = together.iter().map(word);
        assert!(alone.iter().all(|item| rest.any(|other| other == *item)), "{mode:?}: {alone:?}");
        count += alone.len();
    }
    assert_eq!(count, together.len());
}

#[tokio::test]
async fn the_last_value_is_what_awaiting_gives() {
    let states: Vec<Arc<Chat>> = chat().run(hello()).values().try_collect().await.unwrap();
    let awaited = chat().run(hello()).await.unwrap();
    let texts = |chat: &Chat| chat.messages.iter().map(Message::text).collect::<Vec<_>>();
    assert_eq!(texts(states.last().unwrap()), texts(&awaited));
    assert_eq!(states.last().unwrap().log, awaited.log);
}

#[tokio::test]
async fn a_graph_inside_a_node_is_one_segment_deeper_and_only_there_when_asked_for() {
    let inner = chat();
    let child = move |state: Arc<Chat>, cx: Cx| {
        let inner = inner.clone();
        async move {
            let end = inner.invoke((*state).clone(), &cx).await?;
            Ok(Chat::update().messages(end.messages))
        }
    };
    let outer = StateGraph::new().node("child", child).edge(START, "child").compile().unwrap();
    let modes = [Mode::Updates, Mode::Messages];
    let own: Vec<_> = outer.run(hello()).watch(modes).try_collect().await.unwrap();
    // The inner model is not heard here, so what it said is told when the node returns it.
    assert_eq!(own.iter().map(word).collect::<Vec<_>>(), ["child:Hello there", "updates child 1"]);
    let mut inside = Vec::new();
    let mut items = outer.run(hello()).watch_all(modes);
    while let Some(item) = items.try_next().await.unwrap() {
        if let Item::Inside(event) = item {
            let [segment] = event.scope.namespace.as_slice() else {
                panic!("one segment: {:?}", event.scope.namespace)
            };
            assert!(segment.starts_with("child:"));
            inside.extend(match &event.body {
                Body::Message { chunk } => chunk.text().map(|text| text.to_string()),
                Body::Updates { node, .. } => Some(node.to_string()),
                _ => None,
            });
        }
    }
    assert_eq!(inside, ["Hello", " there", "agent", "note"]);
}

proptest! {
    /// R19: whatever the order in which parallel models speak, each message separates to what that model says alone.
    #[test]
    fn interleaved_messages_separate_to_what_each_model_says(
        delays in prop::collection::vec(0..5u64, 1..5),
        words in prop::collection::vec("[a-z]{1,5}( [a-z]{1,5}){0,4}", 5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut graph = StateGraph::<Chat>::new();
            for (number, delay) in delays.iter().enumerate() {
                let model = Model::from(Demo::says([words[number].clone()]).with_delay(Duration::from_millis(*delay)));
                let node = move |_: Arc<Chat>, cx: Cx| {
                    let model = model.clone();
                    async move { Ok(Chat::update().messages([model.invoke("go", &cx).await?])) }
                };
                let name = format!("n{number}");
                graph = graph.node(name.clone(), node).edge(START, &name);
            }
            let mut folds: BTreeMap<String, MessageFold> = BTreeMap::new();
            let mut events = graph.compile().unwrap().run(hello()).events();
            let mut outcome = None;
            while let Some(Ok(event)) = events.next().await {
                match &event.body {
                    Body::Message { chunk } => {
                        let node = event.scope.node.clone().unwrap().to_string();
                        folds.entry(node).or_default().push(chunk).unwrap();
                    }
                    Body::Finished(end) => outcome = Some(end.outcome),
                    _ => {}
                }
            }
            assert_eq!(outcome, Some(Outcome::Completed));
            assert_eq!(folds.len(), delays.len());
            for (number, fold) in folds.into_values().enumerate() {
                assert_eq!(fold.finish().unwrap().text(), words[number]);
            }
        });
    }
}
