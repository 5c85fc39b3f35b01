//! The mock provider, byte by byte, seen by a client that knows nothing but sockets.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

use std::io::ErrorKind;
use std::time::Duration;

use millstream_testkit::provider::{Answer, MockProvider, Script};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn ask(provider: &MockProvider) -> TcpStream {
    let mut stream = TcpStream::connect(provider.address()).await.unwrap();
    stream.write_all(&request(r#"{"stream":true}"#)).await.unwrap();
    stream
}

fn request(body: &str) -> Vec<u8> {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: mock\r\nAuthorization: Bearer key\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    )
    .into_bytes()
}

/// Everything until the end of the connection, however it ends.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await;
    (bytes, end.err().map(|error| error.kind()))
}

/// Reads until the bytes end in this text.
async fn until(stream: &mut TcpStream, text: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(text.as_bytes()) {
        let byte = stream.read_u8().await.expect("the text comes before the end");
        bytes.push(byte);
    }
    String::from_utf8(bytes).unwrap()
}

/// The body of a chunked answer, and whether its last chunk is there.
fn dechunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = bytes.windows(2).position(|window| window == b"\r\n") else {
            return (body, false);
        };
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        bytes = &bytes[line + 2..];
        if length == 0 {
            return (body, bytes == b"\r\n");
        }
        let there = length.min(bytes.len());
        body.extend_from_slice(&bytes[..there]);
        bytes = bytes.get(length + 2..).unwrap_or_default();
    }
}

fn split_head(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    (String::from_utf8(bytes[..end].to_vec()).unwrap(), &bytes[end + 4..])
}

fn payloads(body: &str) -> Vec<Value> {
    body.split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[tokio::test]
async fn an_answer_streams_and_the_connection_stays_for_the_next() {
    let provider = MockProvider::start([Script::answer(["Hel", "lö"]), Script::answer(["again"])]).await;
    let mut stream = ask(&provider).await;
    let text = until(&mut stream, "\r\n0\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("content-type: text/event-stream; charset=utf-8\r\n"));
    let (body, whole) = dechunk(split_head(text.as_bytes()).1);
    assert!(whole);
    let body = String::from_utf8(body).unwrap();
    assert!(body.ends_with("data: [DONE]\n\n"));
    let chunks = payloads(&body);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks[2]["choices"][0]["delta"]["content"], "lö");
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");

    stream.write_all(&request("{}")).await.unwrap();
    let second = until(&mut stream, "\r\n0\r\n\r\n").await;
    assert!(second.contains("again"));
    assert_eq!(provider.requests(), 2);
    let first = provider.exchange(0).await;
    assert_eq!(first.request().json(), json!({"stream": true}));
    assert_eq!(first.request().header("authorization"), Some("Bearer key"));
    assert_eq!(first.request().path, "/v1/chat/completions");
    assert!(first.progress().closed.is_none());
    drop(stream);
    provider.exchange(1).await.closed().await;
}

#[tokio::test]
async fn a_cut_is_a_clean_end_of_the_connection_without_the_last_chunk() {
    let script = Script::answer(["Hello", " world"]);
    let whole = script.body();
    for offset in 0..=whole.len() {
        let provider = MockProvider::start([script.clone().cut_at(offset)]).await;
        let (bytes, end) = rest(&mut ask(&provider).await).await;
        assert_eq!(end, None, "cut at {offset}");
        let (body, last) = dechunk(split_head(&bytes).1);
        assert_eq!(body, &whole[..offset]);
        assert!(!last, "cut at {offset}");
    }
}

#[tokio::test]
async fn a_body_can_end_early_without_http_noticing() {
    let script = Script::answer(["Hello"]);
    let whole = script.body();
    let provider = MockProvider::start([
        script.clone().end_at(30),
        script.clone().until_close().cut_at(30),
        script.clone().until_close(),
        script.with_length().cut_at(30),
    ])
    .await;
    let text = until(&mut ask(&provider).await, "\r\n0\r\n\r\n").await;
    assert_eq!(dechunk(split_head(text.as_bytes()).1), (whole[..30].to_vec(), true));
    let (bytes, _) = rest(&mut ask(&provider).await).await;
    assert_eq!(split_head(&bytes).1, &whole[..30]);
    let (bytes, _) = rest(&mut ask(&provider).await).await;
    assert_eq!(split_head(&bytes).1, whole);
    let (bytes, _) = rest(&mut ask(&provider).await).await;
    let (head, body) = split_head(&bytes);
    assert!(head.contains(&format!("content-length: {}", whole.len())));
    assert_eq!(body, &whole[..30]);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let provider = MockProvider::start([Script::answer(["Hello"]).reset_at(20)]).await;
    let (_, end) = rest(&mut ask(&provider).await).await;
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_stall_holds_until_it_is_released() {
    let provider = MockProvider::start([
        Script::answer(["Hello"]).stall_at(10),
        Script::answer(["Hello"]).stall_before_body(),
        Script::silence(),
    ])
    .await;
    let mut stream = ask(&provider).await;
    let exchange = provider.exchange(0).await;
    exchange.stalled(1).await;
    let head = until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"));
    until(&mut stream, "data: {\"ch").await;
    assert!(!exchange.progress().ended);
    exchange.release();
    until(&mut stream, "[DONE]\n\n\r\n0\r\n\r\n").await;
    exchange.ended().await;

    let mut stream = ask(&provider).await;
    let exchange = provider.exchange(1).await;
    until(&mut stream, "\r\n\r\n").await;
    exchange.stalled(1).await;
    assert_eq!(exchange.progress().written, 0);
    exchange.release();
    until(&mut stream, "0\r\n\r\n").await;

    let stream = ask(&provider).await;
    let exchange = provider.exchange(2).await;
    exchange.stalled(1).await;
    assert!(!exchange.progress().head);
    drop(stream);
    exchange.closed().await;
    exchange.ended().await;
}

#[tokio::test]
async fn a_gated_answer_goes_token_by_token() {
    let provider = MockProvider::start([Script::answer(["one", "two"]).gated()]).await;
    let mut stream = ask(&provider).await;
    let exchange = provider.exchange(0).await;
    exchange.stalled(1).await;
    exchange.release();
    exchange.release();
    until(&mut stream, "one").await;
    exchange.stalled(3).await;
    let before = exchange.progress().written;
    exchange.release();
    let two = exchange.until(|progress| progress.written > before).await;
    assert!(two.stalls >= 3);
    exchange.release_all();
    until(&mut stream, "\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn drops_and_splits_lose_nothing() {
    let script = Script::answer(["Grüße, 🌍"]);
    let whole = script.body();
    let world = whole.windows(4).position(|window| window == "🌍".as_bytes()).unwrap();
    let provider = MockProvider::start([
        script.clone().drip(1),
        script.clone().split_at([1, world + 1, world + 2]),
        script.split_at(0..whole.len()).pace(Duration::from_millis(1)),
    ])
    .await;
    for _ in 0..3 {
        let mut stream = ask(&provider).await;
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n0\r\n\r\n") {
            bytes.push(stream.read_u8().await.unwrap());
        }
        assert_eq!(dechunk(split_head(&bytes).1), (whole.clone(), true));
    }
}

#[tokio::test]
async fn garbage_comes_instead_of_http_or_in_the_middle() {
    let provider = MockProvider::start([
        Script::garbage(*b"\x00\xffSSH-2.0\r\n"),
        Script::answer(["Hello"]).until_close().garbage_at(8, *b"\xfe\xff"),
    ])
    .await;
    let (bytes, _) = rest(&mut ask(&provider).await).await;
    assert_eq!(bytes, b"\x00\xffSSH-2.0\r\n");
    let (bytes, _) = rest(&mut ask(&provider).await).await;
    assert_eq!(&split_head(&bytes).1[6..10], b"{\"\xfe\xff");
}

#[tokio::test]
async fn errors_have_a_status_a_body_and_headers() {
    let provider = MockProvider::start([Script::error(429, "slow down")
        .header("retry-after", "7")
        .header("x-request-id", "req_1")])
    .await;
    let mut stream = ask(&provider).await;
    let text = until(&mut stream, "}}").await;
    let (head, body) = split_head(text.as_bytes());
    assert!(head.starts_with("HTTP/1.1 429 Too Many Requests"));
    assert!(head.contains("retry-after: 7") && head.contains("x-request-id: req_1"));
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    assert_eq!(body["error"]["message"], "slow down");
}

#[tokio::test]
async fn models_are_listed_and_use_up_no_script() {
    let provider = MockProvider::start([Script::answer(["Hello"])]).await;
    provider.models(["first", "second"]);
    let mut stream = TcpStream::connect(provider.address()).await.unwrap();
    stream.write_all(b"GET /v1/models HTTP/1.1\r\nHost: mock\r\n\r\n").await.unwrap();
    let text = until(&mut stream, "\"list\"}").await;
    let list: Value = serde_json::from_slice(split_head(text.as_bytes()).1).unwrap();
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"][1]["id"], "second");
    assert_eq!(provider.requests(), 0);
    stream.write_all(&request("{}")).await.unwrap();
    until(&mut stream, "\r\n0\r\n\r\n").await;
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn an_endless_answer_counts_what_is_written_after_the_client_left() {
    let provider = MockProvider::start([Script::endless("la ")]).await;
    let mut stream = ask(&provider).await;
    let exchange = provider.exchange(0).await;
    until(&mut stream, "la ").await;
    exchange.until(|progress| progress.written > 100_000).await;
    drop(stream);
    exchange.closed().await;
    exchange.ended().await;
    let progress = exchange.progress();
    assert!(progress.after_close < progress.written);
}

#[tokio::test]
async fn a_slow_client_stops_the_endless_answer() {
    let provider = MockProvider::start([Script::endless("la ")]).await;
    let stream = ask(&provider).await;
    let exchange = provider.exchange(0).await;
    // The buffers of the operating system fill up, then nothing moves: asked until it is so.
    let mut before = 0;
    loop {
        let now = exchange.until(|progress| progress.written > 0).await.written;
        let moved = exchange.until(|progress| progress.written > now);
        if tokio::time::timeout(Duration::from_millis(200), moved).await.is_err() {
            break;
        }
        assert!(now >= before);
        before = now;
    }
    drop(stream);
    exchange.closed().await;
}

#[tokio::test]
async fn without_a_script_the_request_decides() {
    let provider = MockProvider::start([]).await;
    let text = until(&mut ask(&provider).await, "}}").await;
    assert!(text.contains("no script left"));
    provider.otherwise(|received| Script::json(200, &received.json()));
    let text = until(&mut ask(&provider).await, "true}").await;
    assert!(text.ends_with("{\"stream\":true}"));
    provider.push(Script::error(503, "down"));
    assert!(until(&mut ask(&provider).await, "}}").await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn dropping_the_provider_closes_its_sockets() {
    let provider = MockProvider::start([Script::silence()]).await;
    let mut stream = ask(&provider).await;
    provider.exchange(0).await.stalled(1).await;
    let address = provider.address();
    drop(provider);
    let (bytes, _) = rest(&mut stream).await;
    assert!(bytes.is_empty());
    // The listener is gone with its task as soon as that is dropped.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn an_answer_has_every_kind_of_chunk() {
    let body = Answer::new()
        .id("chatcmpl-7")
        .model("m")
        .reasoning(["hm"])
        .text(["Hi"])
        .tool_call("call_1", "weather", ["{\"ci", "ty\":\"Oslo\"}"])
        .tool_call("call_2", "clock", ["{}"])
        .usage(5, 2)
        .body();
    let chunks = payloads(&body);
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(deltas[1]["reasoning_content"], "hm");
    assert_eq!(deltas[3]["tool_calls"][0]["id"], "call_1");
    assert_eq!(deltas[5]["tool_calls"][0]["function"]["arguments"], "ty\":\"Oslo\"}");
    assert_eq!(deltas[6]["tool_calls"][0]["index"], 1);
    assert_eq!(chunks[8]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(chunks[9]["usage"]["total_tokens"], 7);
    assert_eq!(chunks[9]["choices"], json!([]));
    assert_eq!(chunks[1]["id"], "chatcmpl-7");
    assert!(!Answer::new().without_done().body().contains("[DONE]"));
}
