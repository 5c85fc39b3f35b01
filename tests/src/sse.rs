//! Server-Sent Events as a conforming client reads them (WHATWG HTML, 9.2.6), and the answers that they are.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::http::Response;
use crate::within;

/// An event, as a client gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its type: `message` unless the server says otherwise.
    pub kind: String,
    /// Its data.
    pub data: String,
    /// The last event id at this event.
    pub id: String,
}

impl Event {
    /// The data as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("not JSON: {:?}", self.data))
    }
}

/// A parser that takes bytes as they come.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    /// The last event id of a client that loses the connection now.
    pub last_event_id: String,
    /// The server's word on how long to wait before coming back.
    pub retry: Option<u64>,
    /// How many comments have come.
    pub comments: usize,
    line: Vec<u8>,
    after_cr: bool,
    id: String,
    kind: String,
    data: String,
}

impl Parser {
    /// Takes more bytes; gives the events that are complete with them.
    ///
    /// # Panics
    /// When a line is not UTF-8.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
                    events.extend(self.line(&line));
                }
                byte => self.line.push(byte),
            }
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "data" => {
                self.data += value;
                self.data.push('\n');
            }
            "event" => value.clone_into(&mut self.kind),
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" => self.retry = value.parse().ok(),
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        self.last_event_id.clone_from(&self.id);
        let kind = std::mem::take(&mut self.kind);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        Some(Event { kind, data, id: self.last_event_id.clone() })
    }
}

/// The events of a response, one by one.
#[derive(Debug)]
pub struct Events {
    /// The response.
    pub response: Response,
    /// The state of the client.
    pub parser: Parser,
    ready: VecDeque<Event>,
}

impl Events {
    /// Reads the events of a response.
    ///
    /// # Panics
    /// When it has none.
    pub fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.header("content-type"), Some("text/event-stream; charset=utf-8"));
        Self { response, parser: Parser::default(), ready: VecDeque::new() }
    }

    /// The next event; `None` at the proper end of the body.
    ///
    /// # Panics
    /// When the body breaks off, or nothing comes.
    pub async fn next(&mut self) -> Option<Event> {
        // Around the whole: keep-alives must not feed the patience.
        within(async {
            loop {
                if let Some(event) = self.ready.pop_front() {
                    return Some(event);
                }
                let chunk = self.response.chunk().await?;
                self.ready.extend(self.parser.push(&chunk));
            }
        })
        .await
    }

    /// The next event.
    ///
    /// # Panics
    /// When the stream ends instead.
    pub async fn event(&mut self) -> Event {
        self.next().await.expect("one event more")
    }

    /// All that is left.
    ///
    /// # Panics
    /// When the body breaks off, or nothing comes.
    pub async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Waits until the connection has said who it is, without any token.
    ///
    /// # Panics
    /// When the stream ends instead.
    pub async fn opened(&mut self) -> &Parser {
        while self.parser.retry.is_none() {
            let chunk = self.response.chunk().await.expect("a first block");
            self.ready.extend(self.parser.push(&chunk));
        }
        &self.parser
    }
}

/// What an answer says, and how it ended.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The text.
    pub text: String,
    /// What the model thought.
    pub reasoning: String,
    /// Its tool calls.
    pub calls: Vec<Value>,
    /// The arguments of its tool calls, as they grew.
    pub grown: BTreeMap<String, String>,
    /// What its tools gave.
    pub results: Vec<Value>,
    /// What its tools and nodes wrote.
    pub written: Vec<Value>,
    /// What a person is asked.
    pub asked: Vec<Value>,
    /// The nodes that ran, in the order in which they began.
    pub nodes: Vec<String>,
    /// The nodes that have begun and not ended.
    pub active: Vec<String>,
    /// The node that speaks.
    pub speaker: Option<String>,
    /// How it ended: the reason of `done`, or the code of the error; nothing if it goes on.
    pub ending: Option<String>,
}

impl Answer {
    /// The fold of the plain form.
    ///
    /// # Panics
    /// When something comes behind the end.
    pub fn of_plain<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut answer = Self::default();
        for event in events {
            assert_eq!(answer.ending, None, "{event:?} came behind the end");
            match (event.kind.as_str(), event.data.as_str()) {
                ("message", "[DONE]") => answer.ending = Some("stop".to_owned()),
                ("message", text) => {
                    assert!(!text.split('\n').any(|line| line == "[DONE]"), "a line that looks like the end: {text:?}");
                    answer.text += text;
                }
                ("error", _) => answer.ending = Some(event.json()["code"].as_str().unwrap().to_owned()),
                _ => panic!("{event:?} is not of the plain form"),
            }
        }
        answer
    }

    /// The fold of the JSON form.
    ///
    /// # Panics
    /// When something comes behind the end, or is unknown.
    pub fn of_json<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut answer = Self::default();
        for event in events {
            assert_eq!(answer.ending, None, "{event:?} came behind the end");
            assert_eq!(event.kind, "message");
            let data = event.json();
            if let Some(token) = data["token"].as_str() {
                answer.text += token;
            } else if let Some(token) = data["reasoning"].as_str() {
                answer.reasoning += token;
            } else if data["tool_call"].is_object() {
                answer.calls.push(data["tool_call"].clone());
            } else if data["tool_result"].is_object() {
                answer.results.push(data["tool_result"].clone());
            } else if data["done"] == true {
                answer.ending = Some(data["reason"].as_str().unwrap().to_owned());
            } else {
                answer.ending = Some(data["code"].as_str().expect("an error has a code").to_owned());
            }
        }
        answer
    }

    /// The fold of the agent's form.
    ///
    /// # Panics
    /// When something comes behind the end, is unknown, or comes in the wrong order.
    pub fn of_agent<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut answer = Self::default();
        for event in events {
            assert_eq!(answer.ending, None, "{event:?} came behind the end");
            assert_eq!(event.kind, "message");
            let data = event.json();
            let text = |name: &str| data[name].as_str().unwrap_or_else(|| panic!("{data} has no {name}")).to_owned();
            let outside = data["namespace"].is_null();
            match text("type").as_str() {
                "token" => answer.text += &text("content"),
                "reasoning" => answer.reasoning += &text("content"),
                "tool_call_started" => assert_eq!(answer.grown.insert(text("id"), String::new()), None, "{data}"),
                "tool_call_args" => *answer.grown.get_mut(&text("id")).unwrap() += &text("delta"),
                "tool_call" => answer.calls.push(data),
                "tool_started" => assert!(answer.calls.iter().any(|call| call["id"] == data["id"]), "{data}"),
                "tool_result" => answer.results.push(data),
                "custom" => answer.written.push(data),
                "interrupt" => answer.asked.push(data),
                "speaker" => answer.speaker = Some(text("node")),
                "node_started" if outside => {
                    answer.nodes.push(text("node"));
                    answer.active.push(text("node"));
                }
                "node_finished" if outside => {
                    let at = answer.active.iter().position(|node| *node == text("node")).unwrap();
                    answer.active.remove(at);
                }
                "node_started" | "node_finished" => {}
                "done" => answer.ending = Some(text("reason")),
                "error" => answer.ending = Some(text("code")),
                other => panic!("there is no type {other}"),
            }
        }
        answer
    }
}
