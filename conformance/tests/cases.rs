//! The cases themselves: those that pass go on passing, and the list of them can only grow.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use millstream_conformance::case::Case;
use millstream_conformance::check::{case_files, check, check_recorded, own_allowed, own_folder};
use millstream_conformance::run::{read_json, run_case};
use serde_json::json;

#[test]
fn every_case_is_understood() {
    for file in case_files(&own_folder()).unwrap() {
        if let Err(problem) = Case::read(read_json(&file).unwrap()) {
            panic!("{}: {problem}", file.display());
        }
    }
}

#[test]
fn a_construct_that_nobody_knows_is_not_understood() {
    let with = |step: serde_json::Value, op: serde_json::Value| {
        Case::read(json!({
            "name": "n", "kind": "graph", "steps": [step],
            "graphs": {"main": {"channels": {"a": "last"}, "nodes": [{"name": "x", "ops": [op]}], "edges": [["__start__", "x"]]}},
        }))
    };
    let (step, op) = (json!({"do": "invoke", "input": {}}), json!({"op": "write", "key": "a", "value": 1}));
    assert!(with(step.clone(), op.clone()).is_ok());
    for (step, op, name) in [
        (json!({"do": "invoke", "input": {}, "speed": 2}), op.clone(), "speed"),
        (json!({"do": "fly"}), op, "fly"),
        (step.clone(), json!({"op": "write", "key": "a", "value": {"$sub": [1, 2]}}), "$sub"),
        (step.clone(), json!({"op": "write", "key": "a", "value": 1, "twice": true}), "twice"),
        (step, json!({"op": "sing"}), "sing"),
    ] {
        let problem = with(step, op).unwrap_err();
        assert!(problem.contains(name), "{problem}");
    }
}

/// In virtual time: the sleeps of the cases order what happens, whatever the machine is doing.
#[tokio::test(start_paused = true)]
async fn the_list_of_passing_cases_is_what_passes() {
    let report = check(&own_folder()).await.unwrap();
    let listed: BTreeSet<&str> = include_str!("../passing.txt").lines().filter(|line| !line.is_empty()).collect();
    let passing: BTreeSet<&str> = report.passing().collect();
    let lost: Vec<_> = listed.difference(&passing).collect();
    assert!(lost.is_empty(), "these cases are in passing.txt and do not pass: {lost:?}\n{report}");
    let won: Vec<_> = passing.difference(&listed).collect();
    assert!(won.is_empty(), "these cases pass: add them to passing.txt: {won:?}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_listed_with_its_reason_and_nothing_else_is() {
    let report = check(&own_folder()).await.unwrap();
    let failing: Vec<&str> = report.failing().collect();
    assert_eq!(failing, own_allowed().keys().collect::<Vec<_>>(), "\n{report}");
    assert!(report.has_failures() && !report.allowing(own_allowed()).has_failures());
}

#[tokio::test(start_paused = true)]
async fn the_recorded_cases_pass() {
    for file in ["threads", "constructs", "agents", "messages", "chains"] {
        let report = check_recorded(&own_folder().join(format!("recorded/{file}.jsonl"))).await.unwrap();
        let passing = report.passing().count();
        assert!(passing > 90 && passing == report.cases.len(), "{file}\n{report}");
    }
}

#[tokio::test]
async fn a_case_that_is_not_understood_is_skipped_by_name() {
    let document = run_case(json!({"name": "odd", "kind": "dance", "steps": []})).await;
    assert_eq!(document["name"], "odd");
    assert!(document["skip"].as_str().unwrap().contains("dance"), "{document}");
}
