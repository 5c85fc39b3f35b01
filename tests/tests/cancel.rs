//! A client that leaves, or stops its run, ends the model call: at once, after the grace time, or when told to.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use millstream::models::OpenAi;
use millstream_server::{Config, Limits, Running};
use millstream_testkit::provider::{Answer, MockProvider, Script};
use millstream_tests::http::{Request, Response};
use millstream_tests::socket::Socket;
use millstream_tests::sse::{self, Events};
use millstream_tests::{Stage, Step, chat, config, serve_chain, serve_with, within};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// The requirement is 100 ms; this much is allowed to a machine that does something else besides.
const AT_ONCE: Duration = Duration::from_secs(2);

fn with_linger(linger: Option<Duration>) -> Config {
    Config { linger, ..config() }
}

fn at_once() -> Config {
    with_linger(Some(Duration::ZERO))
}

fn patient() -> Config {
    with_linger(Some(Duration::from_secs(3600)))
}

fn check(what: &str, left: Instant, ended: Instant) {
    let took = ended.saturating_duration_since(left);
    println!("{what}: the model call ended {took:?} after the client had left");
    assert!(took < AT_ONCE, "{what}: {took:?}");
}

/// The moments in which a client may leave: what the model does, and how many tokens the client has then.
fn moments() -> [(&'static str, Stage, usize); 4] {
    let said = || Step::Say("a".to_owned());
    [
        ("before the provider answers", Stage::does([Step::WaitToOpen]), 0),
        ("before the first token", Stage::does([Step::Wait]), 0),
        ("mid-answer", Stage::does([said(), said(), Step::Wait]), 2),
        ("while tokens come", Stage::does([Step::Dripping("token ")]), 1),
    ]
}

async fn status(address: SocketAddr, run: &str) -> String {
    let mut response = Request::get(&format!("/runs/{run}")).send(address).await;
    response.json().await["status"].as_str().unwrap().to_owned()
}

async fn becomes(address: SocketAddr, run: &str, wanted: &str) {
    within(async { while status(address, run).await != wanted {} }).await;
}

async fn stop(address: SocketAddr, run: &str) -> Response {
    Request::post(&format!("/runs/{run}/stop"), "").send(address).await
}

#[tokio::test]
async fn leaving_an_event_stream_ends_the_model_call() {
    for (moment, stage, tokens) in moments() {
        let server = serve_with(at_once(), &stage);
        for (number, request) in [
            Request::ask("/chat/stream", "?"),
            Request::get("/chat/stream?question=x"),
            Request::ask("/chat/stream?format=json", "?"),
            Request::ask("/chat/stream", "?"),
        ]
        .iter()
        .enumerate()
        {
            let mut events = Events::of(request.send(server.address()).await);
            let run = events.response.run();
            events.opened().await;
            for _ in 0..tokens {
                events.event().await;
            }
            stage.called(number + 1).await;
            let left = Instant::now();
            if number == 3 {
                events.response.reset()
            } else {
                drop(events)
            }
            check(moment, left, stage.left().await);
            becomes(server.address(), &run, "cancelled").await;
        }
    }
}

#[tokio::test]
async fn leaving_before_the_head_has_come_ends_the_model_call() {
    let stage = Stage::does([Step::WaitToOpen]);
    let server = serve_with(at_once(), &stage);
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(&Request::ask("/chat/stream", "?").bytes(server.address())).await.unwrap();
    stage.called(1).await;
    let left = Instant::now();
    drop(stream);
    check("before the head", left, stage.left().await);
}

#[tokio::test]
async fn leaving_a_plain_socket_ends_the_model_call() {
    for (moment, stage, tokens) in moments() {
        // However patient the server is: nobody can come back to a plain socket.
        let server = serve_with(patient(), &stage);
        for number in 0..2 {
            let mut socket = Socket::plain(server.address()).await;
            socket.text("?").await;
            for _ in 0..tokens {
                socket.next_text().await;
            }
            stage.called(number + 1).await;
            let left = Instant::now();
            if number == 0 {
                drop(socket)
            } else {
                socket.close().await
            }
            check(moment, left, stage.left().await);
        }
    }
}

#[tokio::test]
async fn leaving_a_json_socket_ends_the_model_call_after_the_grace_time() {
    let stage = Stage::does([Step::Say("a".to_owned()), Step::Wait]);
    let server = serve_with(at_once(), &stage);
    let mut socket = Socket::json(server.address()).await;
    socket.frame(json!({ "type": "ask", "id": "q", "question": "?" })).await;
    let run = socket.next_frame().await["run"].as_str().unwrap().to_owned();
    socket.next_frame().await;
    let left = Instant::now();
    drop(socket);
    check("JSON socket", left, stage.left().await);
    becomes(server.address(), &run, "cancelled").await;
}

#[tokio::test]
async fn a_run_goes_on_for_a_client_that_comes_back_in_time() {
    let stage = Stage::says_when_released(["a", "b", "c"]);
    let server = serve_with(patient(), &stage);
    let address = server.address();
    let mut events = Events::of(Request::ask("/chat/stream", "?").send(address).await);
    let run = events.response.run();
    stage.release(1);
    let first = events.event().await;
    drop(events);
    stage.release(1);
    assert_eq!(status(address, &run).await, "running");
    let back = Request::get("/chat/stream").header("last-event-id", &first.id).send(address).await;
    let mut events = Events::of(back);
    assert_eq!(events.event().await.data, "b");
    stage.release(1);
    assert_eq!(sse::Answer::of_plain(&events.rest().await).text, "c");
    assert_eq!(status(address, &run).await, "completed");
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn a_run_that_nobody_comes_back_to_is_cancelled() {
    let linger = Duration::from_millis(100);
    let stage = Stage::does([Step::Say("a".to_owned()), Step::Wait]);
    let server = serve_with(with_linger(Some(linger)), &stage);
    let mut events = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
    let run = events.response.run();
    events.event().await;
    let left = Instant::now();
    drop(events);
    let waited = stage.left().await - left;
    assert!(waited >= linger, "the run had only {waited:?}");
    becomes(server.address(), &run, "cancelled").await;
    // Whoever comes now reads how it ended.
    let late = Request::get(&format!("/runs/{run}/stream?format=json")).send(server.address()).await;
    let answer = sse::Answer::of_json(&Events::of(late).rest().await);
    assert_eq!((answer.text.as_str(), answer.ending.as_deref()), ("a", Some("stopped")));
}

#[tokio::test]
async fn one_viewer_that_stays_keeps_the_run() {
    let linger = Duration::from_millis(50);
    let stage = Stage::says_when_released(["a", "b"]);
    let server = serve_with(with_linger(Some(linger)), &stage);
    let first = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
    let run = first.response.run();
    let watch = Request::get(&format!("/runs/{run}/stream")).send(server.address()).await;
    let mut second = Events::of(watch);
    drop(first);
    // Longer than the grace time; a slow machine only makes this test easier.
    tokio::time::sleep(4 * linger).await;
    assert_eq!(status(server.address(), &run).await, "running");
    stage.release_all();
    assert_eq!(sse::Answer::of_plain(&second.rest().await).ending.as_deref(), Some("stop"));
}

#[tokio::test]
async fn a_server_without_end_of_patience_finishes_what_was_begun() {
    let stage = Stage::says_when_released(["a", "b"]);
    let server = serve_with(with_linger(None), &stage);
    let events = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
    let run = events.response.run();
    drop(events);
    stage.release_all();
    becomes(server.address(), &run, "completed").await;
}

#[tokio::test]
async fn stopping_ends_the_run_for_all_its_viewers() {
    for (moment, stage, tokens) in moments() {
        let server = serve_with(patient(), &stage);
        let address = server.address();
        let mut plain = Events::of(Request::ask("/chat/stream", "?").send(address).await);
        let run = plain.response.run();
        let watch = Request::get(&format!("/runs/{run}/stream?format=json")).send(address).await;
        let mut json = Events::of(watch);
        for _ in 0..tokens {
            plain.event().await;
        }
        let asked = Instant::now();
        let mut answer = stop(address, &run).await;
        assert_eq!(answer.status(), 202);
        assert_eq!(answer.json().await, json!({ "run": run, "status": "stopping" }));
        check(moment, asked, stage.left().await);
        assert_eq!(sse::Answer::of_plain(&plain.rest().await).ending.as_deref(), Some("cancelled"));
        assert_eq!(sse::Answer::of_json(&json.rest().await).ending.as_deref(), Some("stopped"));
        for _ in 0..2 {
            let mut again = stop(address, &run).await;
            assert_eq!(again.status(), 200);
            assert_eq!(again.json().await, json!({ "run": run, "status": "cancelled" }));
        }
    }
}

#[tokio::test]
async fn a_stopped_run_says_what_it_cost() {
    let stage = Stage::does([Step::Say("some words of an answer".to_owned()), Step::Wait]);
    let server = serve_with(patient(), &stage);
    let mut events = Events::of(Request::ask("/chat/stream?format=json", "?").send(server.address()).await);
    events.event().await;
    stop(server.address(), &events.response.run()).await;
    let done = events.event().await.json();
    assert_eq!((&done["done"], &done["reason"]), (&json!(true), &json!("stopped")));
    assert_eq!(done["usage"]["source"], "partial");
    assert!(done["usage"]["output_tokens"].as_u64().unwrap() > 0, "{done}");
}

#[tokio::test]
async fn stopping_what_is_over_or_unknown_changes_nothing() {
    let stage = Stage::says(["a"]);
    let server = serve_with(config(), &stage);
    let mut events = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
    let run = events.response.run();
    events.rest().await;
    let mut over = stop(server.address(), &run).await;
    assert_eq!((over.status(), over.json().await), (200, json!({ "run": run, "status": "completed" })));
    for unknown in ["0191f2a0-5b7c-4d2e-8f3a-123456789abc", "nonsense"] {
        assert_eq!(stop(server.address(), unknown).await.status(), 404);
    }
    let by_get = Request::get(&format!("/runs/{run}/stop")).send(server.address()).await;
    assert_eq!((by_get.status(), by_get.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn stopping_on_a_socket_keeps_the_socket() {
    let stage = Stage::plays([vec![Step::Say("a".to_owned()), Step::Wait], vec![Step::Say("b".to_owned())]]);
    let server = serve_with(patient(), &stage);
    let mut socket = Socket::json(server.address()).await;
    socket.frame(json!({ "type": "ask", "id": "q1", "question": "one" })).await;
    socket.next_frame().await;
    socket.next_frame().await;
    let asked = Instant::now();
    socket.frame(json!({ "type": "stop", "id": "q1" })).await;
    let done = socket.next_frame().await;
    assert_eq!((&done["type"], &done["id"], &done["reason"]), (&json!("done"), &json!("q1"), &json!("stopped")));
    check("stop frame", asked, stage.left().await);
    // Twice is as good as once.
    socket.frame(json!({ "type": "stop", "id": "q1" })).await;
    socket.frame(json!({ "type": "ask", "id": "q2", "question": "two" })).await;
    let frames = socket.frames("q2").await;
    assert_eq!(frames.last().unwrap()["reason"], "stop");
}

#[tokio::test]
async fn a_stopping_server_tells_its_viewers() {
    let stage = Stage::does([Step::Say("a".to_owned()), Step::Wait]);
    let mut server = serve_with(patient(), &stage);
    let mut events = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
    events.event().await;
    let mut socket = Socket::json(server.address()).await;
    socket.frame(json!({ "type": "ask", "id": "q", "question": "?" })).await;
    socket.next_frame().await;
    socket.next_frame().await;
    let mut idle = Socket::plain(server.address()).await;
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    assert_eq!(sse::Answer::of_plain(&events.rest().await).ending.as_deref(), Some("cancelled"));
    assert_eq!(socket.next_frame().await["reason"], "stopped");
    assert_eq!((socket.closed().await.0, idle.closed().await.0), (1001, 1001));
    drop((events, socket, idle));
    within(stopping).await.unwrap();
}

/// When the client leaves, what the provider does until then, and whether the client has a token by then.
type Moment = (&'static str, fn() -> Script, bool);

/// A server between a client and a provider, both over sockets.
async fn between(script: Script) -> (MockProvider, Running) {
    let provider = MockProvider::start([script]).await;
    let url = provider.base_url();
    let model = move || OpenAi::builder("mock-model").base_url(url.clone()).build().unwrap();
    (provider, serve_chain(at_once(), move || chat(model())))
}

#[tokio::test]
async fn leaving_closes_the_connection_to_the_provider() {
    let silent = || Script::silence();
    let headers_only = || Script::answer(["never"]).stall_before_body();
    let midway = || {
        let answer = Answer::new().text(["a", "b"]);
        let said: usize = answer.events()[..2].iter().map(String::len).sum();
        Script::from(answer).stall_at(said)
    };
    let endless = || Script::endless("token ").pace(Duration::from_millis(1));
    let moments: [Moment; 4] = [
        ("before the provider's head", silent, false),
        ("before the provider's first token", headers_only, false),
        ("in the middle of the provider's answer", midway, true),
        ("while the provider talks", endless, true),
    ];
    for (moment, script, says_something) in moments {
        for plain_socket in [false, true] {
            let (provider, server) = between(script()).await;
            let left = if plain_socket {
                let mut socket = Socket::plain(server.address()).await;
                socket.text("?").await;
                if says_something {
                    socket.next_text().await;
                }
                within(provider.exchange(0)).await;
                Instant::now()
            } else {
                let mut events = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
                events.opened().await;
                if says_something {
                    events.event().await;
                }
                within(provider.exchange(0)).await;
                Instant::now()
            };
            let exchange = provider.exchange(0).await;
            check(moment, left, within(exchange.closed()).await);
            within(exchange.ended()).await;
            let late = exchange.progress().after_close;
            assert!(late <= 256 * 1024, "{moment}: {late} bytes were written after the end");
            assert_eq!(provider.requests(), 1);
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped_and_its_run_with_it() {
    // More than the buffers of the connection hold, and then silence: only the client's own stall can end this run.
    let mebibyte = "x".repeat(1 << 20);
    for sse in [true, false] {
        let says = std::iter::repeat_n(Step::Say(mebibyte.clone()), 24).chain([Step::Wait]);
        let stage = Stage::does(says);
        let limits = Limits { stalled: Duration::from_millis(100), ..Limits::default() };
        let server = serve_with(Config { limits, ..at_once() }, &stage);
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        if sse {
            stream.write_all(&Request::ask("/chat/stream", "?").bytes(server.address())).await.unwrap();
            stage.left().await;
        } else {
            let mut socket = Socket::plain(server.address()).await;
            socket.text("?").await;
            stage.left().await;
        }
    }
}
