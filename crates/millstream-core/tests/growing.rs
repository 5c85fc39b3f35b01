//! How a conversation grows, and what its answers cost.

#![allow(clippy::unwrap_used, reason = "tests")]

use millstream_core::{Message, REMOVE_ALL, Usage, add_messages, join_messages};
use serde_json::{Value, json};

fn read(messages: Value) -> Vec<Message> {
    serde_json::from_value(messages).unwrap()
}

#[test]
fn a_removal_removes_every_message_of_its_id() {
    let mut messages = read(json!([
        {"type": "human", "content": "a", "id": "1"},
        {"type": "ai", "content": "b", "id": "2"},
        {"type": "human", "content": "c", "id": "1"},
    ]));
    join_messages(&mut messages, vec![Message::remove("1")]).unwrap();
    assert_eq!(json!(messages), json!([{"type": "ai", "content": "b", "id": "2"}]));
}

#[test]
fn a_removal_is_of_what_came_before_it() {
    let there = json!({"type": "human", "content": "a", "id": "1"});
    let add = |new: Vec<Message>| {
        let mut messages = Vec::new();
        join_messages(&mut messages, new).map(|()| messages)
    };
    let message = read(json!([there])).remove(0);
    assert_eq!(add(vec![message.clone(), Message::remove("1")]).unwrap(), []);
    assert_eq!(add(vec![Message::remove("1"), message]).unwrap_err().code(), "invalid_input");
}

#[test]
fn behind_a_removal_of_all_there_is_nothing_to_remove() {
    let old = read(json!([{"type": "human", "content": "a", "id": "1"}]));
    let new = || vec![Message::remove(REMOVE_ALL), Message::remove("1"), Message::ai("b")];
    let mut messages = old.clone();
    assert_eq!(join_messages(&mut messages, new()).unwrap_err().code(), "invalid_input");
    assert_eq!(messages, old);
    add_messages(&mut messages, new());
    assert_eq!(messages.iter().map(Message::text).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn what_is_new_can_be_removed_at_once() {
    let new = read(json!([{"type": "human", "content": "a", "id": "1"}, {"type": "remove", "content": "", "id": "1"}]));
    let mut messages = vec![Message::ai("b")];
    add_messages(&mut messages, new);
    assert_eq!(messages.iter().map(Message::text).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn details_of_a_usage_stay_though_they_say_nothing() {
    let usage = |details: Value| {
        let mut usage = json!({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "source": "provider"});
        usage["input_token_details"] = details;
        usage
    };
    let read = |usage: &Value| -> Usage { serde_json::from_value(usage.clone()).unwrap() };
    let (blank, counted) = (usage(json!({})), usage(json!({"audio": 1})));
    assert_eq!(json!(read(&blank)), blank);
    let mut sum = read(&blank);
    sum += read(&counted);
    assert_eq!(json!(sum)["input_token_details"], json!({"audio": 1}));
    assert_eq!(json!(read(&blank).minus(&read(&blank)))["input_token_details"], json!({}));
}
