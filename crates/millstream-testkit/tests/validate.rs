//! The validator accepts a good run and names the rule that a bad one breaks.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

use futures_util::StreamExt;
use millstream_core::{Event, Model, Runnable, Text};
use millstream_testkit::{ScriptedModel, Turn, Validator};
use serde_json::{Value, json};

/// The events of a good run as JSON, to be spoiled.
async fn good() -> Vec<Value> {
    let turn = Turn::default().text(["a", "b"]).tool_call("c1", "f", ["{", "}"]);
    let run = Model::from(ScriptedModel::new([turn])).pipe(Text).run("hi").events();
    run.map(|event| serde_json::to_value(event.unwrap()).unwrap()).collect().await
}

fn check(events: &[Value]) -> Result<(), String> {
    let mut validator = Validator::new();
    for event in events {
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        validator.check(&event).map_err(|violation| violation.to_string())?;
    }
    validator.end().map_err(|violation| violation.to_string())
}

/// The first event whose JSON has this text.
fn at(events: &[Value], text: &str) -> usize {
    events
        .iter()
        .position(|event| event.to_string().contains(text))
        .unwrap_or_else(|| panic!("no {text} in {events:#?}"))
}

async fn spoiled(rule: &str, spoil: impl FnOnce(&mut Vec<Value>)) {
    let mut events = good().await;
    assert_eq!(check(&events), Ok(()), "{events:#?}");
    spoil(&mut events);
    let violation = check(&events).unwrap_err();
    assert!(violation.starts_with(rule), "{violation}");
}

#[tokio::test]
async fn the_run_starts_first_and_once() {
    spoiled("the run's `started` comes first", |events| drop(events.remove(0))).await;
    spoiled("the run starts once", |events| events.insert(1, events[0].clone())).await;
}

#[tokio::test]
async fn the_run_finishes_last_and_once() {
    spoiled("the events end without", |events| drop(events.pop())).await;
    spoiled("nothing comes after", |events| events.push(events.last().unwrap().clone())).await;
    spoiled("a message ends before the run", |events| {
        let end = at(events, r#""part":"end""#);
        events.remove(end);
    })
    .await;
    spoiled("`finished` belongs to the run itself", |events| {
        let other = events[at(events, r#""part":"start""#)]["scope"].clone();
        events.last_mut().unwrap()["scope"] = other;
    })
    .await;
}

#[tokio::test]
async fn the_outcome_fits_what_happened() {
    spoiled("a run that did not complete, and only that, has an error", |events| {
        events.last_mut().unwrap()["body"]["outcome"] = json!("failed");
    })
    .await;
    spoiled("a run whose message was broken off", |events| {
        let end = at(events, r#""part":"end""#);
        let text = events[end].to_string().replace("tool_calls\"", "truncated\"");
        events[end] = serde_json::from_str(&text).unwrap();
    })
    .await;
    spoiled("in a run that completed every runnable finishes", |events| {
        let end = at(events, "runnable_finished");
        events.remove(end);
    })
    .await;
    spoiled("a run with messages was counted", |events| {
        events.last_mut().unwrap()["body"].as_object_mut().unwrap().remove("usage");
    })
    .await;
}

#[tokio::test]
async fn scopes_are_known_and_stay_the_same() {
    spoiled("a scope does not change", |events| {
        let delta = at(events, r#""part":"delta""#);
        events[delta]["scope"]["name"] = json!("Other");
    })
    .await;
    spoiled("the outermost parent is the run", |events| {
        let model = at(events, r#""part":"start""#);
        let stranger = "00000000-0000-4000-8000-000000000000";
        events[model]["scope"]["run_id"] = json!(stranger);
        events[model]["scope"]["parent_ids"] = json!([stranger]);
    })
    .await;
}

#[tokio::test]
async fn a_runnable_speaks_between_start_and_end() {
    spoiled("a runnable starts once", |events| {
        let start = at(events, "runnable_started");
        events.insert(start, events[start].clone());
    })
    .await;
    spoiled("a runnable speaks between", |events| {
        let end = at(events, "runnable_finished");
        events.insert(end, events[end].clone());
    })
    .await;
    spoiled("nothing speaks inside a runnable that has finished", |events| {
        let first = at(events, "runnable_finished");
        let inside = events.remove(first);
        events.insert(events.len() - 1, inside);
    })
    .await;
}

#[tokio::test]
async fn a_message_keeps_to_its_blocks() {
    spoiled("a message starts once", |events| {
        let start = at(events, r#""part":"start""#);
        events.insert(start, events[start].clone());
    })
    .await;
    spoiled("a part comes between", |events| {
        let end = at(events, r#""part":"end""#);
        events.insert(end, events[end].clone());
    })
    .await;
    spoiled("blocks are numbered", |events| {
        let call = at(events, r#""type":"tool_call""#);
        events.insert(call, events[call].clone());
        let text = events[call].to_string().replace("\"index\":1", "\"index\":7");
        events[call] = serde_json::from_str(&text).unwrap();
    })
    .await;
    let delta = |index: u32, delta: Value| {
        move |events: &mut Vec<Value>| {
            let at = at(events, r#""arguments""#);
            let mut event = events[at].clone();
            event["body"]["chunk"] = json!([{"part": "delta", "index": index, "delta": delta}]);
            events.insert(at, event);
        }
    };
    spoiled("a delta goes to an open block", delta(0, json!({"text": "too late"}))).await;
    spoiled("a delta goes to an open block", delta(1, json!({"text": "wrong kind"}))).await;
    spoiled("a delta goes to an open block", delta(9, json!({"text": "no block"}))).await;
    spoiled("a delta is never empty", delta(1, json!({"arguments": ""}))).await;
    spoiled("a chunk has parts", |events| {
        let start = at(events, r#""part":"start""#);
        events[start]["body"]["chunk"] = json!([]);
    })
    .await;
}

#[tokio::test]
async fn numbers_have_no_gap() {
    let events: Vec<Event> = good().await.into_iter().map(|event| serde_json::from_value(event).unwrap()).collect();
    let mut validator = Validator::new();
    validator.check_numbered(1, &events[0]).unwrap();
    assert!(validator.check_numbered(3, &events[1]).unwrap_err().to_string().contains("should be 2"));
    validator.check_numbered(2, &events[1]).unwrap();
    assert!(Validator::new().check_numbered(0, &events[0]).is_err());
}
