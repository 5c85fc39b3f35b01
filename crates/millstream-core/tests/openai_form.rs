//! Messages in OpenAI's form, there and back.

#![allow(clippy::unwrap_used, reason = "tests")]

use millstream_core::{Message, OpenAiForm, OpenAiText, to_openai_messages};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(messages: Value) -> Vec<Message> {
    serde_json::from_value(messages).unwrap()
}

fn written(messages: Value, form: &OpenAiForm) -> Value {
    to_openai_messages(&read(messages), form).unwrap().into()
}

fn message() -> impl Strategy<Value = Message> {
    let args = prop::collection::btree_map("[a-z]{1,3}", ".{0,5}", 0..3);
    let calls = prop::collection::vec(("[a-z]{1,4}", args, 0..9u8), 0..3);
    let texts = prop::collection::vec(".{1,6}", 2..4);
    prop_oneof![
        ".{0,9}".prop_map(Message::system),
        (".{0,9}", prop::option::of("[a-z]{1,4}")).prop_map(|(text, name)| {
            let mut message = Message::human(text);
            message.name = name;
            message
        }),
        (".{0,9}", calls).prop_map(|(text, calls)| {
            let call =
                |(name, args, id): (String, _, u8)| json!({"name": name, "args": args, "id": format!("call_{id}")});
            let calls: Vec<Value> = calls.into_iter().map(call).collect();
            serde_json::from_value(json!({"type": "ai", "content": text, "tool_calls": calls})).unwrap()
        }),
        ("call_[0-9]", ".{0,9}").prop_map(|(id, text)| Message::tool(id, text)),
        texts.prop_map(|texts| {
            let image = json!({"type": "image_url", "image_url": {"url": "https://x/y.png"}});
            let texts = texts.into_iter().map(|text| json!({"type": "text", "text": text}));
            let blocks: Vec<Value> = texts.chain([image]).collect();
            serde_json::from_value(json!({"type": "human", "content": blocks})).unwrap()
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_what_it_was(messages in prop::collection::vec(message(), 0..6)) {
        let written = to_openai_messages(&messages, &OpenAiForm::default()).unwrap();
        prop_assert_eq!(json!(read(written.into())), json!(messages));
    }
}

#[test]
fn texts_are_written_as_a_text_or_as_blocks() {
    let texts =
        json!([{"type": "human", "content": ["a", {"type": "text", "text": "b"}]}, {"type": "ai", "content": ""}]);
    assert_eq!(
        written(texts.clone(), &OpenAiForm::default()),
        json!([{"role": "user", "content": "a\nb"}, {"role": "assistant", "content": ""}])
    );
    let blocks = OpenAiForm { text: OpenAiText::Blocks, ..OpenAiForm::default() };
    let block = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(
        written(texts, &blocks),
        json!([{"role": "user", "content": [block("a"), block("b")]}, {"role": "assistant", "content": []}])
    );
}

#[test]
fn calls_and_results_of_anthropic_are_calls_and_messages() {
    let given = json!([
        {"type": "ai", "content": [
            {"type": "text", "text": "Let me look."}, {"type": "tool_use", "id": "t1", "name": "clock", "input": {"zone": "é"}},
        ]},
        {"type": "human", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "12:30"}]}]},
    ]);
    let call = json!({"type": "function", "id": "t1", "function": {"name": "clock", "arguments": "{\"zone\": \"é\"}"}});
    assert_eq!(
        written(given, &OpenAiForm::default()),
        json!([
            {"role": "assistant", "content": "Let me look.", "tool_calls": [call]},
            {"role": "tool", "content": "12:30", "tool_call_id": "t1"},
        ])
    );
}

/// Where a message goes on after a call, our form has the call in its place. OpenAI's has a list of its own for it.
#[test]
fn a_call_between_two_texts_is_among_the_calls_alone() {
    let call = json!({"type": "tool_call", "id": "c1", "name": "f", "args": {}});
    let text = |text: &str| json!({"type": "text", "text": text});
    let given = json!([{"type": "ai", "content": [text("a"), call, text("b")], "tool_calls": [call]}]);
    let written = written(given, &OpenAiForm::default());
    assert_eq!(written[0]["content"], "a\nb");
    assert_eq!(written[0]["tool_calls"][0]["id"], "c1");
}

#[test]
fn what_openai_does_not_have_is_refused_by_its_place() {
    let strict = OpenAiForm { pass_unknown_blocks: false, ..OpenAiForm::default() };
    for (given, why) in [
        (json!({"type": "human", "content": [{"type": "odd"}]}), "messages[0].content[0]"),
        (json!({"type": "human", "content": ["a", {"type": "image_url"}]}), "no field \"image_url\""),
        (json!({"type": "human", "content": [{"type": "file", "url": "https://x"}]}), "addresses of files"),
        (json!({"type": "human", "content": [{"type": "video", "url": "https://x"}]}), "nothing for video"),
        (json!({"type": "remove", "content": "", "id": "1"}), "removal"),
    ] {
        let error = to_openai_messages(&read(json!([given])), &strict).unwrap_err();
        assert_eq!(error.code(), "invalid_input");
        assert!(error.to_string().contains(why), "{error}");
    }
}
