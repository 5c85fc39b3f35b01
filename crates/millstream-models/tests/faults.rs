//! What goes wrong at the provider or on the way to it is an error of the documented kind, and never a wrong answer.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use std::time::Duration;

use common::provider::{builder, open};
use common::{Outcome, collect};
use futures_util::StreamExt;
use millstream_core::{Error, ErrorKind, Finish};
use millstream_models::{Limits, OpenAi, ProviderDetail};
use millstream_testkit::provider::{Answer, MockProvider, Script};
use tokio::net::TcpListener;

/// Long enough that nothing but a stall reaches it.
const NEVER: Option<Duration> = Some(Duration::from_secs(60));
const SOON: Option<Duration> = Some(Duration::from_millis(100));

async fn error_of(script: Script) -> Error {
    let provider = MockProvider::start([script]).await;
    match open(&builder(&provider).build().unwrap(), "hi").await {
        Ok(answer) => panic!("it opened: {:?}", collect(answer).await),
        Err(error) => error,
    }
}

async fn outcome_with(script: Script, limits: Limits) -> Outcome {
    let provider = MockProvider::start([script]).await;
    let model = builder(&provider).limits(limits).build().unwrap();
    match open(&model, "hi").await {
        Ok(answer) => collect(answer).await,
        Err(error) => Outcome { parts: Vec::new(), end: Err(error) },
    }
}

async fn outcome(script: Script) -> Outcome {
    outcome_with(script, Limits::NONE).await
}

fn no_secrets(error: &Error) {
    let mut texts = vec![error.to_string(), format!("{error:?}"), error.public().message];
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        texts.extend([error.to_string(), format!("{error:?}")]);
        cause = error.source();
    }
    assert!(texts.iter().all(|text| !text.contains("SECRET")), "{texts:?}");
}

#[tokio::test]
async fn a_refusal_is_an_error_before_anything_is_said() {
    let cases = [
        (400, ErrorKind::ProviderRejected),
        (401, ErrorKind::Unauthorized),
        (402, ErrorKind::ProviderRejected),
        (403, ErrorKind::Unauthorized),
        (404, ErrorKind::ModelNotFound),
        (408, ErrorKind::ProviderFailed),
        (409, ErrorKind::ProviderFailed),
        (413, ErrorKind::ProviderRejected),
        (422, ErrorKind::ProviderRejected),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::ProviderFailed),
        (502, ErrorKind::ProviderFailed),
        (503, ErrorKind::ProviderFailed),
        (529, ErrorKind::ProviderFailed),
    ];
    for (status, kind) in cases {
        let error =
            error_of(Script::error(status, "the key sk-SECRET of SECRET Inc.").header("x-request-id", "req_1")).await;
        assert_eq!(error.kind(), kind, "{status}: {error:?}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert_eq!(error.request_id(), Some("req_1"));
        no_secrets(&error);
        let detail = ProviderDetail::of(&error).unwrap();
        assert_eq!(detail.status(), Some(status));
        assert!(detail.body().contains("SECRET"));
    }
}

#[tokio::test]
async fn the_delay_that_a_provider_asks_for_is_kept() {
    let error = error_of(Script::error(429, "slow down").header("retry-after", "7")).await;
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(7))));
    let error = error_of(Script::error(503, "overloaded").header("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")).await;
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::ProviderFailed, Some(Duration::ZERO)));
    let body =
        serde_json::json!({"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}});
    let error = error_of(Script::json(429, &body)).await;
    assert_eq!(error.kind(), ErrorKind::ProviderRejected);
    assert!(error.to_string().contains("insufficient_quota"), "{error}");
}

#[tokio::test]
async fn a_refusal_with_a_huge_or_stalled_body_is_still_a_refusal() {
    let huge = "SECRET ".repeat(100_000);
    let error = error_of(Script::error(500, &huge)).await;
    assert_eq!(error.kind(), ErrorKind::ProviderFailed);
    assert_eq!(ProviderDetail::of(&error).unwrap().body().len(), 4096);
    let error = error_of(Script::error(401, "half a body").stall_at(10)).await;
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = MockProvider::start([Script::answer(["wrong"])]).await;
    let error = error_of(Script::error(307, "").header("location", &elsewhere.base_url())).await;
    assert_eq!(error.kind(), ErrorKind::ProviderProtocol);
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn what_is_no_provider_says_so() {
    let page = Script::events(["<html></html>"]).header("content-type", "text/html; charset=utf-8");
    assert_eq!(error_of(page).await.kind(), ErrorKind::ProviderProtocol);
    let page = outcome(Script::events(["\n <!doctype html>"]).header("content-type", "text/plain")).await;
    assert_eq!(page.error().kind(), ErrorKind::ProviderProtocol);
    let ssh = error_of(Script::garbage(*b"SSH-2.0-OpenSSH_9.9\r\n\r\n")).await;
    assert_eq!(ssh.kind(), ErrorKind::ProviderProtocol, "{ssh:?}");
    let closed = error_of(Script::garbage(*b"")).await;
    assert_eq!(closed.kind(), ErrorKind::ProviderFailed, "{closed:?}");
    let reset = error_of(Script::garbage(*b"HTTP/1.1 200").reset_at(12)).await;
    assert_eq!(reset.kind(), ErrorKind::ProviderFailed, "{reset:?}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let model = OpenAi::builder("m").base_url(format!("http://user:SECRET@{address}/v1?key=SECRET")).build().unwrap();
    let error = open(&model, "hi").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ProviderUnreachable);
    assert!(error.to_string().contains("nothing listens there"), "{error}");
    assert!(error.is_retryable());
    no_secrets(&error);
}

/// Certificates of the system are needed to prepare TLS at all; without them the builder already says unreachable.
fn tls_model(provider: &MockProvider, limits: Limits) -> Option<OpenAi> {
    let base_url = provider.base_url().replace("http://", "https://");
    let built = OpenAi::builder("m").base_url(base_url).limits(limits).build();
    built.inspect_err(|error| assert_eq!(error.kind(), ErrorKind::ProviderUnreachable)).ok()
}

#[tokio::test]
async fn tls_that_fails_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://{}/v1", listener.local_addr().unwrap());
    let Ok(model) = OpenAi::builder("m").base_url(base_url).build() else { return };
    let not_tls = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = not_tls => {}
        opened = open(&model, "hi") => {
            let error = opened.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::ProviderUnreachable, "{error:?}");
            assert!(error.to_string().contains("TLS"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_does_not_come_up_is_a_connect_timeout() {
    let provider = MockProvider::start([]).await;
    // A server that never shakes hands.
    let Some(model) = tls_model(&provider, Limits { connect: SOON, first_token: NEVER, ..Limits::NONE }) else {
        return;
    };
    assert_eq!(open(&model, "hi").await.err().unwrap().kind(), ErrorKind::ConnectTimeout);
}

#[tokio::test]
async fn the_first_token_has_a_limit_of_its_own() {
    let limits = Limits { first_token: SOON, between_tokens: NEVER, total: NEVER, connect: NEVER };
    let role = Answer::new().events()[0].len();
    let stalls = [
        Script::silence(),
        Script::answer(["Hello"]).stall_before_body(),
        Script::answer(["Hello"]).stall_at(10),
        Script::answer(["Hello"]).stall_at(role),
        Script::events([": OPENROUTER PROCESSING\n\n"; 3]).stall_at(50),
    ];
    for script in stalls {
        let outcome = outcome_with(script, limits).await;
        assert_eq!(outcome.error().kind(), ErrorKind::FirstTokenTimeout);
        assert!(outcome.parts.is_empty());
    }
}

#[tokio::test]
async fn the_next_token_has_a_limit_of_its_own() {
    let limits = Limits { first_token: NEVER, between_tokens: SOON, total: NEVER, connect: NEVER };
    let events = Answer::new().text(["Hel", "lo"]).events();
    let hel = events[0].len() + events[1].len();
    for script in [Script::answer(["Hel", "lo"]).stall_at(hel), Script::answer(["Hel", "lo"]).stall_at(hel + 9)] {
        let outcome = outcome_with(script, limits).await;
        assert_eq!(outcome.error().kind(), ErrorKind::TokenTimeout);
        assert_eq!(outcome.partial().text(), "Hel");
    }
}

#[tokio::test]
async fn the_whole_answer_has_a_limit_if_wanted() {
    let limits = Limits { total: SOON, ..Limits::NONE };
    let outcome = outcome_with(Script::endless("la ").pace(Duration::from_millis(5)), limits).await;
    assert_eq!(outcome.error().kind(), ErrorKind::TotalTimeout);
    let outcome = outcome_with(Script::silence(), limits).await;
    assert_eq!(outcome.error().kind(), ErrorKind::TotalTimeout);
}

#[tokio::test]
async fn a_slow_reader_reaches_no_limit() {
    let limit = Duration::from_secs(1);
    let limits = Limits { connect: NEVER, first_token: Some(limit), between_tokens: Some(limit), total: Some(limit) };
    // More than the buffers of the operating system hold, so that the provider has to wait too.
    let token = "word ".repeat(200);
    let provider = MockProvider::start([Script::answer(vec![token.as_str(); 12_000])]).await;
    let model = builder(&provider).limits(limits).build().unwrap();
    let mut answer = open(&model, "hi").await.unwrap();
    let mut length = 0;
    let mut parts = 0;
    while let Some(part) = answer.next().await {
        length += part.unwrap().to_string().len();
        parts += 1;
        if parts == 3 || parts == 5_000 {
            tokio::time::sleep(limit + limit / 4).await;
        }
    }
    assert_eq!(length, 12_000 * token.len());
}

#[tokio::test]
async fn a_broken_connection_is_a_truncated_answer() {
    let script = || Script::answer(["Hel", "lo"]);
    let events = Answer::new().text(["Hel", "lo"]).events();
    let hel = events[0].len() + events[1].len();
    let cases = [
        script().cut_at(hel),
        script().cut_at(hel + 30),
        script().end_at(hel + 30),
        script().until_close().cut_at(hel + 30),
        script().with_length().cut_at(hel + 30),
        script().garbage_at(hel, *b"\x00\xff not a chunk\r\n"),
    ];
    for script in cases {
        let outcome = outcome(script.header("x-request-id", "req_2")).await;
        assert_eq!(outcome.error().kind(), ErrorKind::Truncated);
        assert_eq!(outcome.error().request_id(), Some("req_2"));
        assert_eq!(outcome.partial().text(), "Hel");
    }
    // A reset may overtake what was sent before it.
    let outcome = outcome(script().reset_at(hel)).await;
    assert!(matches!(outcome.error().kind(), ErrorKind::Truncated | ErrorKind::ProviderFailed));
    assert!("Hel".starts_with(&outcome.partial().text()));
}

#[tokio::test]
async fn once_the_reason_is_there_nothing_takes_the_answer_back() {
    let script = || Script::answer(["Hello"]);
    let done = script().body().len() - "data: [DONE]\n\n".len();
    for script in [
        script().cut_at(done),
        script().reset_at(done),
        script().garbage_at(done, *b"\xff\r\n"),
        script().stall_at(done),
    ] {
        let outcome = outcome(script).await;
        // Only the reset may come before the answer was read.
        if let Ok(message) = &outcome.end {
            assert_eq!((message.text().as_str(), message.finish), ("Hello", Some(Finish::Stop)));
        } else {
            assert!(matches!(outcome.error().kind(), ErrorKind::Truncated | ErrorKind::ProviderFailed), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn garbage_in_the_middle_is_a_protocol_error() {
    let events = Answer::new().text(["Hel", "lo"]).events();
    let hel = events[0].len() + events[1].len();
    for garbage in [&b"data: \xff\xfe\n\n"[..], b"data: SECRET\n\n", b"data: [1,2]\n\n"] {
        let script = Script::answer(["Hel", "lo"]).until_close().garbage_at(hel, garbage);
        let outcome = outcome(script).await;
        assert_eq!(outcome.error().kind(), ErrorKind::ProviderProtocol, "{:?}", outcome.error());
        assert_eq!(outcome.partial().text(), "Hel");
        no_secrets(outcome.error());
    }
}

#[tokio::test]
async fn an_event_has_a_largest_size() {
    let provider = MockProvider::start([
        Script::answer(["x".repeat(100_000)]),
        Script::answer(["x".repeat(100_000)]),
        Script::json(200, &serde_json::json!({"choices": [{"message": {"content": "x".repeat(100_000)}}]})),
        Script::endless("").pace(Duration::ZERO),
    ])
    .await;
    let whole = open(&builder(&provider).build().unwrap(), "hi").await.unwrap();
    assert_eq!(collect(whole).await.message().text().len(), 100_000);
    let small = builder(&provider).largest_event(50_000).build().unwrap();
    for _ in 0..2 {
        let outcome = collect(open(&small, "hi").await.unwrap()).await;
        assert_eq!(outcome.error().kind(), ErrorKind::ProviderProtocol);
        assert!(outcome.error().to_string().contains("50000"), "{}", outcome.error());
    }
}

#[tokio::test]
async fn bytes_that_come_one_by_one_are_the_same_answer() {
    let text = ["Grü", "ße, ", "🌊", "!"];
    let outcome = outcome(Script::answer(text).drip(1)).await;
    assert_eq!(outcome.message().text(), text.concat());
}

#[tokio::test]
async fn an_error_in_the_stream_ends_it_with_its_kind() {
    let error = serde_json::json!({"error": {"message": "SECRET", "type": "server_error", "code": null}});
    let outcome = outcome(Answer::new().text(["Hel"]).chunk(error).into()).await;
    assert_eq!(outcome.error().kind(), ErrorKind::ProviderFailed);
    assert_eq!(outcome.partial().text(), "Hel");
    no_secrets(outcome.error());
}
