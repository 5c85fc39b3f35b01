//! However a run ends, its events follow their grammar: numbered from 1 without a gap, everything that began ended, one last word.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use millstream::models::OpenAi;
use millstream::{Body, Error, ErrorKind, Event, Finish, Outcome};
use millstream_server::{Config, Limits};
use millstream_testkit::Validator;
use millstream_testkit::provider::{Answer, MockProvider, Script};
use millstream_tests::http::Request;
use millstream_tests::sse::Events;
use millstream_tests::{Stage, Step, chat, config, serve_chain, serve_with};
use serde_json::Value;

/// Asks and reads to the end, then checks the run's log; gives how it ended.
async fn outcome(address: SocketAddr) -> Outcome {
    let response = Request::ask("/chat/stream", "?").send(address).await;
    let run = response.run();
    if response.status() == 200 {
        Events::of(response).rest().await;
    }
    check(address, &run).await
}

/// Checks the log of a run that is over.
async fn check(address: SocketAddr, run: &str) -> Outcome {
    let log = Request::get(&format!("/runs/{run}/events")).send(address).await.bytes().await;
    let mut validator = Validator::new();
    let mut last = None;
    for (number, line) in String::from_utf8(log).unwrap().lines().enumerate() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["seq"], number + 1);
        let event: Event = serde_json::from_value(line["event"].take()).unwrap();
        assert_eq!(event.scope.parent_ids.first().unwrap_or(&event.scope.run_id).to_string(), run);
        validator.check_numbered(number as u64 + 1, &event).unwrap_or_else(|wrong| panic!("{wrong}: {event:?}"));
        last = Some(event);
    }
    validator.end().unwrap_or_else(|wrong| panic!("{wrong}"));
    match last.unwrap().body {
        Body::Finished(finished) => finished.outcome,
        other => panic!("the last event is {other:?}"),
    }
}

fn say(token: &str) -> Step {
    Step::Say(token.to_owned())
}

fn think(token: &str) -> Step {
    Step::Think(token.to_owned())
}

fn failure(kind: ErrorKind) -> Error {
    Error::new(kind, "as the test wishes")
}

#[tokio::test]
async fn every_ending_of_a_model_is_in_order() {
    let call = || Step::Call("get_weather", vec!["{\"city\"", ":\"Paris\"}"]);
    let broken_call = || Step::Call("get_weather", vec!["{\"city\""]);
    let failed = || Step::Fail(failure(ErrorKind::ProviderFailed));
    let truncated = || Step::Fail(failure(ErrorKind::Truncated));
    let endings: Vec<(Vec<Step>, Outcome)> = vec![
        (vec![], Outcome::Completed),
        (vec![say("a"), say("b")], Outcome::Completed),
        (vec![think("hm"), say("a"), think("hm"), call(), say("b"), call()], Outcome::Completed),
        (vec![say("a"), Step::End(Finish::Length)], Outcome::Completed),
        (vec![Step::FailToOpen(failure(ErrorKind::RateLimited))], Outcome::Failed),
        (vec![failed()], Outcome::Failed),
        (vec![say("a"), failed()], Outcome::Failed),
        (vec![think("hm"), failed()], Outcome::Failed),
        (vec![broken_call(), failed()], Outcome::Failed),
        (vec![say("a"), truncated()], Outcome::Truncated),
        (vec![broken_call(), truncated()], Outcome::Truncated),
        (vec![Step::Panic("as the test wishes")], Outcome::Failed),
        (vec![say("a"), Step::Panic("as the test wishes")], Outcome::Failed),
        (vec![Step::Forever("word ")], Outcome::Failed),
    ];
    for (steps, expected) in endings {
        let limits = Limits { log: 64 * 1024, ..Limits::default() };
        let server = serve_with(Config { limits, ..config() }, &Stage::does(steps.clone()));
        assert_eq!(outcome(server.address()).await, expected, "{steps:?}");
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_is_in_order() {
    for steps in [
        vec![Step::WaitToOpen],
        vec![Step::Wait],
        vec![say("a"), Step::Wait],
        vec![think("hm"), Step::Wait],
        vec![Step::Call("get_weather", vec!["{\"city\""]), Step::Wait],
        vec![Step::Forever("word ")],
    ] {
        let stage = Stage::does(steps.clone());
        let server = serve_with(config(), &stage);
        let mut events = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
        let run = events.response.run();
        stage.called(1).await;
        Request::post(&format!("/runs/{run}/stop"), "").send(server.address()).await;
        events.rest().await;
        assert_eq!(check(server.address(), &run).await, Outcome::Cancelled, "{steps:?}");
    }
}

#[tokio::test]
async fn a_provider_that_breaks_off_anywhere_leaves_order() {
    let answer = Answer::new().reasoning(["hm"]).text(["some ", "text"]);
    let answer = answer.tool_call("call_1", "get_weather", ["{\"city\":", "\"Paris\"}"]).usage(3, 2);
    let length = answer.body().len();
    let provider = MockProvider::start([]).await;
    let url = provider.base_url();
    let model = move || OpenAi::builder("mock-model").base_url(url.clone()).build().unwrap();
    let server = serve_chain(config(), move || chat(model()));
    for cut in (0..length).step_by(17) {
        provider.push(Script::from(answer.clone()).cut_at(cut));
        let ended = outcome(server.address()).await;
        assert!([Outcome::Truncated, Outcome::Failed, Outcome::Completed].contains(&ended), "cut at {cut}: {ended:?}");
        // The evidence that the answer is whole comes near its end.
        assert!(ended != Outcome::Completed || cut > length / 2, "cut at {cut} of {length}");
    }
    provider.push(Script::from(answer));
    assert_eq!(outcome(server.address()).await, Outcome::Completed);
}
