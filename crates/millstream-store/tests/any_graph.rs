//! Any graph whose run is dropped anywhere goes on from its file, and ends as one that was not dropped.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "../../millstream-graph/tests/common/mod.rs"]
mod graphs;

use common::Directory;
use graphs::random::{build, drive, parts, without_one_state};
use graphs::{Journal, Log, virtual_time};
use millstream_graph::{Durability, Graph, Memory};
use millstream_store::Sqlite;
use proptest::prelude::*;

/// How many of the places where a run can be dropped are left out between two that are tried.
const APART: usize = 7;

async fn end(graph: &Graph<Log>, thread: &str) -> Log {
    graph.state(thread).await.unwrap().unwrap().values
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_that_is_dropped_anywhere_goes_on_from_its_file(
        parts in parts(),
        durability in prop_oneof![Just(Durability::Sync), Just(Durability::Async)],
        first in 0..APART,
    ) {
        let directory = Directory::new();
        // What a graph inside keeps for all its runs may be saved before that of the graph around it, unless that is waited for.
        let parts = if durability == Durability::Sync { parts } else { without_one_state(&parts) };
        virtual_time(async {
            let graph = build(&parts, "n", &Journal::default()).compile().unwrap();
            let memory = graph.clone().checkpointer(Memory::new());
            let total = drive(&memory, "t", durability, None).await.unwrap();
            let wanted = end(&memory, "t").await;
            let kept = graph.checkpointer(Sqlite::open(directory.join("any.db")).unwrap());
            for kill in (first..total).step_by(APART) {
                let thread = format!("dropped after {kill}");
                drive(&kept, &thread, durability, Some(kill)).await.unwrap();
                assert_eq!(end(&kept, &thread).await, wanted, "{thread}");
            }
        });
    }
}
