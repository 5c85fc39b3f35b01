//! The WebSocket in both its forms: conversations, several answers at once, and clients that break the rules.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::time::Duration;

use millstream::{Messages, Role};
use millstream_server::{Config, Limits};
use millstream_tests::http::Request;
use millstream_tests::socket::{self, RawSocket, Socket, masked};
use millstream_tests::sse::{Answer, Events};
use millstream_tests::{Stage, Step, config, serve, serve_with};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message as Frame;

fn say(token: &str) -> Step {
    Step::Say(token.to_owned())
}

fn conversation(messages: &Messages) -> Vec<(Role, String)> {
    messages.iter().map(|message| (message.role, message.text())).collect()
}

fn said(role: Role, text: &str) -> (Role, String) {
    (role, text.to_owned())
}

#[tokio::test]
async fn a_plain_socket_remembers_the_conversation() {
    let stage = Stage::plays([vec![say("first "), say("[DONE]")], vec![say("second")], vec![say("third")]]);
    let server = serve(&stage);
    let mut socket = Socket::plain(server.address()).await;
    socket.text("one").await;
    assert_eq!(socket.plain_answer().await, ["first ", "[DO", "NE]"]);
    socket.text("two").await;
    assert_eq!(socket.plain_answer().await, ["second"]);
    let (human, ai) = (Role::Human, Role::Ai);
    let expected = [said(human, "one"), said(ai, "first [DONE]"), said(human, "two")];
    assert_eq!(conversation(&stage.requests()[1]), expected);
    // Another connection is another conversation.
    let mut other = Socket::plain(server.address()).await;
    other.text("three").await;
    other.plain_answer().await;
    assert_eq!(conversation(&stage.requests()[2]), [said(human, "three")]);
}

#[tokio::test]
async fn questions_are_answered_in_order_and_never_mixed() {
    let stage = Stage::does([Step::Wait, Step::Recite]);
    let server = serve(&stage);
    let mut socket = Socket::plain(server.address()).await;
    let questions: Vec<Vec<String>> =
        (0..10).map(|number| (0..5).map(|token| format!("{number}.{token}")).collect()).collect();
    for question in &questions {
        socket.text(&json!(question).to_string()).await;
    }
    stage.called(1).await;
    assert_eq!(stage.alive(), 1);
    stage.release_all();
    for question in &questions {
        assert_eq!(&socket.plain_answer().await, question);
    }
}

#[tokio::test]
async fn a_ping_is_answered_in_the_middle_of_an_answer() {
    for plain in [true, false] {
        let stage = Stage::says_when_released(["a", "b"]);
        let server = serve(&stage);
        let mut socket =
            if plain { Socket::plain(server.address()).await } else { Socket::json(server.address()).await };
        let question =
            if plain { "?".to_owned() } else { json!({ "type": "ask", "id": "q", "question": "?" }).to_string() };
        socket.text(&question).await;
        stage.called(1).await;
        stage.release(1);
        while !socket.next_text().await.contains('a') {}
        socket.send(Frame::Ping("are you there?".into())).await;
        while socket.receive().await.unwrap() != Frame::Pong("are you there?".into()) {}
        stage.release(1);
        while !socket.next_text().await.contains('b') {}
    }
}

#[tokio::test]
async fn questions_that_cannot_be_asked_close_a_plain_socket() {
    let stage = Stage::says_when_released(["a"]);
    let limits = Limits { waiting: 2, message: 1000, ..Limits::default() };
    let server = serve_with(Config { limits, ..config() }, &stage);
    let cases: [(Vec<Frame>, u16); 5] = [
        (vec![Frame::text("")], 1008),
        (vec![Frame::text(" \n")], 1008),
        (vec![Frame::binary(b"question".to_vec())], 1003),
        (vec![Frame::text("x".repeat(1001))], 1009),
        (vec![Frame::text("1"), Frame::text("2"), Frame::text("3"), Frame::text("4")], 1008),
    ];
    for (number, (frames, code)) in cases.into_iter().enumerate() {
        let mut socket = Socket::plain(server.address()).await;
        let first = frames.first().cloned();
        for frame in frames {
            socket.send(frame).await;
            // The first question is asked at once, so that the others wait.
            if number == 4 && stage.calls() == 0 {
                stage.called(1).await;
            }
        }
        let (got, reason) = socket.closed().await;
        assert_eq!(got, code, "{first:?}");
        assert!(!reason.is_empty());
    }
    // At the limit is within it.
    let mut socket = Socket::plain(server.address()).await;
    stage.release_all();
    socket.text(&"x".repeat(1000)).await;
    assert_eq!(socket.plain_answer().await, ["a"]);
}

#[tokio::test]
async fn frames_that_break_the_rules_close_the_socket_with_their_code() {
    let server = serve(&Stage::says(["a"]));
    let fragment = |first: u8, text: &str| masked(first, text.as_bytes());
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("unmasked", b"\x81\x02hi".to_vec(), 1002),
        ("RSV1", masked(0x81 | 0x40, b"hi"), 1002),
        ("RSV2", masked(0x81 | 0x20, b"hi"), 1002),
        ("RSV3", masked(0x81 | 0x10, b"hi"), 1002),
        ("unknown data opcode", masked(0x83, b"hi"), 1002),
        ("unknown control opcode", masked(0x8b, b"hi"), 1002),
        ("stray continuation", masked(0x80, b"hi"), 1002),
        ("text inside a message", [fragment(0x01, "a"), fragment(0x81, "b")].concat(), 1002),
        ("long ping", [&[0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0][..], &[0; 126]].concat(), 1002),
        ("fragmented ping", masked(0x09, b""), 1002),
        ("invalid UTF-8", masked(0x81, b"\xff\xfe"), 1007),
        ("UTF-8 that is cut", masked(0x81, "é".as_bytes().split_last().unwrap().1), 1007),
        ("surrogates", masked(0x81, b"\xed\xa0\x80"), 1007),
        ("invalid UTF-8 in pieces", [masked(0x01, b"a\xc3"), masked(0x80, b"(")].concat(), 1007),
        ("binary", masked(0x82, b"hi"), 1003),
    ];
    for (what, bytes, code) in cases {
        let mut socket = RawSocket::connect(server.address()).await;
        assert!(socket.send(&bytes).await);
        assert_eq!(socket.close_code().await, Some(code), "{what}");
    }
    // Split in the middle of a character is fine.
    let mut socket = RawSocket::connect(server.address()).await;
    let (left, right) = "é".as_bytes().split_at(1);
    socket.send(&[masked(0x01, left), masked(0x89, b"ping"), masked(0x80, right)].concat()).await;
    assert_eq!(socket.receive().await, Some((0x8a, b"ping".to_vec())));
    assert_eq!(socket.receive().await, Some((0x81, b"a".to_vec())));
    assert_eq!(socket.receive().await, Some((0x81, b"[DONE]".to_vec())));
}

#[tokio::test]
async fn messages_that_are_too_large_are_refused_with_1009() {
    let stage = Stage::says(["a"]);
    let server = serve(&stage);
    // Announced.
    let mut socket = RawSocket::connect(server.address()).await;
    socket.send(&masked(0x81, &[b'x'; 3 << 20])[..100]).await;
    assert_eq!(socket.close_code().await, Some(1009));
    // Sent whole.
    let mut socket = RawSocket::connect(server.address()).await;
    socket.send(&masked(0x81, &vec![b'x'; 3 << 20])).await;
    assert_eq!(socket.close_code().await, Some(1009));
    // In fragments that never end.
    let mut socket = RawSocket::connect(server.address()).await;
    let mut sent = masked(0x01, &[b'x'; 64 << 10]);
    for _ in 0..32 {
        if !socket.send(&sent).await {
            break;
        }
        sent = masked(0x00, &[b'x'; 64 << 10]);
    }
    assert_eq!(socket.close_code().await, Some(1009));
    // In small fragments, of which one is too many.
    let mut socket = RawSocket::connect(server.address()).await;
    socket.send(&masked(0x01, &[b'x'; 1 << 19])).await;
    socket.send(&masked(0x00, &[b'x'; 1 << 19])).await;
    socket.send(&masked(0x00, b"x")).await;
    assert_eq!(socket.close_code().await, Some(1009));
    assert_eq!(stage.calls(), 0);
}

#[tokio::test]
async fn a_client_that_says_goodbye_is_answered() {
    let server = serve(&Stage::says(["a"]));
    let mut socket = RawSocket::connect(server.address()).await;
    socket.send(&masked(0x88, &1000_u16.to_be_bytes())).await;
    assert_eq!(socket.close_code().await, Some(1000));
    assert_eq!(socket.receive().await, None);
}

#[tokio::test]
async fn without_an_upgrade_the_path_says_what_it_is() {
    let server = serve(&Stage::says(["a"]));
    let upgrade = || Request::get("/ws/chat").header("connection", "upgrade").header("upgrade", "websocket");
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    for request in [
        Request::get("/ws/chat"),
        upgrade(),
        upgrade().header("sec-websocket-version", "13"),
        upgrade().header("sec-websocket-version", "7").header("sec-websocket-key", key),
    ] {
        let mut response = request.send(server.address()).await;
        assert_eq!((response.status(), response.error_code().await.as_str()), (400, "bad_request"));
    }
    let good = || upgrade().header("sec-websocket-version", "13").header("sec-websocket-key", key);
    for (offered, chosen) in
        [("chat.v1.json", Some("chat.v1.json")), ("x, chat.v1.json", Some("chat.v1.json")), ("x", None)]
    {
        let response = good().header("sec-websocket-protocol", offered).send(server.address()).await;
        assert_eq!((response.status(), response.header("sec-websocket-protocol")), (101, chosen));
        assert_eq!(response.header("sec-websocket-extensions"), None);
    }
}

#[tokio::test]
async fn json_frames_that_mean_nothing_are_answered_and_the_socket_stays() {
    let stage = Stage::says(["a"]);
    let server = serve(&stage);
    let mut socket = Socket::json(server.address()).await;
    for bad in [
        "nonsense",
        "",
        "[]",
        "7",
        "{}",
        "{\"type\":7}",
        "{\"type\":\"dance\",\"id\":\"q\"}",
        "{\"type\":\"ask\",\"question\":\"?\"}",
        "{\"type\":\"ask\",\"id\":7,\"question\":\"?\"}",
        "{\"type\":\"ask\",\"id\":\"\",\"question\":\"?\"}",
        "{\"type\":\"ask\",\"id\":\"q\"}",
        "{\"type\":\"ask\",\"id\":\"q\",\"question\":\" \"}",
        "{\"type\":\"ask\",\"id\":\"q\",\"question\":[\"x\"]}",
        "{\"type\":\"resume\",\"id\":\"q\",\"after\":\"x\"}",
        "{\"type\":\"resume\",\"id\":\"q\",\"run\":\"x\"}",
        "{\"type\":\"stop\"}",
    ] {
        socket.text(bad).await;
        let frame = socket.next_frame().await;
        assert_eq!((&frame["type"], &frame["code"]), (&json!("error"), &json!("bad_frame")), "{bad}");
        assert!(frame["id"].is_null() && frame["message"].as_str().is_some_and(|text| text.len() > 10), "{frame}");
    }
    socket.frame(json!({ "type": "ping" })).await;
    assert_eq!(socket.next_frame().await, json!({ "type": "pong" }));
    socket.frame(json!({ "type": "ask", "id": "q", "question": "?", "unknown": 1 })).await;
    let frames = socket.frames("q").await;
    assert_eq!((&frames[0]["type"], &frames[0]["seq"]), (&json!("started"), &json!(0)));
    assert_eq!(socket::fold(&frames).text, "a");
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn json_sockets_obey_the_same_rules_of_framing() {
    let limits = Limits { message: 1000, ..Limits::default() };
    let server = serve_with(Config { limits, ..config() }, &Stage::says(["a"]));
    for (frame, code) in [(Frame::binary(b"{}".to_vec()), 1003), (Frame::text("x".repeat(1001)), 1009)] {
        let mut socket = Socket::json(server.address()).await;
        socket.send(frame).await;
        assert_eq!(socket.closed().await.0, code);
    }
}

#[tokio::test]
async fn answers_at_the_same_time_are_told_apart() {
    let tokens: Vec<String> = (0..20).map(|number| format!("{number} ")).collect();
    let stage = Stage::does([Step::Wait, Step::Recite]);
    let server = serve(&stage);
    let mut socket = Socket::json(server.address()).await;
    let ids: Vec<String> = (0..8).map(|number| format!("q{number}")).collect();
    for id in &ids {
        let question: Vec<String> = tokens.iter().map(|token| format!("{id}:{token}")).collect();
        let question = json!(question).to_string();
        socket.frame(json!({ "type": "ask", "id": id, "question": question })).await;
    }
    stage.called(ids.len()).await;
    stage.release_all();
    let mut answers: HashMap<String, Vec<serde_json::Value>> = HashMap::new();
    let mut ended = 0;
    while ended < ids.len() {
        let frame = socket.next_frame().await;
        ended += usize::from(frame["type"] == "done");
        answers.entry(frame["id"].as_str().unwrap().to_owned()).or_default().push(frame);
    }
    for id in &ids {
        let answer = socket::fold(&answers[id]);
        let expected: String = tokens.iter().map(|token| format!("{id}:{token}")).collect();
        assert_eq!((answer.text, answer.ending.as_deref()), (expected, Some("stop")));
    }
}

#[tokio::test]
async fn a_json_socket_remembers_the_conversation_except_what_failed() {
    let failure = millstream::Error::new(millstream::ErrorKind::ProviderFailed, "x");
    let stage = Stage::plays([vec![say("first")], vec![say("half"), Step::Fail(failure)], vec![say("third")]]);
    let server = serve(&stage);
    let mut socket = Socket::json(server.address()).await;
    for (id, question) in [("1", "one"), ("2", "two"), ("3", "three")] {
        socket.frame(json!({ "type": "ask", "id": id, "question": question })).await;
        socket.frames(id).await;
    }
    let expected = [said(Role::Human, "one"), said(Role::Ai, "first"), said(Role::Human, "three")];
    assert_eq!(conversation(&stage.requests()[2]), expected);
}

#[tokio::test]
async fn a_json_socket_shows_all_that_an_answer_has() {
    let steps =
        [Step::Think("hm".to_owned()), say("text"), Step::Call("get_weather", vec!["{\"city\"", ":\"Paris\"}"])];
    let server = serve(&Stage::does(steps));
    let mut socket = Socket::json(server.address()).await;
    socket.frame(json!({ "type": "ask", "id": "q", "question": "?" })).await;
    let frames = socket.frames("q").await;
    let kinds: Vec<_> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["started", "reasoning", "token", "tool_call", "done"]);
    let call = &frames[3];
    assert_eq!((&call["tool"], &call["args"]), (&json!("get_weather"), &json!({ "city": "Paris" })));
    assert_eq!(call["call_id"], "call_1");
    let usage = &frames[4]["usage"];
    assert_eq!(usage["source"], "estimated");
    let total = usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], total);
}

#[tokio::test]
async fn coming_back_needs_the_run_or_a_name_that_cannot_be_guessed() {
    let secret_name = "a-name-of-at-least-22-characters";
    let stage = Stage::says_when_released(["a", "b"]);
    let limits = Limits { waiting: 3, ..Limits::default() };
    let server = serve_with(Config { limits, linger: Some(Duration::from_secs(3600)), ..config() }, &stage);
    let mut first = Socket::json(server.address()).await;
    for id in ["short", secret_name] {
        first.frame(json!({ "type": "ask", "id": id, "question": "?" })).await;
        assert_eq!(first.next_frame().await["type"], "started");
    }
    stage.called(2).await;
    drop(first);

    let mut second = Socket::json(server.address()).await;
    second.frame(json!({ "type": "resume", "id": "short", "after": 0 })).await;
    let refused = second.next_frame().await;
    assert_eq!((&refused["id"], &refused["code"]), (&json!("short"), &json!("unknown_answer")));
    second.frame(json!({ "type": "stop", "id": "short" })).await;
    assert_eq!(second.next_frame().await["code"], "unknown_answer");
    let unknown = "0191f2a0-5b7c-4d2e-8f3a-123456789abc";
    second.frame(json!({ "type": "resume", "id": "short", "run": unknown, "after": 0 })).await;
    assert_eq!(second.next_frame().await["code"], "unknown_run");
    second.frame(json!({ "type": "resume", "id": secret_name, "after": 99 })).await;
    assert_eq!(second.next_frame().await["code"], "bad_cursor");

    second.frame(json!({ "type": "resume", "id": secret_name, "after": 0 })).await;
    let started = second.next_frame().await;
    assert_eq!((&started["type"], &started["id"]), (&json!("started"), &json!(secret_name)));
    stage.release_all();
    let frames = second.frames(secret_name).await;
    assert_eq!(socket::fold(&frames).text, "ab");
    // On the connection that knows the name, and once more behind the end: nothing but the beginning.
    let last = frames.last().unwrap()["seq"].clone();
    second.frame(json!({ "type": "resume", "id": secret_name, "after": last })).await;
    assert_eq!(second.next_frame().await["type"], "started");
    second.frame(json!({ "type": "ping" })).await;
    assert_eq!(second.next_frame().await["type"], "pong");
    assert_eq!(stage.calls(), 2);
}

#[tokio::test]
async fn names_are_used_once_at_a_time_and_answers_are_bounded() {
    let stage = Stage::says_when_released(["a"]);
    let limits = Limits { waiting: 2, ..Limits::default() };
    let server = serve_with(Config { limits, ..config() }, &stage);
    let mut socket = Socket::json(server.address()).await;
    let ask = |id: &str| json!({ "type": "ask", "id": id, "question": "?" });
    socket.frame(ask("1")).await;
    assert_eq!(socket.next_frame().await["type"], "started");
    socket.frame(ask("1")).await;
    assert_eq!(socket.next_frame().await["code"], "duplicate_id");
    socket.frame(ask("2")).await;
    assert_eq!(socket.next_frame().await["type"], "started");
    socket.frame(ask("3")).await;
    assert_eq!(socket.next_frame().await["code"], "too_many_answers");
    stage.release_all();
    let mut ended = 0;
    while ended < 2 {
        ended += usize::from(socket.next_frame().await["type"] == "done");
    }
    // A name is free when its answer is over.
    socket.frame(ask("1")).await;
    assert_eq!(socket::fold(&socket.frames("1").await).text, "a");
    assert_eq!(stage.calls(), 3);
}

#[tokio::test]
async fn an_answer_that_began_on_a_socket_is_watched_and_stopped_over_http() {
    let stage = Stage::says_when_released(["a", "b"]);
    let server = serve(&stage);
    let mut socket = Socket::json(server.address()).await;
    socket.frame(json!({ "type": "ask", "id": "q", "question": "?" })).await;
    let run = socket.next_frame().await["run"].as_str().unwrap().to_owned();
    let mut events = Events::of(Request::get(&format!("/runs/{run}/stream")).send(server.address()).await);
    stage.release(1);
    assert_eq!(events.event().await.data, "a");
    assert_eq!(Request::post(&format!("/runs/{run}/stop"), "").send(server.address()).await.status(), 202);
    assert_eq!(Answer::of_plain(&events.rest().await).ending.as_deref(), Some("cancelled"));
    assert_eq!(socket::fold(&socket.frames("q").await).ending.as_deref(), Some("stopped"));
}
