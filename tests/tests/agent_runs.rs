//! Runs of an agent: stopped, failed, refused, one at a time in each conversation.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use millstream::graph::react;
use millstream::{Error, ErrorKind, Model, Tool, tool};
use millstream_server::{Config, Limits, Server};
use millstream_tests::agent::{ask, asks_for_paris, events, say, schema, until, weather};
use millstream_tests::http::Request;
use millstream_tests::sse::{Answer, Events, Parser};
use millstream_tests::{Stage, Step, chat, config, serve, serve_agent, serve_graph, within};
use serde_json::json;

const SECRET: &str = "sk-sentinel-4711";

/// A tool that never comes back, unless it is dropped: then it adds a permit to `dropped`.
fn endless(dropped: &Arc<tokio::sync::Semaphore>) -> Arc<dyn Tool> {
    struct Guard(Arc<tokio::sync::Semaphore>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.add_permits(1);
        }
    }
    let dropped = dropped.clone();
    tool("get_weather", "Never comes back.", schema(), move |_, _| {
        let guard = Guard(dropped.clone());
        async move {
            let _guard = guard;
            std::future::pending::<String>().await
        }
    })
}

#[tokio::test]
async fn a_stop_drops_the_model_and_the_tool() {
    let dropped = Arc::new(tokio::sync::Semaphore::new(0));
    let call = || vec![Step::Call("get_weather", vec!["{\"city\":\"Paris\"}"])];
    let stage = Stage::plays([call(), vec![say("Hello"), Step::Wait]]);
    let server = serve_agent(&stage, [endless(&dropped)]);
    let address = server.address();

    let mut inside_a_tool = Events::of(Request::tell("How is Paris?", "t").send(address).await);
    until(&mut inside_a_tool, "tool_started").await;
    let stop = format!("/runs/{}/stop", inside_a_tool.response.run());
    assert_eq!(Request::new("POST", &stop).send(address).await.status(), 202);
    let last = inside_a_tool.rest().await.pop().unwrap().json();
    assert_eq!((&last["type"], &last["reason"]), (&json!("done"), &json!("stopped")));
    within(dropped.acquire()).await.unwrap().forget();

    let mut mid_answer = Events::of(Request::tell("Hello?", "t").send(address).await);
    until(&mut mid_answer, "token").await;
    let stop = format!("/runs/{}/stop", mid_answer.response.run());
    Request::new("POST", &stop).send(address).await;
    assert_eq!(mid_answer.rest().await.pop().unwrap().json()["reason"], "stopped");
    stage.left().await;
}

#[tokio::test]
async fn an_agent_that_nobody_reads_is_stopped() {
    let dropped = Arc::new(tokio::sync::Semaphore::new(0));
    let stage = Stage::does([Step::Call("get_weather", vec!["{\"city\":\"Paris\"}"])]);
    let tool = endless(&dropped);
    let at_once = Config { linger: Some(Duration::ZERO), ..config() };
    let server = serve_graph(at_once, move || react(Model::from(stage.clone()), [tool.clone()]).unwrap());
    let mut reader = Events::of(Request::tell("How is Paris?", "t").send(server.address()).await);
    until(&mut reader, "tool_started").await;
    drop(reader);
    within(dropped.acquire()).await.unwrap().forget();
}

#[tokio::test]
async fn failures_are_the_last_event_or_a_status_and_never_a_secret() {
    let error = || Error::new(ErrorKind::ProviderFailed, format!("the provider says {SECRET}"));
    let call = Step::Call("get_weather", vec!["{\"city\":\"Paris\"}"]);

    let stage = Stage::plays([vec![call], vec![say("Su"), Step::Fail(error())]]);
    let server = serve_agent(&stage, [weather()]);
    let mut response = Request::tell("How is Paris?", "t").send(server.address()).await;
    let run = response.run();
    let bytes = response.bytes().await;
    let all = Parser::default().push(&bytes);
    let answer = Answer::of_agent(&all);
    assert_eq!((answer.text.as_str(), answer.ending.as_deref()), ("Su", Some("provider_failed")));
    let last = all.last().unwrap().json();
    assert_eq!((&last["type"], &last["retryable"]), (&json!("error"), &json!(true)));
    assert!(!last["error"].as_str().unwrap().is_empty());
    assert!(!String::from_utf8(bytes).unwrap().contains(SECRET));
    let log = Request::get(&format!("/runs/{run}/events")).send(server.address()).await.bytes().await;
    assert!(!String::from_utf8(log).unwrap().contains(SECRET), "why a node failed is not for clients");

    let server = serve_agent(&Stage::does([Step::FailToOpen(error())]), [weather()]);
    within(async {
        // The head is held back for a moment only; on a busy machine the failure may come later, in the stream.
        loop {
            let mut response = Request::tell("How is Paris?", "t").send(server.address()).await;
            if response.status() != 200 {
                break assert_eq!((response.status(), response.error_code().await.as_str()), (502, "provider_failed"));
            }
            assert_eq!(Answer::of_agent(&Events::of(response).rest().await).ending.as_deref(), Some("provider_failed"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_tool_that_panics_ends_its_run_alone() {
    let stage = asks_for_paris();
    let broken = tool("get_weather", "Panics.", schema(), async |_, _| -> String { panic!("sorry") });
    let server = serve_agent(&stage, [broken]);
    let answer = ask(&server, "How is Paris?", "t").await;
    assert_eq!(answer.ending.as_deref(), Some("failed"));
    assert_eq!(ask(&server, "Still there?", "t").await.ending.as_deref(), Some("stop"));
}

#[tokio::test]
async fn bad_input_is_refused_with_a_reason_and_starts_nothing() {
    let stage = Stage::says(["a"]);
    let server = serve_agent(&stage, []);
    let long = format!("{{\"message\": \"x\", \"thread_id\": \"{}\"}}", "t".repeat(257));
    for (body, status, param, why) in [
        (&b"nonsense"[..], 400, json!(null), "not JSON"),
        (b"{\"message\": \"\xff\"}", 400, json!(null), "not UTF-8"),
        (b"[]", 422, json!("message"), "not an object"),
        (b"{}", 422, json!("message"), "no \"message\""),
        (b"{\"question\": \"x\"}", 422, json!("message"), "no \"message\""),
        (b"{\"message\": null}", 422, json!("message"), "no \"message\""),
        (b"{\"message\": 7}", 422, json!("message"), "a number"),
        (b"{\"message\": \" \"}", 422, json!("message"), "empty"),
        (b"{\"message\": \"x\", \"thread_id\": 7}", 422, json!("thread_id"), "a number"),
        (b"{\"message\": \"x\", \"thread_id\": \"\"}", 422, json!("thread_id"), "empty"),
        (long.as_bytes(), 422, json!("thread_id"), "longer"),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let request = Request::post("/agent/stream", body).header("content-type", "application/json");
        let mut response = request.send(server.address()).await;
        assert_eq!(response.status(), status, "{shown}");
        let error = response.json().await["error"].clone();
        assert!(error["message"].as_str().unwrap().contains(why), "{shown}: {error}");
        assert_eq!(error["param"], param, "{shown}");
    }
    let form = Request::post("/agent/stream", "message=x").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.send(server.address()).await.status(), 415);
    assert_eq!(Request::get("/agent/stream").send(server.address()).await.status(), 422);
    assert_eq!(Request::get("/agent/stream?message=x&format=xml").send(server.address()).await.status(), 400);
    let head = Request::new("HEAD", "/agent/stream?message=x").send(server.address()).await;
    assert_eq!((head.status(), head.header("content-type")), (200, Some("text/event-stream; charset=utf-8")));
    let put = Request::new("PUT", "/agent/stream").send(server.address()).await;
    assert_eq!((put.status(), put.header("allow")), (405, Some("GET,HEAD,POST")));
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_get_asks_too() {
    let stage = Stage::says(["a"]);
    let server = serve_agent(&stage, []);
    let body = r#"{"message": "x", "thread_id": null, "config": {"a": [1]}}"#;
    let post = Request::post("/agent/stream", body);
    assert_eq!(Answer::of_agent(&events(&server, post).await).text, "a");
    let get = Request::get("/agent/stream?message=How+is+Z%C3%BCrich%3F&thread_id=t");
    assert_eq!(Answer::of_agent(&events(&server, get).await).text, "a");
    assert_eq!(stage.requests().pop().unwrap().last().unwrap().text(), "How is Zürich?");
}

#[tokio::test]
async fn a_conversation_has_one_run_at_a_time_and_others_are_free() {
    let stage = Stage::plays([vec![say("one"), Step::Wait], vec![say("other")], vec![say("two")]]);
    let limits = Limits { waiting: 1, ..Limits::default() };
    let (model, config) = (stage.clone(), Config { limits, ..config() });
    let server = serve_graph(config, move || react(Model::from(model.clone()), []).unwrap());
    let address = server.address();
    let mut first = Events::of(Request::tell("1", "t").send(address).await);
    until(&mut first, "token").await;

    let second = Request::tell("2", "t").send(address).await;
    assert_eq!(second.status(), 200, "it waits its turn");
    let mut third = Request::tell("3", "t").send(address).await;
    assert_eq!((third.status(), third.header("retry-after").map(str::to_owned)), (409, Some("1".to_owned())));
    assert_eq!(third.error_code().await, "thread_busy");
    assert_eq!(ask(&server, "elsewhere", "another").await.text, "other");
    assert_eq!(stage.calls(), 2, "the second has not begun");

    stage.release(1);
    assert_eq!(first.rest().await.pop().unwrap().json()["type"], "done");
    assert_eq!(Answer::of_agent(&Events::of(second).rest().await).text, "two");
    assert_eq!(ask(&server, "4", "t").await.text, "two", "the line is empty again");
}

#[tokio::test]
async fn a_run_that_waits_its_turn_can_be_stopped() {
    let stage = Stage::plays([vec![say("one"), Step::Wait], vec![say("three")]]);
    let server = serve_agent(&stage, []);
    let address = server.address();
    let mut first = Events::of(Request::tell("1", "t").send(address).await);
    until(&mut first, "token").await;
    let second = Request::tell("2", "t").send(address).await;
    let third = Request::tell("3", "t").send(address).await;
    let stop = format!("/runs/{}/stop", second.run());
    assert_eq!(Request::new("POST", &stop).send(address).await.status(), 202);
    let ended = Answer::of_agent(&Events::of(second).rest().await);
    assert_eq!((ended.text.as_str(), ended.ending.as_deref()), ("", Some("stopped")));
    stage.release(1);
    assert_eq!(Answer::of_agent(&Events::of(third).rest().await).text, "three");
    assert_eq!(stage.calls(), 2);
}

#[tokio::test]
async fn a_server_says_what_it_serves() {
    let agent = serve_agent(&Stage::says(["a"]), []);
    let chat_alone = serve(&Stage::says(["a"]));
    for (server, path, status) in [
        (&agent, "/chat/stream?question=x", 404),
        (&agent, "/ws/chat", 404),
        (&chat_alone, "/agent/stream?message=x", 404),
        (&chat_alone, "/agent/graph", 404),
    ] {
        let mut response = Request::get(path).send(server.address()).await;
        assert_eq!((response.status(), response.error_code().await.as_str()), (status, "not_served"), "{path}");
    }
    let both = Server::new(config())
        .chat(|| chat(Stage::says(["a"])))
        .agent(|| react(Model::from(Stage::says(["b"])), []))
        .start()
        .unwrap();
    for (server, serves) in [(&agent, (false, true)), (&chat_alone, (true, false)), (&both, (true, true))] {
        let info = Request::get("/info").send(server.address()).await.json().await;
        assert_eq!((info["chat"].as_bool().unwrap(), info["agent"].as_bool().unwrap()), serves);
    }
    assert_eq!(ask(&both, "x", "t").await.text, "b");
}

#[test]
fn an_agent_that_cannot_be_built_is_an_error_of_the_start() {
    let twice = || react(Model::from(Stage::says(["a"])), [weather(), weather()]);
    let error = Server::new(config()).agent(twice).start().unwrap_err().to_string();
    assert!(error.contains("two tools are called \"get_weather\""), "{error}");
    let error = Server::new(config()).start().unwrap_err().to_string();
    assert!(error.contains("Server::agent"), "{error}");
}
