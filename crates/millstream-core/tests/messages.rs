//! The JSON of messages: what is read is written again as it was, and what is written is read as what it was.

use millstream_core::{
    AiMessageChunk, Block, Fields, Media, Message, MessageFold, Role, Streamed, ToolCall, Usage, UsageSource,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Calls that come last are in lists of their own, one for those that may run and one for the others.
fn with_invalid_calls_last(mut message: Message) -> Message {
    let is_call = |block: &Block| matches!(block, Block::ToolCall(_) | Block::InvalidToolCall { .. });
    let end = message.content.iter().rposition(|block| !is_call(block)).map_or(0, |at| at + 1);
    if !message.content[..end].iter().any(is_call) {
        message.content[end..].sort_by_key(|block| matches!(block, Block::InvalidToolCall { .. }));
    }
    message
}

fn again(message: &Message) -> Message {
    serde_json::from_value(json!(message)).expect("a message that was written can be read")
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-9..9i64).prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,2}", inner, 0..3).prop_map(|fields| json!(fields)),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("x_[a-z]{1,2}", value(), 0..3).prop_map(|fields| fields.into_iter().collect())
}

/// Any block that a program may put into a message.
fn block() -> impl Strategy<Value = Block> {
    let name = "[a-z]{1,3}";
    prop_oneof![
        ".{1,6}".prop_map(Block::text),
        ".{1,6}".prop_map(Block::reasoning),
        (name, name, object()).prop_map(|(id, name, args)| Block::ToolCall(ToolCall { id, name, args: json!(args) })),
        (name, name, ".{0,4}", ".{0,4}")
            .prop_map(|(id, name, args, error)| { Block::InvalidToolCall { id, name, args, error } }),
        name.prop_map(|url| Block::Image(Media { url: Some(url), ..Media::default() })),
    ]
}

/// Any item of a content as somebody else may write it.
fn item() -> impl Strategy<Value = Value> {
    let with = |kind: &'static str, name: &'static str| {
        (".{0,4}", object(), prop::option::of(0..3i64)).prop_map(move |(text, mut fields, index)| {
            fields.insert("type".to_owned(), kind.into());
            fields.insert(name.to_owned(), text.into());
            index.into_iter().for_each(|index| drop(fields.insert("index".to_owned(), index.into())));
            Value::Object(fields)
        })
    };
    prop_oneof![
        ".{0,4}".prop_map(Value::from),
        with("text", "text"),
        with("reasoning", "reasoning"),
        with("thinking", "thinking"),
        with("image", "url"),
        with("non_standard", "value"),
        with("tool_use", "id"),
        with("image_url", "image_url"),
        "[a-z]{1,3}".prop_map(|url| json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}})),
        "[a-z]{1,3}".prop_map(|id| json!({"type": "tool_call", "id": id, "name": "f", "args": {}})),
        object().prop_map(Value::Object),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let about = (object(), object(), prop::option::of(value()), prop::option::of(".{0,3}"), any::<bool>());
    let usage = prop::option::of((0..9u64, prop::option::of(0..9u64), prop::option::of(0..9u64)));
    (prop::collection::vec(block(), 0..5), about, usage).prop_map(
        |(content, (metadata, kwargs, artifact, name, failed), usage)| {
            let mut message = Message::new(Role::Ai, "");
            message.content = content;
            message.response_metadata = Fields::from(metadata);
            message.additional_kwargs = Fields::from(kwargs);
            message.artifact = artifact.map(Box::new);
            message.name = name;
            message.failed = failed;
            message.usage = usage.map(|(count, cached, audio)| {
                let mut usage = Usage::new(count, 1, UsageSource::Provider);
                usage.cached_tokens = cached;
                audio.into_iter().for_each(|audio| usage.set_output_token_detail("audio", audio));
                usage
            });
            message
        },
    )
}

proptest! {
    #[test]
    fn a_message_of_a_program_survives_its_json(message in message()) {
        prop_assert_eq!(again(&message), with_invalid_calls_last(message));
    }

    #[test]
    fn a_message_that_is_whole_is_streamed_without_loss(message in message()) {
        let mut fold = MessageFold::default();
        for chunk in message.clone().into_chunks() {
            let there: millstream_core::Chunk = serde_json::from_value(json!(chunk)).unwrap();
            prop_assert_eq!(&there, &chunk);
            fold.push(&chunk).unwrap();
        }
        let mut folded = fold.finish().unwrap();
        folded.finish = message.finish;
        prop_assert_eq!(folded, message);
    }

    #[test]
    fn a_content_of_somebody_else_is_written_as_it_was_read(items in prop::collection::vec(item(), 0..5)) {
        let calls: Vec<&Value> = items.iter().filter(|item| item["type"] == "tool_call").collect();
        let message: Message = serde_json::from_value(json!({"type": "ai", "content": items, "tool_calls": calls})).unwrap();
        let written = json!(message);
        prop_assert_eq!(&written["content"], &json!(items));
        prop_assert_eq!(written["tool_calls"].as_array().map_or(0, Vec::len), calls.len());
        prop_assert_eq!(json!(again(&message)), written);
    }
}

#[test]
fn the_same_call_twice_is_two_calls() {
    let call = json!({"type": "tool_call", "id": "j", "name": "f", "args": {}});
    let written = json!({"type": "ai", "content": [call, call], "tool_calls": [call, call]});
    let message: Message = serde_json::from_value(written).unwrap();
    assert_eq!(message.tool_calls().count(), 2);
    assert_eq!(json!(again(&message)), json!(message));
}

#[test]
fn a_call_in_a_content_is_one_only_if_it_is_listed() {
    let call = json!({"type": "tool_call", "id": "j", "name": "f", "args": {}});
    for kind in ["human", "ai"] {
        let message: Message = serde_json::from_value(json!({"type": kind, "content": [call, "so"]})).unwrap();
        assert_eq!(message.tool_calls().count(), 0);
        assert_eq!(json!(message), json!({"type": kind, "content": [call, "so"]}));
    }
}

#[test]
fn every_field_of_langchains_form_is_kept() {
    for given in [
        json!({"type": "human", "content": "", "name": "Bob", "id": "1", "example": true}),
        json!({"type": "chat", "content": "c", "role": "critic"}),
        json!({"type": "function", "content": "f", "name": "fn"}),
        json!({"type": "system", "content": "s", "additional_kwargs": {"__openai_role__": "developer"}}),
        json!({"type": "remove", "content": "", "id": "1"}),
        json!({"type": "ai", "content": [], "response_metadata": {"model_name": "m", "logprobs": {"content": []}}}),
        json!({"type": "ai", "content": "", "tool_calls": [{"type": "tool_call", "id": null, "name": "f", "args": {"a": 1}}]}),
        json!({"type": "ai", "content": "", "invalid_tool_calls": [
            {"type": "invalid_tool_call", "id": null, "name": null, "args": "{", "error": null},
            {"type": "invalid_tool_call", "id": "1", "name": "f", "args": "{", "error": "bad"},
        ]}),
        json!({"type": "tool", "content": "t", "tool_call_id": "c", "status": "error", "artifact": {"rows": [1, null]}}),
        json!({"type": "ai", "content": "a", "usage_metadata": {
            "input_tokens": 3, "output_tokens": 2, "total_tokens": 9,
            "input_token_details": {"audio": 1, "cache_creation": 0, "cache_read": 2}, "output_token_details": {"audio": 0},
        }}),
    ] {
        let message: Message = serde_json::from_value(given.clone()).unwrap();
        assert_eq!(json!(message), given);
    }
}

#[test]
fn what_people_write_is_read_as_langchain_reads_it() {
    let read = |given: Value| -> Message { serde_json::from_value(given).unwrap() };
    assert_eq!(read(json!(["user", "u"])), Message::human("u"));
    assert_eq!(
        json!(read(json!({"role": "developer", "content": "d"}))),
        json!({"type": "system", "content": "d", "additional_kwargs": {"__openai_role__": "developer"}})
    );
    assert_eq!(
        json!(read(json!({"role": "user", "content": "u", "lang": "de", "additional_kwargs": {"a": 1}}))),
        json!({"type": "human", "content": "u", "additional_kwargs": {"a": 1, "lang": "de"}})
    );
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}});
    let calling = read(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
    assert_eq!(calling.tool_calls().next().unwrap().args, json!({"a": 1}));
    let dumped = json!({"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AIMessage"], "kwargs": {"content": "a"}});
    assert_eq!(read(dumped), Message::ai("a"));
    let chunk = json!({"type": "AIMessageChunk", "content": "c", "tool_call_chunks": [{"name": "f", "args": "{\"a\": ", "id": "1", "index": 0}]});
    assert_eq!(read(chunk).tool_calls().next().unwrap().args, json!({}));
}

#[test]
fn an_answer_without_a_list_of_calls_has_those_that_its_provider_sent() {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "index": 0, "function": {"name": "f", "arguments": arguments}});
    let sent = json!({"tool_calls": [call("1", "{\"a\": 1}"), call("2", "{")]});
    let message: Message =
        serde_json::from_value(json!({"type": "ai", "content": "", "additional_kwargs": sent})).unwrap();
    let written = json!(message);
    assert_eq!(written["tool_calls"], json!([{"type": "tool_call", "id": "1", "name": "f", "args": {"a": 1}}]));
    assert_eq!(
        written["invalid_tool_calls"][0],
        json!({"type": "invalid_tool_call", "id": "2", "name": "f", "args": "{", "error": null})
    );
    assert_eq!(json!(again(&message)), written);

    let piece: AiMessageChunk =
        serde_json::from_value(json!({"content": "", "additional_kwargs": {"tool_calls": [call("1", "{\"a")]}}))
            .unwrap();
    assert_eq!(
        (piece.tool_call_chunks[0].args.as_deref(), &piece.tool_call_chunks[0].index),
        (Some("{\"a"), &json!(0))
    );
}

#[test]
fn what_a_tool_gave_is_shown_as_text_or_blocks() {
    let content = |given: Value| -> Value {
        let message: Message =
            serde_json::from_value(json!({"type": "tool", "content": given, "tool_call_id": "1"})).unwrap();
        json!(message)["content"].take()
    };
    assert_eq!(content(json!({"a": [1.5, null]})), "{'a': [1.5, None]}");
    assert_eq!(content(json!(7)), "7");
    assert_eq!(
        content(json!([true, "a", {"type": "text", "text": "b"}])),
        json!(["True", "a", {"type": "text", "text": "b"}])
    );
}

#[test]
fn what_is_no_message_says_why() {
    for (given, why) in [
        (json!({"content": "no role"}), "no \"role\""),
        (json!(["nobody", "x"]), "nobody"),
        (json!({"type": "ai", "content": 7}), "not 7"),
        (json!({"type": "ai", "content": [7]}), "not 7"),
        (json!({"type": "ai", "content": "", "tool_calls": [{"id": "1"}]}), "a tool call"),
        (json!(true), "not a message"),
    ] {
        let error = serde_json::from_value::<Message>(given.clone()).unwrap_err().to_string();
        assert!(error.contains(why), "{given}: {error}");
    }
}

#[test]
fn a_plain_message_stays_small() {
    let with_all_that_is_rare = size_of::<Message>();
    assert!(with_all_that_is_rare <= 264, "{with_all_that_is_rare}");
    assert!(size_of::<Block>() <= 96, "{}", size_of::<Block>());
    assert!(size_of::<millstream_core::Part>() <= 48, "{}", size_of::<millstream_core::Part>());
}
