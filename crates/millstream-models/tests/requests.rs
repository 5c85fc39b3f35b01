//! What is sent to the provider.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use common::collect;
use common::provider::{ask, builder, open};
use millstream_core::{
    Block, ErrorKind, Media, MemoryCache, Message, Messages, Model, Options, Runnable, ToolCall, ToolSpec,
};
use millstream_models::{OpenAi, OpenAiBuilder};
use millstream_testkit::provider::{MockProvider, Script};
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Country {
    name: String,
}

async fn body_with(
    change: impl FnOnce(OpenAiBuilder) -> OpenAiBuilder,
    messages: impl Into<Messages>,
    options: Options,
) -> Value {
    let provider = MockProvider::start([Script::answer(["ok"])]).await;
    let model = change(builder(&provider)).build().unwrap();
    collect(ask(&model, messages, options).await.unwrap()).await.message();
    provider.exchange(0).await.request().json()
}

async fn body(messages: impl Into<Messages>) -> Value {
    body_with(|builder| builder, messages, Options::default()).await
}

async fn refused(messages: impl Into<Messages>, options: Options) -> String {
    let provider = MockProvider::start([]).await;
    let error = ask(&builder(&provider).build().unwrap(), messages, options).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(provider.requests(), 0);
    error.to_string()
}

#[tokio::test]
async fn a_question_is_a_streamed_chat_completion() {
    let provider = MockProvider::start([Script::answer(["ok"])]).await;
    let model = builder(&provider).build().unwrap();
    collect(open(&model, "Warum \u{2028} \"so\"? 🌊").await.unwrap()).await.message();
    let exchange = provider.exchange(0).await;
    let request = exchange.request();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(request.header("authorization"), Some("Bearer sk-SECRET"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("user-agent").unwrap().starts_with("millstream/"));
    let expected = json!({
        "model": "mock-model",
        "messages": [{"role": "user", "content": "Warum \u{2028} \"so\"? 🌊"}],
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    assert_eq!(request.json(), expected);
}

#[tokio::test]
async fn the_usage_need_not_be_asked_for() {
    let sent = body_with(OpenAiBuilder::without_usage, "hi", Options::default()).await;
    assert_eq!(sent.get("stream_options"), None);
}

#[tokio::test]
async fn the_form_of_an_answer_is_sent_where_the_provider_takes_it() {
    let provider = MockProvider::start([]).await;
    provider.otherwise(|_| Script::answer([r#"{"name": "#, r#""France"}"#]));
    for change in [|builder: OpenAiBuilder| builder, OpenAiBuilder::without_response_format] {
        let model = Model::from(change(builder(&provider)).build().unwrap());
        let country = model.structured::<Country>().run("Which country?").await.unwrap();
        assert_eq!(country.name, "France");
    }
    let sent = provider.exchange(0).await.request().json();
    let schema = json!({
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": false,
    });
    let format = json!({"type": "json_schema", "json_schema": {"name": "Country", "schema": schema, "strict": true}});
    assert_eq!(sent["response_format"], format);
    assert_eq!(sent["messages"], json!([{"role": "user", "content": "Which country?"}]));
    let told = provider.exchange(1).await.request().json();
    assert_eq!(told.get("response_format"), None);
    assert_eq!(told["messages"][0]["role"], "system");
    assert!(told["messages"][0]["content"].as_str().unwrap().contains("\"additionalProperties\": false"));
}

#[tokio::test]
async fn a_key_is_optional_and_loses_its_white_space() {
    let provider = MockProvider::start([Script::answer(["ok"]), Script::answer(["ok"]), Script::answer(["ok"])]).await;
    for (number, (key, sent)) in
        [(None, None), (Some(" \n"), None), (Some("sk-1\n"), Some("Bearer sk-1"))].into_iter().enumerate()
    {
        let mut builder = OpenAi::builder("m").base_url(provider.base_url());
        if let Some(key) = key {
            builder = builder.key(key);
        }
        let _ = open(&builder.build().unwrap(), "hi").await.unwrap();
        assert_eq!(provider.exchange(number).await.request().header("authorization"), sent);
    }
    let error = OpenAi::builder("m").key("sk-\nSECRET").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!format!("{error:?}").contains("SECRET"));
    assert!(!format!("{:?}", OpenAi::builder("m").base_url("http://x").key("SECRET")).contains("SECRET"));
    assert!(
        !format!("{:?}", OpenAi::builder("m").base_url("http://x").key("SECRET").build().unwrap()).contains("SECRET")
    );
}

#[tokio::test]
async fn any_base_url_is_used_as_it_is() {
    let provider = MockProvider::start([]).await;
    provider.otherwise(|_| Script::answer(["ok"]));
    let address = provider.address();
    let cases = [
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("", "/chat/completions"),
        ("/", "/chat/completions"),
        ("/api/v3", "/api/v3/chat/completions"),
        (
            "/openai/deployments/d?api-version=2024-10-21",
            "/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1#part", "/v1/chat/completions"),
    ];
    for (number, (path, sent)) in cases.into_iter().enumerate() {
        let model = OpenAi::builder("m").base_url(format!(" http://{address}{path}\n")).build().unwrap();
        collect(open(&model, "hi").await.unwrap()).await.message();
        assert_eq!(provider.exchange(number).await.request().path, sent);
    }
    let model = OpenAi::builder("m").base_url(format!("http://user:SECRET@{address}/v1?key=SECRET")).build().unwrap();
    assert_eq!(model.base_url(), format!("http://{address}/v1"));
}

#[test]
fn a_bad_address_is_a_clear_error() {
    for bad in [
        "",
        "localhost:11434",
        "ftp://x/v1",
        "http://",
        "http://:80",
        "http://a b/",
        "//x/v1",
        "http://[::1/v1",
        "http://x:99999/v1",
    ] {
        let error = OpenAi::builder("m").base_url(bad).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        assert!(error.to_string().contains("http://127.0.0.1:11434/v1"), "{bad}: {error}");
    }
    assert_eq!(OpenAi::builder(" ").build().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn every_kind_of_message_has_its_form() {
    let mut named = Message::human("I am Ada.");
    named.name = Some("Ada_1".to_owned());
    let mut unnameable = Message::human("I am Ö.");
    unnameable.name = Some("Ö l".to_owned());
    let mut seen = Message::human("What is this?");
    seen.content.push(Block::Image(Media { url: Some("https://x/cat.png".to_owned()), ..Media::default() }));
    seen.content.push(Block::Image(Media {
        base64: Some("AAAA".to_owned()),
        mime_type: Some("image/jpeg".to_owned()),
        ..Media::default()
    }));
    seen.content.push(Block::NonStandard {
        value: json!({"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}),
    });
    let mut calls = Message::ai("");
    calls.content = vec![
        Block::reasoning("hm"),
        Block::ToolCall(ToolCall { id: "c1".to_owned(), name: "f".to_owned(), args: json!({"n": 1}) }),
        Block::InvalidToolCall {
            id: "c2".to_owned(),
            name: "f".to_owned(),
            args: "{".to_owned(),
            error: "cut".to_owned(),
        },
        Block::InvalidToolCall {
            id: "c3".to_owned(),
            name: "f".to_owned(),
            args: "{".to_owned(),
            error: "cut".to_owned(),
        },
    ];
    let mut thought = Message::ai("Well.");
    thought.content.insert(0, Block::reasoning("hm"));
    thought.content.push(Block::text(" Yes."));
    let messages = vec![
        Message::system("Be brief."),
        named,
        unnameable,
        seen,
        thought,
        calls,
        Message::tool("c1", "one"),
        Message::tool("c2", "your arguments were cut"),
        Message::ai(""),
    ];
    let expected = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "I am Ada.", "name": "Ada_1"},
        {"role": "user", "content": "I am Ö."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://x/cat.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}},
            {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
        ]},
        {"role": "assistant", "content": "Well. Yes."},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"n\":1}"}},
            {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "your arguments were cut"},
        {"role": "assistant", "content": ""},
    ]);
    assert_eq!(body(messages).await["messages"], expected);
}

#[tokio::test]
async fn options_have_the_providers_names() {
    let mut options = Options::default();
    options.temperature = Some(0.7);
    options.max_tokens = Some(100);
    options.stop = vec!["\n\n".to_owned()];
    options.tools = vec![ToolSpec {
        name: "f".to_owned(),
        description: "does f".to_owned(),
        parameters: json!({"type": "object"}),
    }];
    options.extra.insert("tool_choice".to_owned(), json!("required"));
    options.extra.insert("response_format".to_owned(), json!({"type": "json_object"}));
    let sent = body_with(|builder| builder, "hi", options.clone()).await;
    assert_eq!(sent["temperature"].to_string(), "0.7");
    assert_eq!(sent["max_tokens"], 100);
    assert_eq!(sent["stop"], json!(["\n\n"]));
    assert_eq!(sent["tool_choice"], "required");
    assert_eq!(sent["response_format"], json!({"type": "json_object"}));
    let tool = json!({"type": "function", "function": {"name": "f", "description": "does f", "parameters": {"type": "object"}}});
    assert_eq!(sent["tools"], json!([tool]));

    // In the provider's own words a value counts, and is there once.
    options.extra.insert("temperature".to_owned(), json!(1));
    options.extra.insert("max_completion_tokens".to_owned(), json!(7));
    options.extra.insert("stream_options".to_owned(), json!({}));
    let sent = body_with(|builder| builder, "hi", options).await;
    assert_eq!(
        (&sent["temperature"], &sent["max_completion_tokens"], &sent["stream_options"]),
        (&json!(1), &json!(7), &json!({}))
    );
    assert_eq!(sent.get("max_tokens"), None);
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_before_it_is_sent() {
    let none = Options::default;
    assert!(refused(Messages::default(), none()).await.contains("at least one message"));
    let mut orphan = Message::tool("x", "result");
    orphan.tool_call_id = None;
    assert!(refused(orphan, none()).await.contains("tool_call_id"));
    let mut empty = Message::human("");
    empty.content.push(Block::Image(Media::default()));
    assert!(refused(empty, none()).await.contains("image"));
    for (name, value) in [("stream", json!(false)), ("messages", json!([])), ("n", json!(2))] {
        let mut options = none();
        options.extra.insert(name.to_owned(), value);
        assert!(refused("hi", options).await.contains(name));
    }
}

#[tokio::test]
async fn a_cache_sends_nothing_twice_and_tells_providers_apart() {
    let cache = MemoryCache::default();
    for answer in ["one", "other"] {
        let provider = MockProvider::start([Script::answer([answer])]).await;
        let model = Model::from(builder(&provider).build().unwrap()).cached(cache.clone());
        for _ in 0..2 {
            assert_eq!(model.run("hi").await.unwrap().text(), answer);
        }
        assert_eq!(provider.requests(), 1);
    }
}
