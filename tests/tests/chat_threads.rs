//! Conversations of the chat that the server keeps: over every transport, across connections and restarts, one run at a time.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use millstream::graph::{Memory, react};
use millstream::store::Sqlite;
use millstream::{Error, ErrorKind, Finish, History, Message, Model, Role};
use millstream_server::{Config, Limits, Running, Server};
use millstream_tests::agent::{events, say};
use millstream_tests::http::Request;
use millstream_tests::socket::{Socket, fold};
use millstream_tests::sse::{Answer, Events};
use millstream_tests::{Stage, Step, chat, config, serve};
use serde_json::{Value, json};

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

fn asking(question: &str, thread: &str) -> Request {
    let body = json!({ "question": question, "thread_id": thread }).to_string();
    Request::post("/chat/stream", body).header("content-type", "application/json")
}

async fn ask(server: &Running, question: &str, thread: &str) -> Answer {
    Answer::of_plain(&events(server, asking(question, thread)).await)
}

fn keeping(stage: &Stage, store: &Memory) -> Running {
    let stage = stage.clone();
    Server::new(config()).chat(move || chat(stage.clone())).store(store.clone()).start().unwrap()
}

/// What is kept: the texts, and how the answers ended.
async fn kept(store: &Memory, thread: &str) -> Vec<(String, Option<Finish>)> {
    let messages = store.load(thread).await.unwrap();
    messages.iter().map(|message| (message.text(), message.finish)).collect()
}

#[tokio::test]
async fn a_conversation_with_a_name_goes_on_and_one_without_stands_alone() {
    let stage = Stage::plays([vec![say("Hello Ada.")], vec![say("Ada.")], vec![say("Who?")]]);
    let server = serve(&stage);
    ask(&server, "I am Ada.", "t").await;
    let get = Request::get("/chat/stream?question=Who+am+I%3F&thread_id=t");
    assert_eq!(Answer::of_plain(&events(&server, get).await).text, "Ada.");
    assert_eq!(last_request(&stage), [human("I am Ada."), ai("Hello Ada."), human("Who am I?")]);
    ask(&server, "Who am I?", "another").await;
    assert_eq!(last_request(&stage), [human("Who am I?")]);
    for body in [json!({ "question": "Who?" }), json!({ "question": "Who?", "thread_id": null })] {
        events(&server, Request::post("/chat/stream", body.to_string())).await;
        assert_eq!(last_request(&stage), [human("Who?")]);
    }
}

#[tokio::test]
async fn all_transports_go_on_with_the_same_conversation() {
    let stage = Stage::plays(["1", "2", "3", "4"].map(|number| vec![say(number)]));
    let server = serve(&stage);
    ask(&server, "by post", "t").await;
    let mut plain = Socket::plain_at(server.address(), "/ws/chat?thread_id=t").await;
    plain.text("by socket").await;
    assert_eq!(plain.plain_answer().await, ["2"]);
    plain.close().await;

    let mut socket = Socket::json(server.address()).await;
    socket.frame(json!({ "type": "ask", "id": "a", "question": "by frame", "thread_id": "t" })).await;
    assert_eq!(fold(&socket.frames("a").await).text, "3");
    let before = [human("by post"), ai("1"), human("by socket"), ai("2"), human("by frame")];
    assert_eq!(last_request(&stage), before);

    let mut named = Socket::json_at(server.address(), "/ws/chat?thread_id=t").await;
    named.frame(json!({ "type": "ask", "id": "a", "question": "by name" })).await;
    assert_eq!(fold(&named.frames("a").await).text, "4");
    assert_eq!(last_request(&stage)[5..], [ai("3"), human("by name")]);
}

#[tokio::test]
async fn a_socket_has_conversations_of_its_own_beside_those_that_are_kept() {
    let stage = Stage::says(["Yes."]);
    let server = serve(&stage);
    let mut socket = Socket::json(server.address()).await;
    let mut number = 0;
    let mut asked = async |question: &str, thread: Option<&str>| {
        number += 1;
        let id = format!("q{number}");
        socket.frame(json!({ "type": "ask", "id": id, "question": question, "thread_id": thread })).await;
        socket.frames(&id).await;
        last_request(&stage).into_iter().filter(|(role, _)| *role == Role::Human).map(|(_, text)| text).collect()
    };
    let heard: Vec<Vec<String>> = vec![
        asked("mine 1", None).await,
        asked("t 1", Some("t")).await,
        asked("mine 2", None).await,
        asked("u 1", Some("u")).await,
        asked("t 2", Some("t")).await,
    ];
    assert_eq!(heard, [vec!["mine 1"], vec!["t 1"], vec!["mine 1", "mine 2"], vec!["u 1"], vec!["t 1", "t 2"]]);
}

/// A file that is gone with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chat-threads-{}.db", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

#[tokio::test]
async fn a_server_that_is_started_again_with_the_same_file_goes_on() {
    let file = Scratch::new();
    let stage = Stage::plays([vec![say("Hello Ada.")], vec![say("You "), Step::Wait], vec![say("Ada.")]]);
    let start = || {
        let (stage, store) = (stage.clone(), Sqlite::open(&file.0).unwrap());
        Server::new(config()).chat(move || chat(stage.clone())).store(store).start().unwrap()
    };
    let server = start();
    ask(&server, "I am Ada.", "t").await;
    drop(server);

    // One that is stopped in the middle of an answer, whose reader is still there.
    let server = start();
    let mut cut = Socket::plain_at(server.address(), "/ws/chat?thread_id=t").await;
    cut.text("Who am I?").await;
    assert_eq!(cut.next_text().await, "You ");
    drop(server);

    assert_eq!(ask(&start(), "Again?", "t").await.text, "Ada.");
    let expected = [human("I am Ada."), ai("Hello Ada."), human("Who am I?"), ai("You "), human("Again?")];
    assert_eq!(last_request(&stage), expected);
}

#[tokio::test]
async fn what_was_said_before_a_stop_or_a_failure_is_kept_and_marked() {
    let error = || Step::Fail(Error::new(ErrorKind::ProviderFailed, "no"));
    let stage = Stage::plays([
        vec![say("Half"), Step::Wait],
        vec![say("Hm"), error()],
        vec![error()],
        vec![Step::Wait],
        vec![say("Gone"), Step::Wait],
        vec![say("Here.")],
    ]);
    let store = Memory::default();
    let server = keeping(&stage, &store);
    let stopped = async |question: &str, after: usize| {
        let mut run = Events::of(asking(question, "t").send(server.address()).await);
        stage.called(after).await;
        while after != 4 && run.event().await.data != "Half" {}
        let stop = format!("/runs/{}/stop", run.response.run());
        Request::new("POST", &stop).send(server.address()).await;
        assert_eq!(Answer::of_plain(&run.rest().await).ending.as_deref(), Some("cancelled"));
    };
    stopped("One", 1).await;
    assert_eq!(ask(&server, "Two", "t").await.ending.as_deref(), Some("provider_failed"));
    // Nothing was said to these.
    assert_eq!(asking("Three", "t").send(server.address()).await.status(), 502);
    stopped("Four", 4).await;
    // Left by the one who asked, which stops a plain socket's answer at once.
    let mut socket = Socket::plain_at(server.address(), "/ws/chat?thread_id=t").await;
    socket.text("Five").await;
    assert_eq!(socket.next_text().await, "Gone");
    socket.close().await;
    stage.left().await;

    assert_eq!(ask(&server, "Six", "t").await.text, "Here.");
    let marked = |text: &str, finish| (text.to_owned(), finish);
    let expected = [
        marked("One", None),
        marked("Half", Some(Finish::Cancelled)),
        marked("Two", None),
        marked("Hm", Some(Finish::Failed)),
        marked("Five", None),
        marked("Gone", Some(Finish::Cancelled)),
        marked("Six", None),
        marked("Here.", Some(Finish::Stop)),
    ];
    assert_eq!(kept(&store, "t").await, expected);
    let heard: Vec<_> = last_request(&stage).into_iter().map(|(_, text)| text).collect();
    assert_eq!(heard, ["One", "Half", "Two", "Hm", "Five", "Gone", "Six"]);
}

#[tokio::test]
async fn calls_without_results_are_not_kept() {
    let call = Step::Call("get_weather", vec!["{\"city\":\"Paris\"}"]);
    let stage = Stage::plays([vec![say("I look."), call.clone()], vec![call], vec![say("Hello.")]]);
    let store = Memory::default();
    let server = keeping(&stage, &store);
    for question in ["One", "Two", "Three"] {
        events(&server, asking(question, "t")).await;
    }
    assert_eq!(last_request(&stage), [human("One"), ai("I look."), human("Three")]);
    assert!(stage.requests()[2].iter().all(|message| message.tool_calls().count() == 0));
}

#[tokio::test]
async fn a_conversation_has_one_run_at_a_time_and_the_agents_are_others() {
    let stage = Stage::plays([vec![say("one"), Step::Wait], vec![say("other")], vec![say("agent")], vec![say("two")]]);
    let limits = Limits { waiting: 1, ..Limits::default() };
    let (talks, acts) = (stage.clone(), stage.clone());
    let server = Server::new(Config { limits, ..config() })
        .chat(move || chat(talks.clone()))
        .agent(move || react(Model::from(acts.clone()), []))
        .start()
        .unwrap();
    let address = server.address();
    let mut first = Socket::plain_at(address, "/ws/chat?thread_id=t").await;
    first.text("1").await;
    assert_eq!(first.next_text().await, "one");

    let second = asking("2", "t").send(address).await;
    assert_eq!(second.status(), 200, "it waits its turn");
    let mut third = asking("3", "t").send(address).await;
    assert_eq!((third.status(), third.error_code().await.as_str()), (409, "thread_busy"));
    let mut socket = Socket::json(address).await;
    socket.frame(json!({ "type": "ask", "id": "q", "question": "4", "thread_id": "t" })).await;
    let refused = socket.next_frame().await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("thread_busy")));
    assert_eq!(ask(&server, "elsewhere", "another").await.text, "other");
    assert_eq!(millstream_tests::agent::ask(&server, "agent", "t").await.text, "agent");
    assert_eq!(last_request(&stage), [human("agent")], "what the chat keeps is not the agent's");

    stage.release(1);
    assert_eq!(first.next_text().await, "[DONE]");
    assert_eq!(Answer::of_plain(&Events::of(second).rest().await).text, "two");
    assert_eq!(last_request(&stage), [human("1"), ai("one"), human("2")]);
}

#[tokio::test]
async fn names_that_are_none_are_refused_and_start_nothing() {
    let stage = Stage::says(["a"]);
    let server = serve(&stage);
    let long = "t".repeat(257);
    for (thread, why) in [(json!(7), "a number"), (json!(""), "empty"), (json!(long), "longer")] {
        let body = json!({ "question": "x", "thread_id": thread }).to_string();
        let mut response = Request::post("/chat/stream", body).send(server.address()).await;
        assert_eq!(response.status(), 422, "{why}");
        let error = response.json().await["error"].clone();
        assert_eq!(error["param"], "thread_id");
        assert!(error["message"].as_str().unwrap().contains(why), "{error}");
    }
    let upgrade = |target: &str| {
        Request::get(target)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    for (query, status) in [("thread_id=", 422), (&*format!("thread_id={long}"), 422), ("thread_id=%FF", 400)] {
        let get = Request::get(&format!("/chat/stream?question=x&{query}"));
        assert_eq!(get.send(server.address()).await.status(), status, "{query}");
        let socket = upgrade(&format!("/ws/chat?{query}"));
        assert_eq!(socket.send(server.address()).await.status(), status, "{query}");
    }
    let mut socket = Socket::json(server.address()).await;
    for thread in [json!(7), json!(""), json!(long), json!([])] {
        socket.frame(json!({ "type": "ask", "id": "q", "question": "x", "thread_id": thread })).await;
        let refused: Value = socket.next_frame().await;
        assert_eq!((&refused["code"], &refused["id"]), (&json!("bad_frame"), &json!(null)));
        assert!(refused["message"].as_str().unwrap().contains("thread_id"), "{refused}");
    }
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn the_model_hears_the_last_turns_and_all_are_kept() {
    let stage = Stage::says(["12345678"]);
    let store = Memory::default();
    let limits = Limits { history: 20, ..Limits::default() };
    let model = stage.clone();
    let server = Server::new(Config { limits, ..config() })
        .chat(move || chat(model.clone()))
        .store(store.clone())
        .start()
        .unwrap();
    for question in ["1", "2", "3", "4"] {
        ask(&server, question, "t").await;
    }
    assert_eq!(last_request(&stage), [human("2"), ai("12345678"), human("3"), ai("12345678"), human("4")]);
    assert_eq!(store.load("t").await.unwrap().len(), 8);
    // Somebody else wrote it.
    store.append("u", vec![Message::human("Hi"), Message::ai("Ho")].into()).await.unwrap();
    ask(&server, "5", "u").await;
    assert_eq!(last_request(&stage), [human("Hi"), ai("Ho"), human("5")]);
}

#[tokio::test]
async fn who_comes_back_reads_on_and_the_turn_is_kept_once() {
    let stage = Stage::plays([vec![say("one "), Step::Wait, say("two")], vec![say("next")]]);
    let store = Memory::default();
    let server = keeping(&stage, &store);
    let mut first = Events::of(asking("1", "t").send(server.address()).await);
    let last = loop {
        let event = first.event().await;
        if event.data == "one " {
            break event.id.clone();
        }
    };
    drop(first);
    let back = Request::new("POST", "/chat/stream").header("last-event-id", &last);
    let mut rest = Events::of(back.send(server.address()).await);
    stage.release(1);
    assert_eq!(Answer::of_plain(&rest.rest().await).text, "two");
    ask(&server, "2", "t").await;
    assert_eq!(last_request(&stage), [human("1"), ai("one two"), human("2")]);
}
