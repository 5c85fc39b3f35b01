//! What holds for every graph.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::random::{Part, Way, build, drive, next_run, parts};
use common::store::Store;
use common::{Journal, Log, virtual_time};
use millstream_graph::{Durability, Graph, Memory};
use proptest::prelude::*;

fn durability() -> impl Strategy<Value = Durability> {
    prop_oneof![Just(Durability::Sync), Just(Durability::Async), Just(Durability::Exit)]
}

fn kept(parts: &[Part], ran: &Journal, store: impl millstream_graph::Checkpointer) -> Graph<Log> {
    build(parts, "n", ran).compile().unwrap().checkpointer(store)
}

async fn state(graph: &Graph<Log>) -> Log {
    graph.state("t").await.unwrap().unwrap().values
}

fn keeps_nothing(part: &Part) -> bool {
    matches!(part, Part::Inside(_, Way::Nothing, _))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A run that is dropped after any of its events, and then goes on, ends as one that was not, and does nothing again but the step that ran.
    #[test]
    fn a_run_that_is_dropped_anywhere_and_goes_on_ends_as_one_that_was_not(parts in parts(), durability in durability()) {
        virtual_time(async {
            let ran = Journal::default();
            let graph = kept(&parts, &ran, Memory::new());
            let total = drive(&graph, "t", durability, None).await.unwrap();
            let (wanted, once) = (state(&graph).await, ran.counts());
            // Otherwise all that a graph did since it began, or since it was asked something, is done again.
            let keeps_steps = durability != Durability::Exit && !parts.iter().any(keeps_nothing);
            for kill in 0..total {
                let ran = Journal::default();
                let graph = kept(&parts, &ran, Memory::new());
                drive(&graph, "t", durability, Some(kill)).await.unwrap();
                assert_eq!(state(&graph).await, wanted, "dropped after {kill} events of {total}");
                for (task, times) in ran.counts() {
                    let usual = once.get(&task).copied().unwrap_or_default();
                    let most = if keeps_steps { usual + 1 } else { 2 * usual };
                    assert!((usual..=most).contains(&times), "{task} ran {times} times and not {usual}, dropped after {kill}");
                }
                assert_eq!(ran.counts().len(), once.len());
            }
        });
    }

    /// The same at any time, several times, also in the middle of saving to a slow store.
    #[test]
    fn a_run_that_is_dropped_at_any_time_and_goes_on_ends_as_one_that_was_not(
        parts in parts(),
        durability in durability(),
        takes in 0..4_u64,
        kills in prop::collection::vec(0..60_u64, 1..6),
    ) {
        virtual_time(async {
            let graph = kept(&parts, &Journal::default(), Memory::new());
            drive(&graph, "t", Durability::Sync, None).await.unwrap();
            let wanted = state(&graph).await;
            let graph = kept(&parts, &Journal::default(), Store::slow(takes));
            for kill in kills {
                let run = next_run(&graph, "t").await.durability(durability);
                drop(tokio::time::timeout(Duration::from_millis(kill), run.outcome()).await);
            }
            drive(&graph, "t", durability, None).await.unwrap();
            assert_eq!(state(&graph).await, wanted);
        });
    }
}
