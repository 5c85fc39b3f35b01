//! An agent over the wire: what it says, calls and hears comes once and in order, and a conversation has one run at a time.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use millstream::graph::{Chat, END, Graph, START, StateGraph};
use millstream::{Cx, Error, ErrorKind, Message, Model, Runnable, Tool, tool};
use millstream_server::{Config, Limits, Server};
use millstream_tests::http::Request;
use millstream_tests::sse::{Answer, Event, Events, Parser};
use millstream_tests::{Stage, Step, chat, config, serve, serve_agent, serve_graph, within};
use serde_json::{Value, json};

const SECRET: &str = "sk-sentinel-4711";

fn say(token: &str) -> Step {
    Step::Say(token.to_owned())
}

/// Calls the tool for Paris, its arguments in these pieces; then says that it is sunny.
fn asks_for_paris() -> Stage {
    let call = Step::Call("get_weather", vec!["{\"ci", "ty\": \"Pa", "ris\"}"]);
    Stage::plays([vec![call], vec![say("Paris"), say(" is"), say(" sunny.")]])
}

fn schema() -> Value {
    json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] })
}

fn weather() -> Arc<dyn Tool> {
    tool("get_weather", "Get current weather for a city.", schema(), async |args: Value, cx: Cx| {
        cx.write(json!({ "looking": "out of the window" })).await?;
        Ok(format!("The weather in {} is sunny, 25°C.", args["city"].as_str().unwrap()))
    })
}

fn failing(text: &'static str) -> Arc<dyn Tool> {
    tool("get_weather", "Fails.", schema(), move |_, _| async move { Err(Error::new(ErrorKind::Failed, text)) })
}

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
            std::future::pending().await
        }
    })
}

async fn events(server: &millstream_server::Running, request: Request) -> Vec<Event> {
    Events::of(request.send(server.address()).await).rest().await
}

async fn ask(server: &millstream_server::Running, message: &str, thread: &str) -> Answer {
    Answer::of_agent(&events(server, Request::tell(message, thread)).await)
}

/// Reads until something of the type comes.
async fn until(events: &mut Events, kind: &str) -> Value {
    loop {
        let data = events.event().await.json();
        if data["type"] == kind {
            return data;
        }
    }
}

#[tokio::test]
async fn the_first_samples_reader_finds_what_it_knows_and_nothing_twice() {
    let server = serve_agent(&asks_for_paris(), [weather()]);
    let all = events(&server, Request::tell("How is Paris?", "t")).await;
    let known: Vec<Value> = all
        .iter()
        .map(Event::json)
        .filter(|data| ["token", "tool_call", "tool_result", "done", "error"].contains(&data["type"].as_str().unwrap()))
        .collect();
    let usage = known.last().unwrap()["usage"].clone();
    let expected = [
        json!({ "type": "tool_call", "tool": "get_weather", "args": { "city": "Paris" }, "id": "call_1" }),
        json!({ "type": "tool_result", "id": "call_1", "content": "The weather in Paris is sunny, 25°C." }),
        json!({ "type": "token", "content": "Paris" }),
        json!({ "type": "token", "content": " is" }),
        json!({ "type": "token", "content": " sunny." }),
        json!({ "type": "done", "reason": "stop", "usage": usage }),
    ];
    assert_eq!(known, expected);
    assert!(all.iter().all(|event| event.kind == "message"), "EventSource gives each to onmessage");
}

#[tokio::test]
async fn calls_grow_tools_report_and_nodes_are_told() {
    let server = serve_agent(&asks_for_paris(), [weather()]);
    let all = events(&server, Request::tell("How is Paris?", "t")).await;
    let answer = Answer::of_agent(&all);
    assert_eq!(answer.grown["call_1"], r#"{"city": "Paris"}"#);
    let written =
        json!({ "type": "custom", "id": "call_1", "content": { "looking": "out of the window" }, "node": "tools" });
    assert_eq!(answer.written, [written]);
    assert_eq!(
        (answer.nodes.as_slice(), answer.active.as_slice()),
        (&["agent", "tools", "agent"].map(String::from)[..], &[][..])
    );
    assert_eq!(answer.speaker.as_deref(), Some("agent"));
    let order: Vec<String> = all.iter().map(|event| event.json()["type"].as_str().unwrap().to_owned()).collect();
    let at = |kind: &str| order.iter().position(|one| one == kind).unwrap();
    let path = [
        "node_started",
        "speaker",
        "tool_call_started",
        "tool_call_args",
        "tool_call",
        "tool_started",
        "custom",
        "tool_result",
        "token",
    ];
    assert!(path.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{order:?}");
    assert_eq!(order.iter().filter(|kind| *kind == "tool_call_args").count(), 3, "each piece once");
}

#[tokio::test]
async fn parallel_calls_keep_apart() {
    let stage = Stage::plays([
        vec![
            Step::CallAs("a", "get_weather", vec!["{\"city\":", "\"Paris\"}"]),
            Step::CallAs("b", "get_weather", vec!["{\"city\":", "\"Rome\"}"]),
        ],
        vec![say("Both.")],
    ]);
    let server = serve_agent(&stage, [weather()]);
    let answer = ask(&server, "Paris and Rome?", "t").await;
    let city =
        |call: &Value| (call["id"].as_str().unwrap().to_owned(), call["args"]["city"].as_str().unwrap().to_owned());
    let pairs = |one: (&str, &str)| (one.0.to_owned(), one.1.to_owned());
    assert_eq!(answer.calls.iter().map(city).collect::<Vec<_>>(), [("a", "Paris"), ("b", "Rome")].map(pairs));
    let mut results: Vec<_> = answer.results.iter().map(|result| result["content"].as_str().unwrap()).collect();
    results.sort_unstable();
    assert_eq!(results, ["The weather in Paris is sunny, 25°C.", "The weather in Rome is sunny, 25°C."]);
}

#[tokio::test]
async fn a_call_without_arguments_is_an_empty_object() {
    let clock = tool("clock", "The time.", json!({ "type": "object" }), async |_, _| Ok("noon".to_owned()));
    let stage = Stage::plays([vec![Step::Call("clock", vec![])], vec![say("Noon.")]]);
    let answer = ask(&serve_agent(&stage, [clock]), "What time is it?", "t").await;
    assert_eq!(answer.calls[0]["args"], json!({}));
    assert_eq!((answer.results[0]["content"].as_str(), answer.text.as_str()), (Some("noon"), "Noon."));
}

#[tokio::test]
async fn a_call_that_was_cut_before_its_arguments_was_never_made() {
    let stage = Stage::does([Step::Call("get_weather", vec![]), Step::Wait]);
    let server = serve_agent(&stage, [weather()]);
    let mut reader = Events::of(Request::tell("How is Paris?", "t").send(server.address()).await);
    until(&mut reader, "tool_call_started").await;
    let run = reader.response.run();
    Request::new("POST", &format!("/runs/{run}/stop")).send(server.address()).await;
    let seen: Vec<_> = reader.rest().await.iter().map(|event| event.json()["type"].clone()).collect();
    assert!(!seen.contains(&json!("tool_call")), "{seen:?}");
}

#[tokio::test]
async fn what_goes_wrong_with_a_tool_is_its_result() {
    for (call, tools, why) in [
        (Step::Call("get_weather", vec!["{\"city\":\"Paris\"}"]), vec![failing("out of order")], "out of order"),
        (Step::Call("get_wether", vec!["{\"city\":\"Paris\"}"]), vec![weather()], "get_wether is not a valid tool"),
        (Step::Call("get_weather", vec!["{\"town\":\"Paris\"}"]), vec![weather()], "city"),
        (Step::Call("get_weather", vec!["{\"city\":"]), vec![weather()], ""),
    ] {
        let stage = Stage::plays([vec![call], vec![say("Sorry.")]]);
        let answer = ask(&serve_agent(&stage, tools), "How is Paris?", "t").await;
        assert_eq!(answer.results.len(), 1, "{answer:?}");
        let result = &answer.results[0];
        assert_eq!((&result["failed"], &result["id"]), (&json!(true), &json!("call_1")));
        assert!(result["content"].as_str().unwrap().contains(why), "{result}");
        assert_eq!((answer.text.as_str(), answer.ending.as_deref()), ("Sorry.", Some("stop")));
        let asked = stage.requests().pop().unwrap();
        assert_eq!(asked.last().unwrap().text(), result["content"].as_str().unwrap(), "the model hears the same");
    }
}

#[tokio::test]
async fn cut_at_every_byte_and_read_on() {
    let stage = asks_for_paris();
    let server = serve_agent(&stage, [weather()]);
    let address = server.address();
    let mut response = Request::tell("How is Paris?", "t").send(address).await;
    let run = response.run();
    let recorded = response.bytes().await;
    let whole = Parser::default().push(&recorded);
    assert_eq!(Answer::of_agent(&whole).ending.as_deref(), Some("stop"));
    for cut in 0..=recorded.len() {
        let mut client = Parser::default();
        let mut seen = client.push(&recorded[..cut]);
        let id = if client.last_event_id.is_empty() { format!("{run}:0") } else { client.last_event_id };
        let ways = [
            Request::tell("something else", "another").header("last-event-id", &id),
            Request::get("/agent/stream?message=other").header("last-event-id", &id),
            Request::get(&format!("/agent/stream?last_event_id={}", id.replace(':', "%3A"))),
            Request::get(&format!("/runs/{run}/stream")).header("last-event-id", &id),
        ];
        let response = ways[cut % ways.len()].send(address).await;
        if response.status() != 204 {
            seen.extend(Events::of(response).rest().await);
        }
        assert_eq!(seen, whole, "cut at {cut} of {}", recorded.len());
    }
    assert_eq!(stage.calls(), 2, "the model was asked by the first request alone");
}

#[tokio::test]
async fn a_late_reader_and_one_that_comes_back_see_a_running_agent_alike() {
    let call = Step::Call("get_weather", vec!["{\"city\":", "\"Paris\"}"]);
    let stage = Stage::plays([vec![call], vec![say("Sun"), Step::Wait, say("ny.")]]);
    let server = serve_agent(&stage, [weather()]);
    let address = server.address();
    let mut first = Events::of(Request::tell("How is Paris?", "t").send(address).await);
    let mut seen = Vec::new();
    while !seen.last().is_some_and(|event: &Event| event.json()["content"] == "Sun") {
        seen.push(first.event().await);
    }
    let watch = Request::get(&format!("/runs/{}/stream", first.response.run()));
    let mut late = Events::of(watch.send(address).await);
    let mut back = Events::of(watch.header("last-event-id", &seen[4].id).send(address).await);
    stage.release(1);
    seen.extend(first.rest().await);
    assert_eq!(late.rest().await, seen);
    assert_eq!(back.rest().await, seen[5..]);
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
    let server =
        serve_graph(at_once, move || millstream::graph::react(Model::from(stage.clone()), [tool.clone()]).unwrap());
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
    let broken = tool("get_weather", "Panics.", schema(), async |_, _| panic!("sorry"));
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
    let server = serve_graph(config, move || millstream::graph::react(Model::from(model.clone()), []).unwrap());
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

/// A graph whose nodes say things in every way: a model in a graph inside a node, a message that no model said, results that no tool said.
fn chorus(model: Model) -> Graph<Chat> {
    let inner = move |state: Arc<Chat>, cx: Cx| {
        let model = model.clone();
        async move { Ok(Chat::update().messages([model.invoke(state.messages.clone(), &cx).await?])) }
    };
    let inner = StateGraph::new().node("poet", inner).edge(START, "poet").edge("poet", END).compile().unwrap();
    let outer = move |state: Arc<Chat>, cx: Cx| {
        let inner = inner.clone();
        async move { Ok(Chat::update().messages(inner.invoke((*state).clone(), &cx).await?.messages)) }
    };
    let closing = async |_: Arc<Chat>, _: Cx| {
        let result = Message::tool("call_9", "a result");
        Ok(Chat::update().messages([Message::human("not said by anyone"), result, Message::ai("Goodbye.")]))
    };
    let graph = StateGraph::new().node("outer", outer).node("closing", closing);
    graph.edge(START, "outer").edge("outer", "closing").edge("closing", END).compile().unwrap()
}

#[tokio::test]
async fn messages_of_inner_graphs_and_of_nodes_are_said_once() {
    let stage = Stage::says(["A frog", " leaps. "]);
    let server = serve_graph(config(), move || chorus(Model::from(stage.clone())));
    let all = events(&server, Request::tell("A haiku", "t")).await;
    let answer = Answer::of_agent(&all);
    assert_eq!(answer.text, "A frog leaps. Goodbye.");
    assert_eq!(answer.results, [json!({ "type": "tool_result", "id": "call_9", "content": "a result" })]);
    assert_eq!(
        (answer.nodes.as_slice(), answer.ending.as_deref()),
        (&["outer", "closing"].map(String::from)[..], Some("stop"))
    );
    let speakers: Vec<Value> = all.iter().map(Event::json).filter(|data| data["type"] == "speaker").collect();
    assert_eq!(speakers.iter().map(|data| data["node"].as_str().unwrap()).collect::<Vec<_>>(), ["poet", "closing"]);
    assert!(speakers[0]["namespace"][0].as_str().unwrap().starts_with("outer:"), "{}", speakers[0]);
}

#[tokio::test]
async fn messages_of_nodes_that_run_at_the_same_time_stay_apart() {
    let (left, right) = (Stage::says_when_released(["Le", "ft"]), Stage::says_when_released(["Ri", "ght"]));
    let models = [left.clone(), right.clone()];
    let server = serve_graph(config(), move || {
        let [left, right] = models.clone().map(|stage| {
            let model = Model::from(stage);
            move |state: Arc<Chat>, cx: Cx| {
                let model = model.clone();
                async move { Ok(Chat::update().messages([model.invoke(state.messages.clone(), &cx).await?])) }
            }
        });
        let graph = StateGraph::new().node("left", left).node("right", right).edge(START, "left").edge(START, "right");
        graph.edge("left", END).edge("right", END).compile().unwrap()
    });
    let mut reader = Events::of(Request::tell("Both, please", "t").send(server.address()).await);
    let mut said = Vec::<(String, String)>::new();
    let mut speaker = Value::Null;
    for stage in [&left, &right, &left, &right] {
        stage.release(1);
        loop {
            let data = reader.event().await.json();
            match data["type"].as_str().unwrap() {
                "speaker" => speaker = data.clone(),
                "token" => {
                    let text = |value: &Value| value.as_str().unwrap().to_owned();
                    break said.push((text(&speaker["node"]), text(&data["content"])));
                }
                _ => {}
            }
        }
    }
    let expected = [("left", "Le"), ("right", "Ri"), ("left", "ft"), ("right", "ght")];
    assert_eq!(said, expected.map(|(node, text)| (node.to_owned(), text.to_owned())));
    assert_eq!(reader.rest().await.pop().unwrap().json()["type"], "done");
}

#[tokio::test]
async fn an_agents_run_can_be_read_in_every_form() {
    let server = serve_agent(&asks_for_paris(), [weather()]);
    let mut response = Request::tell("How is Paris?", "t").send(server.address()).await;
    let run = response.run();
    response.bytes().await;
    let form = async |form: &str| events(&server, Request::get(&format!("/runs/{run}/stream?format={form}"))).await;
    let plain = Answer::of_plain(&form("plain").await);
    assert_eq!((plain.text.as_str(), plain.ending.as_deref()), ("Paris is sunny.", Some("stop")));
    let json = Answer::of_json(&form("json").await);
    assert_eq!((json.text.as_str(), json.calls.len()), ("Paris is sunny.", 1));
    assert_eq!(json.results, [json!({ "id": "call_1", "content": "The weather in Paris is sunny, 25°C." })]);
    assert_eq!(form("agent").await, events(&server, Request::get(&format!("/runs/{run}/stream"))).await);
}

#[tokio::test]
async fn the_graph_is_drawn() {
    let server = serve_agent(&asks_for_paris(), [weather()]);
    let graph = Request::get("/agent/graph").send(server.address()).await.json().await;
    let ids: Vec<_> = graph["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["__start__", "agent", "tools", "__end__"]);
    assert_eq!(graph["nodes"][0]["kind"], "start");
    let edge = |source: &str, target: &str, conditional: bool| json!({ "source": source, "target": target, "conditional": conditional });
    let edges = json!([
        edge("__start__", "agent", false),
        edge("agent", "tools", true),
        edge("agent", "__end__", true),
        edge("tools", "agent", false),
    ]);
    assert_eq!(graph["edges"], edges);
    assert!(graph["mermaid"].as_str().unwrap().contains("agent -.-> tools"));
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
        .agent(|| millstream::graph::react(Model::from(Stage::says(["b"])), []))
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
    let twice = || millstream::graph::react(Model::from(Stage::says(["a"])), [weather(), weather()]);
    let error = Server::new(config()).agent(twice).start().unwrap_err().to_string();
    assert!(error.contains("two tools are called \"get_weather\""), "{error}");
    let error = Server::new(config()).start().unwrap_err().to_string();
    assert!(error.contains("Server::agent"), "{error}");
}
