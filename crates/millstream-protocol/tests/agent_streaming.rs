//! The events of the Agent Streaming Protocol. The files in `agent_streaming/` hold the events of a run, and what LangGraph's
//! `astream_events(version="v3")` gives for the same graph,
//! with the ids of ours. An id that LangGraph invents for a message that a node returned without one is not in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millstream_core::{Body, Event, Finish, Message, PartWriter, Payload, Scope};
use millstream_protocol::agent_streaming::{AgentEvents, Form};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Recording {
    scopes: BTreeMap<String, Scope>,
    events: Vec<Recorded>,
    expected: Vec<Value>,
}

#[derive(Deserialize)]
struct Recorded {
    scope: String,
    body: Body,
}

impl Recording {
    fn read(name: &str) -> Self {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agent_streaming").join(name).with_extension("json");
        let text = std::fs::read_to_string(file).expect("a recording");
        serde_json::from_str(&text).expect("a recording in its form")
    }

    fn events(self) -> (Vec<Event>, Vec<Value>) {
        let scopes: BTreeMap<_, _> = self.scopes.into_iter().map(|(name, scope)| (name, Arc::new(scope))).collect();
        let events = self.events.into_iter().map(|event| Event::new(scopes[&event.scope].clone(), event.body));
        (events.collect(), self.expected)
    }
}

fn told(fold: &mut AgentEvents, events: &[Event]) -> Vec<Value> {
    events.iter().flat_map(|event| fold.see(event).iter().map(|told| json!(told)).collect::<Vec<_>>()).collect()
}

/// The methods and what they say, short enough to read.
fn outline(told: &[Value]) -> Vec<String> {
    let line = |event: &Value| {
        let params = &event["params"];
        let word = params["data"]["event"].as_str().unwrap_or_default();
        format!(
            "{} {} {word}",
            event["method"].as_str().unwrap_or("?"),
            params["namespace"].as_array().map_or(0, Vec::len)
        )
    };
    told.iter().map(|event| line(event).trim_end().to_owned()).collect()
}

#[test]
fn a_program_reads_what_the_reference_gives() {
    for name in [
        "tool-calls",
        "tool-call-invalid",
        "sub-two-levels",
        "sub-error",
        "returned",
        "nostream-tags",
        "non-streaming",
        "edited",
        "model-error",
        "interrupt-sub",
    ] {
        let (events, expected) = Recording::read(name).events();
        let told = told(&mut AgentEvents::new(Form::Program), &events);
        for (told, expected) in told.iter().zip(&expected) {
            assert_eq!(told, expected, "{name}");
        }
        assert_eq!(told.len(), expected.len(), "{name}");
    }
}

#[test]
fn a_client_of_a_server_is_told_of_the_run_and_of_the_graphs_inside() {
    let (events, _) = Recording::read("sub-two-levels").events();
    let told = told(&mut AgentEvents::new(Form::Server), &events);
    assert_eq!(
        outline(&told),
        [
            "lifecycle 0 running",
            "values 0",
            "values 1",
            "lifecycle 1 started",
            "values 2",
            "lifecycle 2 started",
            "messages 2 message-start",
            "messages 2 content-block-start",
            "messages 2 content-block-delta",
            "messages 2 content-block-finish",
            "messages 2 message-finish",
            "updates 2",
            "values 2",
            "updates 1",
            "lifecycle 2 completed",
            "values 1",
            "updates 0",
            "lifecycle 1 completed",
            "values 0",
            "updates 0",
            "lifecycle 0 completed",
        ]
    );
    let numbers: Vec<u64> = told.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=21).collect::<Vec<_>>());
    assert_eq!(told[17]["params"]["data"], json!({"event": "completed", "graph_name": "child"}));
    assert_eq!(told[20]["params"]["data"], json!({"event": "completed", "graph_name": "LangGraph"}));
    let answer = &told[11]["params"]["data"]["x"]["messages"][0];
    assert_eq!(answer["content"], json!([{"type": "text", "text": "one", "index": 0}]));
    assert_eq!(answer["response_metadata"], json!({"output_version": "v1"}));
}

#[test]
fn a_client_hears_of_a_failure_once_and_not_in_the_words_of_the_code() {
    let (events, _) = Recording::read("sub-error").events();
    let told = told(&mut AgentEvents::new(Form::Server), &events);
    let failed: Vec<&Value> = told.iter().filter(|event| event["params"]["data"]["event"] == "failed").collect();
    assert_eq!(failed.len(), 2, "the graph inside, and the run");
    for event in failed {
        let error = event["params"]["data"]["error"].as_str().unwrap();
        assert!(!error.is_empty() && !error.contains("boom"), "{error}");
    }
}

#[test]
fn a_message_that_broke_off_says_so_to_clients() {
    let (events, _) = Recording::read("model-error").events();
    let told = told(&mut AgentEvents::new(Form::Server), &events);
    let last: Vec<&Value> = told.iter().filter(|event| event["method"] == "messages").collect();
    assert_eq!(last.last().unwrap()["params"]["data"], json!({"event": "error", "message": "The model failed."}));
}

#[test]
fn tasks_are_told_to_those_who_want_them_without_the_words_of_errors() {
    let (events, _) = Recording::read("sub-error").events();
    let without = told(&mut AgentEvents::new(Form::Server), &events);
    assert!(without.iter().all(|event| event["method"] != "tasks"));
    let with = told(&mut AgentEvents::new(Form::Server).with_tasks(), &events);
    let tasks: Vec<&Value> = with.iter().filter(|event| event["method"] == "tasks").collect();
    assert_eq!(tasks.len(), 6);
    assert!(tasks.iter().all(|event| !event.to_string().contains("boom")));
    assert_eq!(tasks.last().unwrap()["params"]["data"]["error"], "failed");
}

/// A state whose messages are ours, not LangChain's JSON.
fn state(scope: &Arc<Scope>, messages: &[Message]) -> Event {
    Event::new(scope.clone(), Body::Values { state: Payload::new(json!({ "messages": messages })) })
}

#[test]
fn messages_of_our_own_are_written_as_langchain_writes_them() {
    let (events, _) = Recording::read("tool-calls").events();
    let scope = events[0].scope.clone();
    let mut writer = PartWriter::new("m1");
    writer.reasoning("hm");
    writer.text("Let me see");
    let call = writer.tool_call("c1", "weather");
    writer.arguments(call, r#"{"city":"SF"}"#).unwrap();
    writer.end(Finish::ToolCalls);
    let mut fold = AgentEvents::new(Form::Server);
    let mut message = millstream_core::MessageFold::default();
    let mut finish = Vec::new();
    while let Some(chunk) = writer.take() {
        message.push(&chunk).unwrap();
        let said = told(&mut fold, &[Event::new(scope.clone(), Body::Message { chunk })]);
        finish.extend(said.into_iter().filter(|event| event["params"]["data"]["event"] == "content-block-finish"));
    }
    let message = message.finish().unwrap();
    let call = json!({"type": "tool_call", "id": "c1", "name": "weather", "args": {"city": "SF"}});
    assert_eq!(finish[2]["params"]["data"]["content"], call);

    let mut other = message.clone();
    other.id = Some("m2".to_owned());
    let told = told(&mut fold, &[state(&scope, &[message, other])]);
    let [streamed, returned] = told[0]["params"]["data"]["messages"].as_array().unwrap().as_slice() else { panic!() };
    let thought = json!({"type": "reasoning", "reasoning": "hm", "index": 0});
    let text = json!({"type": "text", "text": "Let me see", "index": 1});
    assert_eq!(
        streamed,
        &json!({
            "type": "ai", "id": "m1", "content": [thought, text, call], "tool_calls": [call],
            "response_metadata": {"output_version": "v1"},
        })
    );
    let content = json!([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "Let me see"}]);
    assert_eq!(returned, &json!({"type": "ai", "id": "m2", "content": content, "tool_calls": [call]}));
}

#[test]
fn a_client_is_asked_once_before_the_run_ends() {
    let (events, _) = Recording::read("interrupt-sub").events();
    let told = told(&mut AgentEvents::new(Form::Server), &events);
    assert_eq!(
        outline(&told),
        [
            "lifecycle 0 running",
            "checkpoints 0",
            "values 0",
            "checkpoints 0",
            "checkpoints 1",
            "values 1",
            "checkpoints 1",
            "lifecycle 1 started",
            "input.requested 1",
            "lifecycle 1 interrupted",
            "lifecycle 0 interrupted",
        ]
    );
    let asked = &told[8]["params"]["data"];
    assert_eq!((&asked["payload"], asked["interrupt_id"].is_string()), (&json!("q"), true));
}

#[test]
fn what_tools_do_is_told() {
    let (events, _) = Recording::read("tool-calls").events();
    let scope = events[0].scope.clone();
    let call = serde_json::from_value(json!({"id": "c1", "name": "weather", "args": {"city": "SF"}})).unwrap();
    let (good, bad) = (Message::tool("c1", "sunny"), Message::tool_failure("c2", "time", "no clock"));
    let events = [
        Body::ToolStarted { call },
        Body::ToolFinished { result: Box::new(good) },
        Body::ToolFinished { result: Box::new(bad) },
    ]
    .map(|body| Event::new(scope.clone(), body));
    let told = told(&mut AgentEvents::new(Form::Server), &events);
    assert_eq!(told, self::told(&mut AgentEvents::new(Form::Program).with_tools(), &events));
    assert!(self::told(&mut AgentEvents::new(Form::Program), &events).is_empty());
    let data: Vec<&Value> = told.iter().map(|event| &event["params"]["data"]).collect();
    let started =
        json!({"event": "tool-started", "tool_call_id": "c1", "tool_name": "weather", "input": {"city": "SF"}});
    let output = json!({"type": "tool", "content": "sunny", "tool_call_id": "c1"});
    assert_eq!(data[0], &started);
    assert_eq!(data[1], &json!({"event": "tool-finished", "tool_call_id": "c1", "output": output}));
    assert_eq!(data[2], &json!({"event": "tool-error", "tool_call_id": "c2", "message": "Error: no clock"}));
}
