//! The fold of the events is what is awaited, for every run of every case of a graph.

#![allow(clippy::unwrap_used, reason = "tests")]

use millstream_conformance::case::{Case, GraphCase};
use millstream_conformance::check::{case_files, own_folder};
use millstream_conformance::compare::{Verdict, compare};
use millstream_conformance::graph::{awaited, folded};
use millstream_conformance::outcome::document;
use millstream_conformance::run::read_json;
use serde_json::Value;

/// All graph cases, those of `recorded` among them.
fn graph_cases() -> Vec<Value> {
    let mut cases: Vec<Value> =
        case_files(&own_folder()).unwrap().iter().map(|file| read_json(file).unwrap()).collect();
    for file in ["threads", "constructs", "agents"] {
        let text = std::fs::read_to_string(own_folder().join(format!("recorded/{file}.jsonl"))).unwrap();
        cases.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["case"].take()));
    }
    cases.retain(|case| case["kind"] == "graph");
    cases
}

/// A case reads into parts of its own each time, so that every run has its own world.
fn read(case: &Value) -> GraphCase {
    match Case::read(case.clone()).unwrap() {
        Case::Graph(case) => case,
        _ => unreachable!("only graph cases are kept"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_values_that_are_told_are_the_state_that_is_awaited() {
    let (mut compared, mut differences) = (0, Vec::new());
    for case in graph_cases() {
        let name = Case::name_of(&case);
        let awaited = document(&name, &awaited(read(&case)).await);
        let folded = document(&name, &folded(read(&case)).await);
        let steps = case["steps"].as_array().unwrap().len();
        match compare("graph", steps, &awaited, &folded) {
            Verdict::Pass => compared += 1,
            Verdict::Skip(reason) => differences.push(format!("{name}: {reason}")),
            Verdict::Fail(found) => differences.push(format!("{name}: {}", found.join("\n    "))),
        }
    }
    assert!(differences.is_empty(), "of {compared} that are the same:\n{}", differences.join("\n"));
    assert!(compared > 550, "{compared}");
}
