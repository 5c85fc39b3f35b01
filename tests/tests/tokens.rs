//! Any token text arrives as it is, in every form: the table of what clients lose elsewhere, and texts at random.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use millstream_tests::http::Request;
use millstream_tests::socket::{self, Socket};
use millstream_tests::sse::{Answer, Events};
use millstream_tests::{Stage, Step, serve};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

/// Answers, each as its tokens.
fn table() -> Vec<Vec<&'static str>> {
    vec![
        vec!["Hello", " world"],
        vec!["\n\n"],
        vec!["a", "\n", "b", "\n\n", "c"],
        vec!["a\nb"],
        vec!["event: y\n", ": x", "data: z\n\ndata: w", "id: 7\n\n", "retry: 1\n"],
        vec![" x", "  y", " ", "\t"],
        vec!["[DONE]"],
        vec!["[DONE]", "[DONE]"],
        vec!["a\n[DONE]\nb", "\n[DONE]", "[DONE]\n", " [DONE]", "[DONE] "],
        vec!["[DO", "NE]", "[DONE"],
        vec!["\r"],
        vec!["a\rb", "c\r\nd", "\r\r\n\n\r"],
        vec!["a\r", "\nb", "\r", "\n", "\r", "c"],
        vec!["", "a", "", ""],
        vec!["\u{0}", "a\u{0}b"],
        vec!["\u{2028}", "\u{2029}", "\u{85}", "\u{b}", "\u{c}"],
        vec!["\u{feff}", "\u{feff}x"],
        vec!["Zoë", " 漢字", "👩‍👩‍👧", "🏳️‍🌈", "e\u{301}"],
        vec!["\"", "\\", "\\n", "\\u0000", "</script>", "{\"token\":\"x\"}", "{\"done\":true}"],
        vec!["{", "}", "data:", ":", "event"],
        vec![],
    ]
}

fn whole(tokens: &[String]) -> Vec<&str> {
    tokens.iter().map(String::as_str).filter(|token| !token.is_empty()).collect()
}

fn line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// One client of each form; they ask for the tokens that they check.
struct Clients {
    address: SocketAddr,
    plain: Socket,
    json: Socket,
    asked: usize,
}

impl Clients {
    async fn connect(address: SocketAddr) -> Self {
        Self { address, plain: Socket::plain(address).await, json: Socket::json(address).await, asked: 0 }
    }

    async fn check(&mut self, tokens: &[String]) {
        let question = json!(tokens).to_string();
        let (exact, text) = (whole(tokens), tokens.concat());

        let mut events = Events::of(Request::ask("/chat/stream", &question).send(self.address).await);
        let plain = Answer::of_plain(&events.rest().await);
        assert_eq!(
            (plain.text, plain.ending.as_deref()),
            (line_feeds(&text), Some("stop")),
            "plain events, {tokens:?}"
        );

        let mut events = Events::of(Request::ask("/chat/stream?format=json", &question).send(self.address).await);
        let events = events.rest().await;
        let data: Vec<_> = events.iter().map(|event| event.json()).collect();
        let got: Vec<_> = data.iter().filter_map(|data| data["token"].as_str()).collect();
        assert_eq!(got, exact, "JSON events");
        assert_eq!(Answer::of_json(&events).ending.as_deref(), Some("stop"), "{tokens:?}");

        self.plain.text(&question).await;
        let got = self.plain.plain_answer().await;
        let cut = exact.iter().flat_map(|token| if *token == "[DONE]" { vec!["[DO", "NE]"] } else { vec![*token] });
        assert_eq!(got, cut.collect::<Vec<_>>(), "plain socket");

        self.asked += 1;
        let id = format!("q{}", self.asked);
        self.json.frame(json!({ "type": "ask", "id": id, "question": question })).await;
        let frames = self.json.frames(&id).await;
        let got: Vec<_> = frames.iter().filter_map(|frame| frame["text"].as_str()).collect();
        assert_eq!(got, exact, "JSON socket");
        assert_eq!(socket::fold(&frames).ending.as_deref(), Some("stop"));
    }
}

#[tokio::test]
async fn every_text_of_the_table_arrives_as_it_is() {
    let server = serve(&Stage::does([Step::Recite]));
    let mut clients = Clients::connect(server.address()).await;
    for tokens in table() {
        let tokens: Vec<String> = tokens.into_iter().map(str::to_owned).collect();
        clients.check(&tokens).await;
    }
    let all: Vec<String> = table().concat().into_iter().map(str::to_owned).collect();
    clients.check(&all).await;
}

#[tokio::test]
async fn a_long_token_arrives_as_it_is() {
    let long = "long line ".repeat(20_000) + &"\nline".repeat(10_000);
    let server = serve(&Stage::says([long.clone(), "end".to_owned()]));
    let mut events = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
    assert_eq!(Answer::of_plain(&events.rest().await).text, long.clone() + "end");
    let mut socket = Socket::plain(server.address()).await;
    socket.text("?").await;
    assert_eq!(socket.plain_answer().await, [long, "end".to_owned()]);
}

#[test]
fn any_text_in_any_tokens_arrives_as_it_is() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = serve(&Stage::does([Step::Recite]));
    let clients = runtime.block_on(Clients::connect(server.address()));
    let clients = std::cell::RefCell::new(clients);
    let dangerous = prop_oneof![
        "[\\[\\]DONE\r\n :]{0,8}",
        Just("[DONE]".to_owned()),
        "(data|event|id|retry|): ?[\r\na\u{0}]{0,3}",
        any::<String>(),
        "\\PC{0,4}",
    ];
    let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(dangerous, 0..12), |tokens| {
            runtime.block_on(clients.borrow_mut().check(&tokens));
            Ok(())
        })
        .unwrap();
    drop(clients);
}

#[tokio::test]
async fn framing_is_what_every_client_accepts() {
    let server = serve(&Stage::says(["a\r\nb", "\u{feff}", "[DONE]"]));
    for target in ["/chat/stream", "/chat/stream?format=json"] {
        let mut response = Request::ask(target, "?").send(server.address()).await;
        assert_eq!(response.header("content-type"), Some("text/event-stream; charset=utf-8"));
        assert_eq!(response.header("cache-control"), Some("no-cache, no-transform"));
        assert_eq!(response.header("x-accel-buffering"), Some("no"));
        assert_eq!((response.header("content-length"), response.header("content-encoding")), (None, None));
        let run = response.run();
        let text = String::from_utf8(response.bytes().await).unwrap();
        assert!(text.starts_with(&format!("retry: 1000\nid: {run}:0\n\n")), "{text}");
        assert!(!text.contains('\r') && text.ends_with("\n\n"));
        for line in text.lines().filter(|line| !line.is_empty()) {
            assert!(["data: ", "id: ", "retry: "].iter().any(|field| line.starts_with(field)), "{line:?}");
        }
        // Every event has an id of its own.
        let ids: Vec<_> = text.lines().filter(|line| line.starts_with("id: ")).collect();
        let mut unique = ids.clone();
        unique.dedup();
        assert_eq!(ids, unique);
        assert_eq!(ids.len(), text.split_terminator("\n\n").count());
    }
}
