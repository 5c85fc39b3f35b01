//! What fails says so: with an HTTP status before the first token, in the stream after it, and never with a secret.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use millstream::models::OpenAi;
use millstream::{Error, ErrorKind};
use millstream_server::{Config, Limits, Running};
use millstream_testkit::provider::{self, MockProvider, Script};
use millstream_tests::http::{Request, Response};
use millstream_tests::socket::{self, Socket};
use millstream_tests::sse::{Answer, Events};
use millstream_tests::{Stage, Step, chat, config, serve, serve_chain, serve_with, within};
use serde_json::json;

/// Put wherever a provider or user code can put it.
const SECRET: &str = "sk-sentinel-4711";

fn say(token: &str) -> Step {
    Step::Say(token.to_owned())
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, format!("the provider at {SECRET} says {SECRET}"))
}

/// Every kind whose text comes from elsewhere, and the status that it becomes.
fn kinds() -> Vec<(ErrorKind, u16)> {
    use ErrorKind::*;
    vec![
        (BadTemplate, 500),
        (Unauthorized, 502),
        (ModelNotFound, 502),
        (RateLimited, 429),
        (ProviderRejected, 502),
        (ProviderFailed, 502),
        (ProviderUnreachable, 502),
        (ProviderProtocol, 502),
        (ConnectTimeout, 504),
        (FirstTokenTimeout, 504),
        (TokenTimeout, 504),
        (TotalTimeout, 504),
        (Truncated, 502),
        (Failed, 500),
        (Internal, 500),
    ]
}

/// Asks until the failure is a status: the head is held back for a moment only, and on a machine that is busy a provider may need longer
/// to fail. Then it is told in the stream.
async fn refused(request: &Request, address: SocketAddr) -> Response {
    within(async {
        loop {
            let response = request.send(address).await;
            if response.status() != 200 {
                break response;
            }
            let events = Events::of(response).rest().await;
            assert!(events.len() == 1 && events[0].json()["error"].is_string(), "{events:?}");
        }
    })
    .await
}

#[tokio::test]
async fn a_failure_before_the_first_token_is_a_status() {
    for (kind, status) in kinds() {
        let failure = error(kind).with_retry_after(Some(Duration::from_millis(6500)));
        let server = serve(&Stage::does([Step::FailToOpen(failure)]));
        for request in [
            Request::ask("/chat/stream", "?"),
            Request::get("/chat/stream?question=x"),
            Request::ask("/chat/stream?format=json", "?"),
        ] {
            let mut response = refused(&request, server.address()).await;
            assert_eq!(response.status(), status, "{kind:?}");
            assert_eq!(response.header("retry-after"), Some("7"), "{kind:?}");
            response.run();
            let body = String::from_utf8(response.bytes().await).unwrap();
            assert!(!body.contains(SECRET), "{body}");
            assert!(body.contains(kind.code()), "{body}");
        }
    }
}

#[tokio::test]
async fn a_failure_after_the_head_is_told_in_the_stream() {
    for (kind, _) in kinds() {
        let stage = Stage::does([Step::WaitToOpen, Step::FailToOpen(error(kind))]);
        let server = serve(&stage);
        for (json, target) in [(false, "/chat/stream"), (true, "/chat/stream?format=json")] {
            let mut events = Events::of(Request::ask(target, "?").send(server.address()).await);
            events.opened().await;
            stage.release(1);
            let events = events.rest().await;
            assert_eq!(events.len(), 1);
            let data = events[0].json();
            assert_eq!(data["code"], kind.code());
            assert_eq!(data["retryable"], kind.is_retryable());
            assert!(!data["error"].as_str().unwrap().is_empty() && !events[0].data.contains(SECRET));
            assert_eq!(events[0].kind, if json { "message" } else { "error" });
        }
    }
}

/// Asks in every form; gives the raw bytes of each, behind checks that hold for every failure in the middle of an answer.
async fn fails_midway(address: SocketAddr, text: &str, code: &str) -> String {
    let mut all = String::new();
    for (json, target) in [(false, "/chat/stream"), (true, "/chat/stream?format=json")] {
        let mut events = Events::of(Request::ask(target, "?").send(address).await);
        let run = events.response.run();
        // To the proper end of the body: anything else panics.
        let events = events.rest().await;
        let answer = if json { Answer::of_json(&events) } else { Answer::of_plain(&events) };
        assert_eq!((answer.text.as_str(), answer.ending.as_deref()), (text, Some(code)), "{target}");
        all.extend(events.iter().map(|event| event.data.as_str()));
        for path in [format!("/runs/{run}/events"), format!("/runs/{run}")] {
            let bytes = Request::get(&path).send(address).await.bytes().await;
            all += std::str::from_utf8(&bytes).unwrap();
        }
    }
    let mut plain = Socket::plain(address).await;
    plain.text("?").await;
    let (close, reason) = loop {
        match plain.receive().await.expect("a close frame") {
            tokio_tungstenite::tungstenite::Message::Close(frame) => {
                let frame = frame.unwrap();
                break (u16::from(frame.code), frame.reason.to_string());
            }
            message => all += message.to_text().unwrap(),
        }
    };
    assert_eq!(close, 1011);
    all += &reason;
    let mut json = Socket::json(address).await;
    for id in ["q1", "q2"] {
        // The second time, too: the socket lives on.
        json.frame(json!({ "type": "ask", "id": id, "question": "?" })).await;
        let frames = json.frames(id).await;
        let answer = socket::fold(&frames);
        assert_eq!((answer.text.as_str(), answer.ending.as_deref()), (text, Some(code)));
        assert!(frames.last().unwrap()["retryable"].is_boolean());
        all.extend(frames.iter().map(ToString::to_string));
    }
    assert!(!all.contains(SECRET), "{all}");
    assert!(!all.contains("[DONE]"), "{all}");
    all
}

#[tokio::test]
async fn a_failure_in_the_middle_ends_every_form_in_its_own_way() {
    for (kind, _) in kinds() {
        let server = serve(&Stage::does([say("some "), say("text"), Step::Fail(error(kind))]));
        fails_midway(server.address(), "some text", kind.code()).await;
    }
}

#[tokio::test]
async fn a_panic_ends_its_run_and_nothing_else() {
    let server = serve(&Stage::does([say("text"), Step::Panic(SECRET)]));
    fails_midway(server.address(), "text", "failed").await;
    let server = serve(&Stage::does([Step::Panic(SECRET)]));
    let mut response = refused(&Request::ask("/chat/stream", "?"), server.address()).await;
    assert_eq!((response.status(), response.error_code().await.as_str()), (500, "failed"));
    assert_eq!(Request::get("/healthz").send(server.address()).await.status(), 200);
}

#[tokio::test]
async fn a_plain_socket_closes_with_a_generic_reason() {
    let server = serve(&Stage::does([Step::FailToOpen(error(ErrorKind::RateLimited))]));
    let mut socket = Socket::plain(server.address()).await;
    socket.text("?").await;
    let (code, reason) = socket.closed().await;
    assert_eq!(code, 1011);
    assert!(!reason.is_empty() && !reason.contains(SECRET));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_cut_and_says_so() {
    let limits = Limits { log: 64 * 1024, ..Limits::default() };
    let server = serve_with(Config { limits, ..config() }, &Stage::does([Step::Forever("word ")]));
    let mut events = Events::of(Request::ask("/chat/stream?format=json", "?").send(server.address()).await);
    let answer = Answer::of_json(&events.rest().await);
    assert_eq!(answer.ending.as_deref(), Some("limit_exceeded"));
    assert!(answer.text.starts_with("word word ") && answer.text.len() < 64 * 1024);
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_back() {
    let limits = Limits { running: 2, ..Limits::default() };
    let stage = Stage::says_when_released(["a"]);
    let server = serve_with(Config { limits, ..config() }, &stage);
    let address = server.address();
    let question = Request::ask("/chat/stream", "?");
    let mut first = Events::of(question.send(address).await);
    let mut second = Events::of(question.send(address).await);
    for request in [question.clone(), Request::get("/chat/stream?question=x")] {
        let mut refused = request.send(address).await;
        assert_eq!((refused.status(), refused.header("retry-after")), (503, Some("1")));
        assert_eq!(refused.error_code().await, "busy");
    }
    let mut json = Socket::json(address).await;
    json.frame(json!({ "type": "ask", "id": "q", "question": "?" })).await;
    assert_eq!(json.next_frame().await["code"], "busy");
    let mut plain = Socket::plain(address).await;
    plain.text("?").await;
    assert_eq!(plain.closed().await.0, 1013);
    assert_eq!(stage.calls(), 2);

    stage.release(1_000);
    first.rest().await;
    second.rest().await;
    // The end is read a moment before the place is free.
    within(async {
        loop {
            let mut response = question.send(address).await;
            match response.status() {
                503 => response.bytes().await,
                status => break assert_eq!(status, 200),
            };
        }
    })
    .await;
}

/// A server whose provider does what `script` says, every time.
async fn behind(script: Script) -> (MockProvider, Running) {
    let provider = MockProvider::start([]).await;
    provider.otherwise(move |_| script.clone());
    let url = provider.base_url();
    let model = move || OpenAi::builder("mock-model").base_url(url.clone()).key(SECRET).build().unwrap();
    let server = serve_chain(config(), move || chat(model()));
    (provider, server)
}

#[tokio::test]
async fn a_provider_that_refuses_becomes_the_documented_status() {
    let refusals = [
        (401, 502, "unauthorized"),
        (404, 502, "model_not_found"),
        (429, 429, "rate_limited"),
        (400, 502, "provider_rejected"),
        (500, 502, "provider_failed"),
        (503, 502, "provider_failed"),
    ];
    for (theirs, ours, code) in refusals {
        let script = Script::error(theirs, SECRET).header("retry-after", "9").header("x-request-id", SECRET);
        let (_provider, server) = behind(script).await;
        let mut response = refused(&Request::ask("/chat/stream", "?"), server.address()).await;
        assert_eq!(response.status(), ours, "{theirs}");
        if theirs == 429 {
            assert_eq!(response.header("retry-after"), Some("9"));
        }
        let body = String::from_utf8(response.bytes().await).unwrap();
        assert!(body.contains(code) && !body.contains(SECRET), "{theirs}: {body}");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_502() {
    let gone = {
        let provider = MockProvider::start([]).await;
        provider.base_url()
    };
    let model = move || OpenAi::builder("mock-model").base_url(gone.clone()).build().unwrap();
    let server = serve_chain(config(), move || chat(model()));
    let mut response = refused(&Request::ask("/chat/stream", "?"), server.address()).await;
    assert_eq!((response.status(), response.error_code().await.as_str()), (502, "provider_unreachable"));
}

#[tokio::test]
async fn a_provider_that_breaks_off_is_never_a_complete_answer() {
    let answer = provider::Answer::new().text(["some ", "text"]);
    let said: usize = answer.events()[..3].iter().map(String::len).sum();
    let script = || Script::from(answer.clone());
    for (how, script) in [
        ("cut", script().cut_at(said)),
        ("reset", script().cut_at(said).with_length()),
        ("ended", script().end_at(said)),
        ("ended without framing", script().end_at(said).until_close()),
    ] {
        let (_provider, server) = behind(script).await;
        println!("{how}");
        fails_midway(server.address(), "some text", "truncated").await;
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_the_providers_stream_is_told_without_its_text() {
    let broken = json!({ "error": { "message": SECRET, "type": "server_error", "code": SECRET } });
    let answer = provider::Answer::new().text(["some ", "text"]).chunk(broken);
    let (_provider, server) = behind(answer.into()).await;
    fails_midway(server.address(), "some text", "provider_failed").await;
}
