//! Silence is filled, so that no hop cuts the stream; what fills it moves no cursor.

use std::time::Duration;

use millstream_server::Config;
use millstream_tests::http::{Request, Response};
use millstream_tests::sse::{Answer, Event, Events, Parser};
use millstream_tests::{Stage, config, serve_with, within};

fn impatient() -> Config {
    Config { heartbeat: Duration::from_millis(50), ..config() }
}

/// Reads until `enough`.
async fn read(response: &mut Response, client: &mut Parser, enough: impl Fn(&Parser, &[Event]) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    within(async {
        while !enough(client, &events) {
            events.extend(client.push(&response.chunk().await.expect("more of the stream")));
        }
    })
    .await;
    events
}

#[tokio::test]
async fn keep_alives_come_in_silence_and_move_no_cursor() {
    for (json, target) in [(false, "/chat/stream"), (true, "/chat/stream?format=json")] {
        let stage = Stage::says_when_released(["a", "b"]);
        let server = serve_with(impatient(), &stage);
        let mut response = Request::ask(target, "?").send(server.address()).await;
        let run = response.run();
        let mut client = Parser::default();
        // The first block is there before any token.
        let mut events = read(&mut response, &mut client, |client, _| !client.last_event_id.is_empty()).await;
        assert_eq!((client.last_event_id.clone(), client.retry), (format!("{run}:0"), Some(1000)));
        for _ in 0..2 {
            let (before, id) = (client.comments, client.last_event_id.clone());
            let silence = read(&mut response, &mut client, |client, _| client.comments >= before + 2).await;
            assert_eq!((silence, &client.last_event_id), (Vec::new(), &id));
            stage.release(1);
            events.extend(read(&mut response, &mut client, |_, events| !events.is_empty()).await);
            assert_ne!(client.last_event_id, id);
        }
        events.extend(client.push(&response.bytes().await));
        let answer = if json { Answer::of_json(&events) } else { Answer::of_plain(&events) };
        assert_eq!((answer.text.as_str(), answer.ending.as_deref()), ("ab", Some("stop")));
    }
}

#[tokio::test]
async fn a_viewer_that_came_back_is_kept_alive_too() {
    let stage = Stage::says_when_released(["a"]);
    let server = serve_with(impatient(), &stage);
    let mut first = Events::of(Request::ask("/chat/stream", "?").send(server.address()).await);
    let id = first.opened().await.last_event_id.clone();
    drop(first);
    let mut response = Request::get("/chat/stream").header("last-event-id", &id).send(server.address()).await;
    let mut client = Parser::default();
    read(&mut response, &mut client, |client, _| client.comments >= 2).await;
    // No id came, so the client keeps its own.
    assert_eq!(client.last_event_id, "");
    stage.release(1);
    assert_eq!(Answer::of_plain(&client.push(&response.bytes().await)).text, "a");
}
