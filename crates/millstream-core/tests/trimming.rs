//! A conversation that does not fit: what is kept, and that it fits.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;

use millstream_core::{Keep, Message, Role, Trim, count_messages, count_words, trim_messages};
use proptest::prelude::*;
use serde_json::json;

fn conversation() -> Vec<Message> {
    vec![
        Message::system("be nice"),
        Message::human("one two three"),
        Message::ai("four five"),
        Message::human("six"),
        Message::ai("seven eight\nnine ten\n"),
    ]
}

fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(Message::text).collect()
}

#[test]
fn what_cannot_be_kept_in_part_is_left_out() {
    let last = Trim { max_tokens: 5, ..Trim::default() };
    assert_eq!(texts(&trim_messages(&conversation(), &last, count_words).unwrap()), ["six", "seven eight\nnine ten\n"]);
    let first = Trim { max_tokens: 6, keep: Keep::First, ..Trim::default() };
    assert_eq!(texts(&trim_messages(&conversation(), &first, count_words).unwrap()), ["be nice", "one two three"]);
}

#[test]
fn a_message_is_cut_between_its_pieces() {
    let lines = Trim { max_tokens: 2, allow_partial: true, ..Trim::default() };
    assert_eq!(texts(&trim_messages(&conversation(), &lines, count_words).unwrap()), ["nine ten\n"]);

    let by_words = Trim { max_tokens: 4, keep: Keep::First, allow_partial: true, split: &by_words, ..Trim::default() };
    assert_eq!(texts(&trim_messages(&conversation(), &by_words, count_words).unwrap()), ["be nice", "one two "]);

    let blocks =
        json!({"type": "human", "content": [{"type": "text", "text": "a b "}, {"type": "text", "text": "c d"}]});
    let message: Message = serde_json::from_value(blocks).unwrap();
    let trim = Trim { max_tokens: 3, allow_partial: true, ..Trim::default() };
    let kept = trim_messages(&[message], &trim, count_words).unwrap();
    assert_eq!(json!(kept), json!([{"type": "human", "content": [{"type": "text", "text": "c d"}]}]));
}

fn by_words(text: &str) -> Vec<&str> {
    text.split_inclusive(' ').collect()
}

#[test]
fn a_call_stays_with_what_is_left_of_its_message() {
    let call = json!({"name": "f", "args": {}, "id": "c1", "type": "tool_call"});
    let message: Message =
        serde_json::from_value(json!({"type": "ai", "content": "one\ntwo\n", "tool_calls": [call]})).unwrap();
    let trim = Trim { max_tokens: 1, allow_partial: true, ..Trim::default() };
    let kept = trim_messages(&[message], &trim, count_words).unwrap();
    assert_eq!(json!(kept), json!([{"type": "ai", "content": "two\n", "tool_calls": [call]}]));
}

#[test]
fn what_is_only_for_the_last_messages_is_refused_for_the_first() {
    for trim in [
        Trim { keep: Keep::First, include_system: true, ..Trim::default() },
        Trim { keep: Keep::First, start_on: vec![Role::Human], ..Trim::default() },
    ] {
        let error = trim_messages(&conversation(), &trim, count_messages).unwrap_err();
        assert_eq!(error.code(), "invalid_input");
        assert!(error.to_string().contains("Keep::Last"), "{error}");
    }
}

#[test]
fn a_long_conversation_is_not_counted_message_by_message() {
    let messages = vec![Message::human("word"); 10_000];
    let counts = Cell::new(0);
    let count = |messages: &[Message]| {
        counts.set(counts.get() + 1);
        count_words(messages)
    };
    let trim = Trim { max_tokens: 1234, ..Trim::default() };
    assert_eq!(trim_messages(&messages, &trim, count).unwrap().len(), 1234);
    assert!(counts.get() <= 16, "{}", counts.get());
}

fn message() -> impl Strategy<Value = Message> {
    let role = prop_oneof![Just(Role::System), Just(Role::Human), Just(Role::Ai), Just(Role::Tool)];
    (role, "[ab \n]{0,8}").prop_map(|(role, text)| Message::new(role, text))
}

proptest! {
    #[test]
    fn what_is_kept_fits_and_is_an_end_of_the_conversation(
        messages in prop::collection::vec(message(), 0..8),
        max_tokens in 0..12u64,
        first in any::<bool>(),
        allow_partial in any::<bool>(),
    ) {
        let keep = if first { Keep::First } else { Keep::Last };
        let trim = Trim { max_tokens, keep, allow_partial, ..Trim::default() };
        let count = |messages: &[Message]| messages.iter().map(|message| message.text().len() as u64).sum();
        let kept = trim_messages(&messages, &trim, count).unwrap();
        prop_assert!(count(&kept) <= max_tokens);
        let whole = if first { &messages[..kept.len()] } else { &messages[messages.len() - kept.len()..] };
        for (at, (kept, given)) in kept.iter().zip(whole).enumerate() {
            let is_cut = allow_partial && at == if first { whole.len() - 1 } else { 0 };
            let is_part = if first { given.text().starts_with(&kept.text()) } else { given.text().ends_with(&kept.text()) };
            prop_assert!(kept == given || is_cut && is_part, "{kept:?} of {given:?}");
        }
    }

    #[test]
    fn it_begins_and_ends_on_the_wanted_roles(
        messages in prop::collection::vec(message(), 0..8),
        max_tokens in 0..12u64,
        include_system in any::<bool>(),
    ) {
        let trim = Trim { max_tokens, include_system, start_on: vec![Role::Human], end_on: vec![Role::Ai, Role::Human], ..Trim::default() };
        let kept = trim_messages(&messages, &trim, count_words).unwrap();
        let rest = match kept.as_slice() {
            [system, rest @ ..] if include_system && system.role == Role::System => rest,
            rest => rest,
        };
        prop_assert!(rest.first().is_none_or(|message| message.role == Role::Human));
        prop_assert!(rest.last().is_none_or(|message| matches!(message.role, Role::Ai | Role::Human)));
    }
}
