//! The comparison: forgiving where the rules forgive, and nowhere else.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use millstream_conformance::compare::{Verdict, compare};
use serde_json::{Value, json};

fn read(folder: &str, name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn names() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("expected");
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn verdict(case: &Value, expected: &Value, actual: &Value) -> Verdict {
    compare(case["kind"].as_str().unwrap(), case["steps"].as_array().unwrap().len(), expected, actual)
}

fn passes(name: &str, change: impl FnOnce(&mut Value)) -> bool {
    let (case, expected) = (read("cases", name), read("expected", name));
    let mut actual = expected.clone();
    change(&mut actual);
    verdict(&case, &expected, &actual) == Verdict::Pass
}

/// Every text of a value, with a way to change it.
fn texts<'a>(value: &'a mut Value, found: &mut Vec<&'a mut String>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter_mut().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values_mut().for_each(|field| texts(field, found)),
        _ => {}
    }
}

#[test]
fn every_recording_is_equal_to_itself() {
    for name in names() {
        let (case, expected) = (read("cases", &name), read("expected", &name));
        assert_eq!(verdict(&case, &expected, &expected), Verdict::Pass, "{name}");
    }
}

#[test]
fn ids_may_be_other_ids() {
    for name in names() {
        let (case, expected) = (read("cases", &name), read("expected", &name));
        let mut text = expected.to_string();
        for number in (1..400).rev() {
            text = text.replace(&format!("<id:{number}>"), &format!("00000000-0000-4000-8000-{:012x}", number * 7919));
        }
        let actual: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(verdict(&case, &expected, &actual), Verdict::Pass, "{name}");
    }
}

#[test]
fn an_event_too_few_or_too_many_is_a_difference() {
    for name in names() {
        let (case, expected) = (read("cases", &name), read("expected", &name));
        let steps = expected["steps"].as_array().unwrap().len();
        for step in 0..steps {
            let Some(events) = expected["steps"][step]["events"].as_array().cloned() else { continue };
            for (at, event) in events.iter().enumerate().take(40) {
                let mut actual = expected.clone();
                actual["steps"][step]["events"].as_array_mut().unwrap().remove(at);
                assert!(matches!(verdict(&case, &expected, &actual), Verdict::Fail(_)), "{name}: without event {at}");
                let mut actual = expected.clone();
                actual["steps"][step]["events"].as_array_mut().unwrap().insert(at, event.clone());
                assert!(matches!(verdict(&case, &expected, &actual), Verdict::Fail(_)), "{name}: event {at} twice");
            }
        }
    }
}

#[test]
fn another_text_is_a_difference() {
    for name in names() {
        let (case, expected) = (read("cases", &name), read("expected", &name));
        let masked = expected["steps"].as_array().unwrap().iter().any(|step| step.get("mask").is_some());
        if masked {
            continue;
        }
        for step in 0..expected["steps"].as_array().unwrap().len() {
            let mut actual = expected.clone();
            let Some(data) = actual["steps"][step].get_mut("events").or(None) else { continue };
            let Some(last) = data.as_array_mut().unwrap().last_mut() else { continue };
            if !last.is_object() || last.get("mode").is_none() {
                continue;
            }
            last["mode"] = json!("other");
            assert!(matches!(verdict(&case, &expected, &actual), Verdict::Fail(_)), "{name}");
        }
    }
}

#[test]
fn events_with_an_order_keep_it() {
    let swap = |a: usize, b: usize| {
        move |document: &mut Value| document["steps"][0]["events"].as_array_mut().unwrap().swap(a, b)
    };
    assert!(!passes("graph-tutorial-messages.json", swap(0, 1)));
    assert!(!passes("graph-tutorial-values.json", swap(0, 1)));
    assert!(!passes("graph-tutorial-values-updates.json", swap(1, 2)));
}

#[test]
fn one_id_in_another_place_is_a_difference() {
    // The same id is named in many events: changed in one of them it is another id there.
    for name in ["graph-tutorial-tasks.json", "chain-prompt-model-str.json", "graph-tutorial-checkpoints.json"] {
        let changed = |document: &mut Value| {
            let mut all = Vec::new();
            texts(document, &mut all);
            let last = all.into_iter().rfind(|text| text.contains("<id:1>")).unwrap();
            *last = last.replace("<id:1>", "<id:999>");
        };
        assert!(!passes(name, changed), "{name}");
    }
}

#[test]
fn an_error_has_the_recorded_type_and_the_recorded_message() {
    let of = |error: Value| move |document: &mut Value| document["steps"][0]["error"] = error;
    assert!(passes("chain-prompt-missing.json", of(json!({"type": "KeyError", "message": "any"}))));
    assert!(!passes("chain-prompt-missing.json", of(json!({"type": "ValueError"}))));
    assert!(!passes("chain-fallbacks-exhausted.json", of(json!({"type": "ConnectionError", "message": "other"}))));
    assert!(!passes("chain-prompt-missing.json", of(Value::Null)));
}

#[test]
fn what_means_nothing_may_be_there_or_not() {
    let of = |message: Value| move |document: &mut Value| document["steps"][0]["result"] = message;
    let with = |id: &str, more: Value| {
        let mut message = json!({"type": "ai", "content": "Why did the bear?", "id": id,
            "usage_metadata": {"input_tokens": 11, "output_tokens": 5, "total_tokens": 16}});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    let id = "lc_run--0b0b0b0b-0000-4000-8000-000000000000-0";
    assert!(passes("chain-model-alone.json", of(with(id, json!({"tool_calls": [], "name": null, "example": false})))));
    assert!(!passes("chain-model-alone.json", of(with(id, json!({"name": "x"})))));
    assert!(!passes("chain-model-alone.json", of(with("m1", json!({})))));
}

#[test]
fn exact_json_keeps_its_nulls() {
    let changed = |document: &mut Value| document["steps"][0]["result"]["exact"]["extra"] = Value::Null;
    assert!(!passes("messages-usage.json", changed));
}

#[test]
fn a_skip_is_a_skip_and_missing_steps_are_failures() {
    let (case, expected) = (read("cases", "messages-usage.json"), read("expected", "messages-usage.json"));
    let skipped = json!({"name": "messages-usage", "skip": "not yet"});
    assert_eq!(verdict(&case, &expected, &skipped), Verdict::Skip("not yet".to_owned()));
    assert!(!passes("messages-usage.json", |document| drop(document["steps"].as_array_mut().unwrap().pop())));
}
