//! Graphs that keep their state in a file.

mod common;

use std::sync::Arc;

use common::{Directory, block_on};
use millstream_core::{Cx, Result};
use millstream_graph::{Checkpointer, Durability, END, Graph, Memory, START, State, StateGraph, append};
use millstream_store::Sqlite;
use serde::{Deserialize, Serialize};

#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Walk {
    #[reduce(append)]
    log: Vec<String>,
    steps: u32,
}

/// Walks three steps for each place that is given.
fn graph(store: impl Checkpointer) -> Result<Graph<Walk>> {
    async fn walk(state: Arc<Walk>, _: Cx) -> Result<WalkUpdate> {
        let steps = state.steps + 1;
        Ok(Walk::update().log([format!("step {steps}")]).steps(steps))
    }
    let graph = StateGraph::new()
        .node("walk", walk)
        .edge(START, "walk")
        .branch("walk", |state: &Walk| if state.steps.is_multiple_of(3) { END } else { "walk" })
        .compile()?;
    Ok(graph.checkpointer(store))
}

fn place(name: &str) -> WalkUpdate {
    Walk::update().log([name.to_owned()])
}

#[test]
fn a_conversation_goes_on_after_the_program_has_ended() -> Result<()> {
    for durability in [Durability::Sync, Durability::Async, Durability::Exit] {
        let directory = Directory::new();
        let path = directory.join("store.db");
        for number in 1..=3 {
            // Another program each time.
            let graph = graph(Sqlite::open(&path)?)?;
            let end = block_on(async { graph.run(place("a place")).thread("walk").durability(durability).await })?;
            assert_eq!((end.steps, end.log.len()), (3 * number, 4 * number as usize), "{durability:?}");
            assert_eq!(end.log[end.log.len() - 4..][0], "a place");
        }
    }
    Ok(())
}

#[test]
fn the_history_is_that_which_memory_keeps() -> Result<()> {
    let directory = Directory::new();
    block_on(async {
        let (memory, sqlite) = (graph(Memory::new())?, graph(Sqlite::open(directory.join("store.db"))?)?);
        for graph in [&memory, &sqlite] {
            for name in ["the sea", "the hills"] {
                graph.run(place(name)).thread("walk").await?;
            }
            // From the middle of the past, which is a fork.
            let past = graph.history("walk", None, None).await?;
            let middle = past[past.len() / 2].at.id;
            graph.run(place("the woods")).thread("walk").at(middle).await?;
        }
        let (one, other) = (memory.history("walk", None, None).await?, sqlite.history("walk", None, None).await?);
        assert!(one.len() > 10);
        assert_eq!(one.len(), other.len());
        for (one, other) in one.iter().zip(&other) {
            assert_eq!(one.values, other.values);
            assert_eq!(one.metadata, other.metadata);
        }
        Ok(())
    })
}
