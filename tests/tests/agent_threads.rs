//! Conversations with an agent: each thread goes on where it was, whatever became of its last run, and whichever server has it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use millstream::graph::{Chat, END, Memory, START, StateGraph, react};
use millstream::{Cx, Error, ErrorKind, Message, Model, Role, tool};
use millstream_server::{Running, Server};
use millstream_tests::agent::{ask, asks_for_paris, events, say, schema, until, weather};
use millstream_tests::http::Request;
use millstream_tests::sse::{Answer, Events};
use millstream_tests::{Stage, Step, config, serve_agent, serve_graph};
use serde_json::json;

/// What the model was asked last: who said what.
fn last_request(stage: &Stage) -> Vec<(Role, String)> {
    stage.requests().pop().unwrap().iter().map(|message| (message.role, message.text())).collect()
}

fn human(text: &str) -> (Role, String) {
    (Role::Human, text.to_owned())
}

fn ai(text: &str) -> (Role, String) {
    (Role::Ai, text.to_owned())
}

#[tokio::test]
async fn the_second_message_knows_the_first_and_other_threads_do_not() {
    let stage = Stage::plays([vec![say("Hello Ada.")], vec![say("Ada.")], vec![say("Who?")]]);
    let server = serve_agent(&stage, []);
    ask(&server, "I am Ada.", "t").await;
    assert_eq!(ask(&server, "Who am I?", "t").await.text, "Ada.");
    assert_eq!(last_request(&stage), [human("I am Ada."), ai("Hello Ada."), human("Who am I?")]);
    ask(&server, "Who am I?", "another").await;
    assert_eq!(last_request(&stage), [human("Who am I?")]);
}

#[tokio::test]
async fn requests_without_a_thread_share_the_default_one() {
    let stage = Stage::says(["Yes."]);
    let server = serve_agent(&stage, []);
    let body = |text: &str| Request::post("/agent/stream", json!({ "message": text }).to_string());
    events(&server, body("One")).await;
    events(&server, Request::get("/agent/stream?message=Two")).await;
    ask(&server, "Three", "default").await;
    let questions: Vec<_> = last_request(&stage).into_iter().filter(|(role, _)| *role == Role::Human).collect();
    assert_eq!(questions, [human("One"), human("Two"), human("Three")]);
}

#[tokio::test]
async fn calls_and_results_belong_to_the_conversation_and_are_not_said_again() {
    let stage = asks_for_paris();
    let server = serve_agent(&stage, [weather()]);
    ask(&server, "How is Paris?", "t").await;
    let second = ask(&server, "Thanks", "t").await;
    assert_eq!((second.calls.len(), second.results.len(), second.text.as_str()), (0, 0, "Paris is sunny."));
    let result = (Role::Tool, "The weather in Paris is sunny, 25°C.".to_owned());
    assert_eq!(last_request(&stage), [human("How is Paris?"), ai(""), result, ai("Paris is sunny."), human("Thanks")]);
}

fn serving(stage: &Stage, store: &Memory) -> Running {
    let stage = stage.clone();
    Server::new(config()).agent(move || react(Model::from(stage.clone()), [])).store(store.clone()).start().unwrap()
}

#[tokio::test]
async fn another_server_with_the_same_store_goes_on() {
    let stage = Stage::plays([vec![say("Hello Ada.")], vec![say("Ada.")]]);
    let store = Memory::default();
    ask(&serving(&stage, &store), "I am Ada.", "t").await;
    assert_eq!(ask(&serving(&stage, &store), "Who am I?", "t").await.text, "Ada.");
    assert_eq!(last_request(&stage), [human("I am Ada."), ai("Hello Ada."), human("Who am I?")]);
}

#[tokio::test]
async fn a_conversation_goes_on_after_a_failure_and_after_a_stop() {
    let error = Error::new(ErrorKind::ProviderFailed, "no");
    let stage = Stage::plays([vec![say("Hm"), Step::Fail(error)], vec![say("Wait"), Step::Wait], vec![say("Here.")]]);
    let server = serve_agent(&stage, []);
    assert_eq!(ask(&server, "One", "t").await.ending.as_deref(), Some("provider_failed"));

    let mut stopped = Events::of(Request::tell("Two", "t").send(server.address()).await);
    until(&mut stopped, "token").await;
    let stop = format!("/runs/{}/stop", stopped.response.run());
    Request::new("POST", &stop).send(server.address()).await;
    stopped.rest().await;

    assert_eq!(ask(&server, "Three", "t").await.text, "Here.");
    let questions: Vec<_> = last_request(&stage).into_iter().filter(|(role, _)| *role == Role::Human).collect();
    assert_eq!(questions, [human("One"), human("Two"), human("Three")]);
}

#[tokio::test]
async fn a_conversation_goes_on_after_a_stop_inside_a_tool() {
    let call = Step::Call("get_weather", vec!["{\"city\":\"Paris\"}"]);
    let stage = Stage::plays([vec![call], vec![say("Never mind.")]]);
    let endless =
        tool("get_weather", "Never comes back.", schema(), async |_, _| std::future::pending::<String>().await);
    let server = serve_agent(&stage, [endless]);
    let mut stopped = Events::of(Request::tell("How is Paris?", "t").send(server.address()).await);
    until(&mut stopped, "tool_started").await;
    let stop = format!("/runs/{}/stop", stopped.response.run());
    Request::new("POST", &stop).send(server.address()).await;
    stopped.rest().await;
    let next = ask(&server, "Forget it", "t").await;
    assert_eq!((next.text.as_str(), next.ending.as_deref()), ("Never mind.", Some("stop")));
    // Providers refuse a conversation in which a call has no result.
    let roles: Vec<_> = last_request(&stage).into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, [Role::Human, Role::Ai, Role::Tool, Role::Human]);
}

#[tokio::test]
async fn a_run_that_asks_a_person_says_what_and_waits() {
    let server = serve_graph(config(), || {
        let send = async |_: Arc<Chat>, cx: Cx| {
            let agreed: bool = cx.interrupt(json!({ "send": "a letter" })).await?;
            Ok(Chat::update().messages([Message::ai(if agreed { "sent" } else { "thrown away" })]))
        };
        StateGraph::new().node("send", send).edge(START, "send").edge("send", END).compile().unwrap()
    });
    let mut response = Request::tell("Write", "t").send(server.address()).await;
    let run = response.run();
    let all = millstream_tests::sse::Parser::default().push(&response.bytes().await);
    let answer = Answer::of_agent(&all);
    assert_eq!(answer.ending.as_deref(), Some("interrupted"));
    assert_eq!(answer.asked[0]["content"], json!({ "send": "a letter" }));
    assert_eq!(answer.asked.len(), 1);
    let status = Request::get(&format!("/runs/{run}")).send(server.address()).await.json().await;
    assert_eq!(status["status"], "interrupted");
    let plain = Request::get(&format!("/runs/{run}/stream?format=plain"));
    assert_eq!(Answer::of_plain(&events(&server, plain).await).ending.as_deref(), Some("interrupted"));
}
