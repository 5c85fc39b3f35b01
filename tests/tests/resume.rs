//! A client that lost its connection, at any byte, comes back and has exactly the answer; the model is asked once.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use millstream_server::{Config, Limits};
use millstream_tests::http::Request;
use millstream_tests::socket::{self, Socket};
use millstream_tests::sse::{Answer, Event, Events, Parser};
use millstream_tests::{Stage, Step, config, serve, serve_with, within};
use serde_json::{Value, json};

const TOKENS: [&str; 7] = ["Two\n", "\n[DONE]\nlines", "\r", "\n", " and 👩‍👩‍👧", "[DONE]", ""];

fn say(token: &str) -> Step {
    Step::Say(token.to_owned())
}

/// Everything that an answer can have.
fn rich() -> Stage {
    let thought = [Step::Think("Let me ".to_owned()), Step::Think("think.".to_owned())];
    let call = Step::Call("get_weather", vec!["{\"city\":", "\"Paris\"}"]);
    Stage::does(thought.into_iter().chain(TOKENS.map(say)).chain([call, say("end")]))
}

fn fold(json: bool, events: &[Event]) -> Answer {
    if json { Answer::of_json(events) } else { Answer::of_plain(events) }
}

/// The ways to come back to a run.
fn ways_back(json: bool, run: &str, id: &str) -> [Request; 5] {
    let format = if json { "format=json" } else { "format=text" };
    let escaped = id.replace(':', "%3A");
    [
        Request::get(&format!("/chat/stream?question=other&{format}")).header("last-event-id", id),
        Request::ask(&format!("/chat/stream?{format}"), "another question").header("last-event-id", id),
        Request::get(&format!("/chat/stream?{format}&last_event_id={escaped}")),
        Request::get(&format!("/runs/{run}/stream?{format}")).header("last-event-id", id),
        Request::get(&format!("/runs/{run}/stream?last_event_id={id}&{format}")),
    ]
}

/// What `request` gives after the cut, which is nothing when the client has everything.
async fn resumed(address: SocketAddr, request: &Request) -> Vec<Event> {
    let response = request.send(address).await;
    match response.status() {
        204 => Vec::new(),
        _ => Events::of(response).rest().await,
    }
}

#[tokio::test]
async fn a_finished_run_is_cut_at_every_byte_and_read_on() {
    for json in [false, true] {
        let stage = rich();
        let server = serve(&stage);
        let address = server.address();
        let target = if json { "/chat/stream?format=json" } else { "/chat/stream" };
        let mut response = Request::ask(target, "?").send(address).await;
        let run = response.run();
        let recorded = response.bytes().await;
        let events = Parser::default().push(&recorded);
        let full = fold(json, &events);
        assert_eq!(full.ending.as_deref(), Some("stop"));
        for cut in 0..=recorded.len() {
            let mut client = Parser::default();
            let mut seen = client.push(&recorded[..cut]);
            if client.last_event_id.is_empty() {
                assert!(seen.is_empty());
                client.last_event_id = format!("{run}:0");
            }
            let ways = ways_back(json, &run, &client.last_event_id);
            seen.extend(resumed(address, &ways[cut % ways.len()]).await);
            assert_eq!(seen, events, "cut at {cut} of {}", recorded.len());
        }
        assert_eq!(stage.calls(), 1);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_at_any_byte_loses_nothing() {
    let stage = rich();
    let server = serve(&stage);
    let address = server.address();
    let mut response = Request::ask("/chat/stream?format=json", "?").send(address).await;
    let run = response.run();
    let full = Answer::of_json(&Parser::default().push(&response.bytes().await));
    let watch = Request::get(&format!("/runs/{run}/stream?format=json"));
    for cut in 0.. {
        let mut decoder = watch.send_and_cut(address, cut).await;
        let mut client = Parser::default();
        let mut seen = client.push(&std::mem::take(&mut decoder.body));
        let again = match client.last_event_id.as_str() {
            "" => watch.clone(),
            id => watch.clone().header("last-event-id", id),
        };
        seen.extend(resumed(address, &again).await);
        assert_eq!(Answer::of_json(&seen), full, "cut at {cut}");
        if decoder.ended {
            break;
        }
    }
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn a_running_answer_is_cut_at_every_byte_and_goes_on() {
    let steps = TOKENS.map(say).into_iter().chain([Step::Wait]).chain(TOKENS.map(say));
    let stage = Stage::does(steps);
    let server = serve(&stage);
    let address = server.address();
    let question = Request::ask("/chat/stream", "?");

    let mut first = question.send(address).await;
    let opening = format!("retry: 1000\nid: {}:0\n\n", first.run()).len();
    let mut before = first.at_least(opening + 1).await;
    while Answer::of_plain(&Parser::default().push(&before)).text != "Two\n\n[DONE]\nlines\n and 👩‍👩‍👧[DONE]"
    {
        before.extend(first.chunk().await.unwrap());
    }
    stage.release(1);
    let mut whole = before.clone();
    whole.extend(first.bytes().await);
    let full = Answer::of_plain(&Parser::default().push(&whole));
    assert_eq!(full.ending.as_deref(), Some("stop"));

    for cut in 0..=before.len() {
        let mut response = question.send(address).await;
        let run = response.run();
        let mut bytes = response.at_least(cut).await;
        bytes.truncate(cut);
        if cut % 2 == 0 {
            drop(response)
        } else {
            response.reset()
        }
        let mut client = Parser::default();
        let mut seen = client.push(&bytes);
        let id = if client.last_event_id.is_empty() { format!("{run}:0") } else { client.last_event_id };
        let ways = ways_back(false, &run, &id);
        let mut events = Events::of(ways[cut % ways.len()].send(address).await);
        stage.release(1);
        seen.extend(events.rest().await);
        assert_eq!(Answer::of_plain(&seen), full, "cut at {cut} of {}", before.len());
        assert_eq!(stage.calls(), cut + 2, "one call for each question");
    }
}

#[tokio::test]
async fn many_viewers_of_one_run_see_the_same() {
    let stage = Stage::says_when_released(["a", "b", "c", "d"]);
    let server = serve(&stage);
    let address = server.address();
    let mut asker = Events::of(Request::ask("/chat/stream?format=json", "?").send(address).await);
    let run = asker.response.run();
    let watch = Request::get(&format!("/runs/{run}/stream?format=json"));
    let mut early = Events::of(watch.send(address).await);
    stage.release(2);
    let mut seen = vec![asker.event().await, asker.event().await];
    assert_eq!(vec![early.event().await, early.event().await], seen);
    let mut late = Vec::new();
    for _ in 0..20 {
        late.push(Events::of(watch.send(address).await));
    }
    let mut behind = Events::of(watch.clone().header("last-event-id", &seen[0].id).send(address).await);
    stage.release_all();
    seen.extend(asker.rest().await);
    assert_eq!(Answer::of_json(&seen).text, "abcd");
    assert_eq!(early.rest().await, seen[2..]);
    assert_eq!(behind.rest().await, seen[1..]);
    for viewer in &mut late {
        assert_eq!(viewer.rest().await, seen);
    }
    // After the end, too.
    assert_eq!(Events::of(watch.send(address).await).rest().await, seen);
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn a_run_that_has_said_nothing_yet_is_found_again() {
    let stage = Stage::does([Step::WaitToOpen, say("late")]);
    let server = serve(&stage);
    let mut first = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
    let id = first.opened().await.last_event_id.clone();
    assert_eq!(id, format!("{}:0", first.response.run()));
    drop(first);
    let again = Request::ask("/chat/stream", "?").header("last-event-id", &id);
    let mut second = Events::of(again.send(server.address()).await);
    stage.release(1);
    let answer = Answer::of_plain(&second.rest().await);
    assert_eq!((answer.text.as_str(), answer.ending.as_deref()), ("late", Some("stop")));
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn coming_back_to_a_run_that_is_over_gives_204() {
    let stage = rich();
    let server = serve(&stage);
    for (json, target) in [(false, "/chat/stream"), (true, "/chat/stream?format=json")] {
        let mut events = Events::of(Request::ask(target, "?").send(server.address()).await);
        let run = events.response.run();
        let last = events.rest().await.pop().unwrap();
        for request in ways_back(json, &run, &last.id) {
            let mut response = request.send(server.address()).await;
            assert_eq!((response.status(), response.bytes().await), (204, Vec::new()));
        }
    }
    assert_eq!(stage.calls(), 2);
}

#[tokio::test]
async fn a_long_question_that_is_sent_again_does_not_hold_up_the_answer() {
    let stage = Stage::says_when_released(["a"]);
    let limits = Limits { body: 16 << 20, ..Limits::default() };
    let server = serve_with(Config { limits, ..config() }, &stage);
    let mut first = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
    let id = first.opened().await.last_event_id.clone();
    // All of the body goes out before the client looks for an answer.
    let again = Request::ask("/chat/stream", &"x".repeat(10 << 20)).header("last-event-id", &id);
    let mut second = Events::of(within(again.send(server.address())).await);
    stage.release(1);
    assert_eq!(Answer::of_plain(&second.rest().await).text, "a");
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn a_failed_run_keeps_its_ending_for_those_who_come_back() {
    let error = millstream::Error::new(millstream::ErrorKind::ProviderFailed, "secret");
    let server = serve(&Stage::does([say("a"), Step::Fail(error)]));
    let mut events = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
    let seen = events.rest().await;
    let again = Request::ask("/chat/stream", "?").header("last-event-id", &seen[0].id).send(server.address()).await;
    assert_eq!(Events::of(again).rest().await, seen[1..]);
    let over = Request::ask("/chat/stream", "?").header("last-event-id", &seen[1].id).send(server.address()).await;
    assert_eq!(over.status(), 204);
}

#[tokio::test]
async fn unknown_runs_are_404_and_bad_ids_400() {
    let stage = rich();
    let server = serve(&stage);
    let address = server.address();
    let unknown = "0191f2a0-5b7c-4d2e-8f3a-123456789abc";
    for request in ways_back(false, unknown, &format!("{unknown}:3")) {
        let mut response = request.send(address).await;
        assert_eq!((response.status(), response.error_code().await.as_str()), (404, "unknown_run"));
    }
    for path in [format!("/runs/{unknown}"), format!("/runs/{unknown}/events"), "/runs/nonsense/stream".to_owned()] {
        assert_eq!(Request::get(&path).send(address).await.status(), 404, "{path}");
    }
    let bad =
        ["x", "17", ":", "a:b", "0191f2a0-5b7c-4d2e-8f3a-123456789abc:", "0191f2a0-5b7c-4d2e-8f3a-123456789abc:-1"];
    let huge = format!("{unknown}:99999999999999999999999");
    for id in bad.into_iter().chain([huge.as_str(), "\u{fffd}", "0191f2a0-5b7c-4d2e-8f3a-123456789abc:+1"]) {
        for request in [
            Request::get("/chat/stream?question=x").header("last-event-id", id),
            Request::ask("/chat/stream", "x").header("last-event-id", id),
        ] {
            let mut response = request.send(address).await;
            assert_eq!((response.status(), response.error_code().await.as_str()), (400, "bad_request"), "{id:?}");
        }
    }
    assert_eq!(stage.calls(), 0);

    let mut events = Events::of(Request::ask("/chat/stream", "?").send(address).await);
    let run = events.response.run();
    events.rest().await;
    let ahead = Request::get("/chat/stream").header("last-event-id", &format!("{run}:99999")).send(address).await;
    assert_eq!(ahead.status(), 400);
    let foreign = Request::get(&format!("/runs/{run}/stream")).header("last-event-id", &format!("{unknown}:1"));
    assert_eq!(foreign.send(address).await.status(), 400);
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn an_expired_run_is_410_and_never_starts_anew() {
    let stage = rich();
    let limits = Limits { keep: Duration::ZERO, ..Limits::default() };
    let server = serve_with(Config { limits, ..config() }, &stage);
    let address = server.address();
    let mut events = Events::of(Request::ask("/chat/stream", "?").send(address).await);
    let run = events.response.run();
    let seen = events.rest().await;
    // The end is read a moment before the run is put away.
    within(async { while Request::get(&format!("/runs/{run}")).send(address).await.status() != 410 {} }).await;
    for request in ways_back(false, &run, &seen[0].id) {
        let mut response = request.send(address).await;
        assert_eq!((response.status(), response.error_code().await.as_str()), (410, "expired_run"));
    }
    let stop = Request::post(&format!("/runs/{run}/stop"), "").send(address).await;
    assert_eq!(stop.status(), 410);
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn a_cursor_is_good_on_either_transport() {
    let stage = Stage::says_when_released(["a", "b\r", "c", "d", "e"]);
    let server = serve(&stage);
    let address = server.address();
    let mut events = Events::of(Request::ask("/chat/stream?format=json", "?").send(address).await);
    let run = events.response.run();
    stage.release(2);
    let mut text = String::new();
    let mut last = 0;
    for _ in 0..2 {
        let event = events.event().await;
        text += event.json()["token"].as_str().unwrap();
        last = event.id.rsplit_once(':').unwrap().1.parse().unwrap();
    }
    drop(events);

    let mut socket = Socket::json(address).await;
    socket.frame(json!({ "type": "resume", "id": "mine", "run": run, "after": last })).await;
    let started = socket.next_frame().await;
    assert_eq!((&started["type"], &started["run"], &started["seq"]), (&json!("started"), &json!(run), &json!(last)));
    stage.release(1);
    let token = socket.next_frame().await;
    assert!(token["seq"].as_u64().unwrap() > last);
    text += token["text"].as_str().unwrap();
    drop(socket);

    let id = format!("{run}:{}", token["seq"]);
    let back = Request::get("/chat/stream?format=json").header("last-event-id", &id).send(address).await;
    stage.release_all();
    let rest = Answer::of_json(&Events::of(back).rest().await);
    assert_eq!((text + &rest.text).as_str(), "ab\rcde");
    assert_eq!(rest.ending.as_deref(), Some("stop"));
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn a_socket_resumes_behind_every_frame() {
    let stage = rich();
    let server = serve(&stage);
    let mut socket = Socket::json(server.address()).await;
    socket.frame(json!({ "type": "ask", "id": "q", "question": "?" })).await;
    let frames = socket.frames("q").await;
    let run = frames[0]["run"].as_str().unwrap();
    let mut other = Socket::json(server.address()).await;
    for (number, frame) in frames.iter().enumerate() {
        let resume = json!({ "type": "resume", "id": "q", "run": run, "after": frame["seq"] });
        other.frame(resume).await;
        let mut expected: Vec<Value> = frames[number + 1..].to_vec();
        expected.insert(0, json!({ "type": "started", "id": "q", "seq": frame["seq"], "run": run }));
        for wanted in expected {
            assert_eq!(other.next_frame().await, wanted);
        }
    }
    assert_eq!(socket::fold(&frames).ending.as_deref(), Some("stop"));
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn looking_never_starts_a_run() {
    let stage = rich();
    let server = serve(&stage);
    for target in ["/chat/stream?question=x", "/chat/stream", "/"] {
        let mut response = Request::new("HEAD", target).send(server.address()).await;
        assert_eq!((response.status(), response.bytes().await), (200, Vec::new()), "{target}");
    }
    assert_eq!(Request::new("OPTIONS", "/chat/stream").send(server.address()).await.status(), 405);
    assert_eq!(stage.calls(), 0);
}
