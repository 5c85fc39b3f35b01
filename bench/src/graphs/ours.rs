//! The graphs, as a user of the library writes them.

use std::sync::Arc;
use std::time::Duration;

use millstream::ErrorKind;
use millstream::graph::{self, IntoInput, Json, JsonKind, JsonUpdate, Memory, Schema, Send};
use millstream::prelude::*;
use millstream_testkit::{ScriptedModel, Turn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Database, Graph, SAID, Store};
use crate::measure::cpu_time;

#[derive(State, Clone, Default, Serialize, Deserialize)]
struct Counter {
    count: usize,
}

#[derive(State, Clone, Default, Serialize, Deserialize)]
struct Chat {
    #[reduce(add_messages)]
    messages: Vec<Message>,
}

#[derive(State, Clone, Default, Serialize, Deserialize)]
struct Work {
    item: usize,
    #[reduce(append)]
    done: Vec<usize>,
}

/// Runs graphs, one at a time, in this thread: as a worker of the server does.
pub(super) struct Ours(tokio::runtime::Runtime);

impl Ours {
    pub(super) fn new() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(Self).map_err(|error| error.to_string())
    }

    /// The CPU time of one run of a graph that is ready.
    pub(super) fn run(&self, graph: Graph, store: Store, size: usize) -> Result<Duration, String> {
        let run = async {
            match graph {
                Graph::Counter => counter(store, size).await,
                Graph::JsonCounter => json_counter(store, size).await,
                Graph::Chat => chat(store, size).await,
                Graph::FanOut => fan_out(store, size).await,
                Graph::Tokens => tokens(size).await,
            }
        };
        let (used, done) = self.0.block_on(run).map_err(|error| error.to_string())?;
        if done == size { Ok(used) } else { Err(format!("{graph:?} did {done} of {size}")) }
    }
}

async fn counter(store: Store, size: usize) -> Result<(Duration, usize)> {
    let count = async |state: Arc<Counter>, _: Cx| Ok(Counter::update().count(state.count + 1));
    let graph = StateGraph::new()
        .node("count", count)
        .edge(START, "count")
        .branch("count", move |state: &Counter| if state.count < size { "count" } else { END });
    let (used, end) = to_the_end(graph.compile()?, store, Counter::default(), size).await?;
    Ok((used, end.count))
}

async fn json_counter(store: Store, size: usize) -> Result<(Duration, usize)> {
    fn now(state: &Json) -> usize {
        state.get("count").and_then(Value::as_u64).map_or(0, |count| count as usize)
    }
    let count = async |state: Arc<Json>, _: Cx| Ok(JsonUpdate::new().with("count", now(&state) + 1));
    let graph = StateGraph::with_schema(Schema::json([("count", JsonKind::Last)]))
        .node("count", count)
        .edge(START, "count")
        .branch("count", move |state: &Json| if now(state) < size { "count" } else { END });
    let (used, end) = to_the_end(graph.compile()?, store, JsonUpdate::new().with("count", 0), size).await?;
    Ok((used, now(&end)))
}

async fn chat(store: Store, size: usize) -> Result<(Duration, usize)> {
    let say = async |_: Arc<Chat>, _: Cx| Ok(Chat::update().messages([Message::human(SAID)]));
    let graph = StateGraph::new()
        .node("say", say)
        .edge(START, "say")
        .branch("say", move |state: &Chat| if state.messages.len() <= size { "say" } else { END });
    let (used, end) = to_the_end(graph.compile()?, store, Chat { messages: vec![Message::human(SAID)] }, size).await?;
    Ok((used, end.messages.len() - 1))
}

async fn fan_out(store: Store, size: usize) -> Result<(Duration, usize)> {
    let work = async |state: Arc<Work>, _: Cx| Ok(Work::update().done([state.item]));
    let sends = move |_: &Work| -> Vec<Send<Work>> {
        (0..size).map(|item| Send::new("work", Work { item, done: Vec::new() })).collect()
    };
    let graph = StateGraph::new().node("work", work).branch(START, sends).edge("work", END);
    let (used, end) = to_the_end(graph.compile()?, store, Work::default(), size).await?;
    Ok((used, end.done.len()))
}

async fn tokens(size: usize) -> Result<(Duration, usize)> {
    let model = Model::from(ScriptedModel::new([Turn::says((0..size).map(|_| "token "))]));
    let say = move |state: Arc<Chat>, cx: Cx| {
        let model = model.clone();
        async move { Ok(Chat::update().messages([model.invoke(state.messages.clone(), &cx).await?])) }
    };
    let graph = StateGraph::new().node("say", say).edge(START, "say").edge("say", END).compile()?;
    let run = graph.run(Chat { messages: vec![Message::human("Say something.")] });
    let before = cpu_time();
    let mut messages = run.messages();
    let mut heard = 0;
    while let Some((chunk, _)) = messages.try_next().await? {
        heard += usize::from(chunk.text().is_some());
    }
    Ok((cpu_time() - before, heard))
}

/// Runs a graph to its end, with a store of its own: the CPU time of that, and the last state.
async fn to_the_end<S: State>(
    graph: graph::Graph<S>,
    store: Store,
    input: impl IntoInput<S>,
    size: usize,
) -> Result<(Duration, S)> {
    let database = Database::new("ours").map_err(|error| Error::new(ErrorKind::Failed, error))?;
    // The store is closed after the measurement, with this graph.
    let graph = match store {
        Store::Nowhere => graph,
        Store::Memory => graph.checkpointer(Memory::new()),
        Store::Sqlite => graph.checkpointer(Sqlite::open(&database.0)?),
    };
    let run = graph.run(input).limit(size as u64 + 10);
    let run = if store == Store::Nowhere { run } else { run.thread("thread") };
    let before = cpu_time();
    let end = run.await?;
    Ok((cpu_time() - before, end))
}
