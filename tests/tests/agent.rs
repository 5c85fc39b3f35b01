//! An agent over the wire: what it says, calls and hears comes once and in order, however it is read.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use millstream::graph::{Chat, END, Graph, START, StateGraph};
use millstream::{Cx, Error, ErrorKind, Message, Model, Runnable, Tool, tool};
use millstream_tests::agent::{ask, asks_for_paris, events, say, schema, until, weather};
use millstream_tests::http::Request;
use millstream_tests::sse::{Answer, Event, Events, Parser};
use millstream_tests::{Stage, Step, config, serve_agent, serve_graph};
use serde_json::{Value, json};

fn failing(text: &'static str) -> Arc<dyn Tool> {
    tool(
        "get_weather",
        "Fails.",
        schema(),
        move |_, _| async move { Err::<String, _>(Error::new(ErrorKind::Failed, text)) },
    )
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
    let clock = tool("clock", "The time.", json!({ "type": "object" }), async |_, _| "noon");
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
    let edges = graph["edges"].as_array().unwrap();
    for (source, target) in [("__start__", "agent"), ("agent", "tools"), ("agent", "__end__"), ("tools", "agent")] {
        let found = edges.iter().find(|edge| edge["source"] == source && edge["target"] == target);
        let conditional = found.unwrap_or_else(|| panic!("{source} leads to {target}"))["conditional"].as_bool();
        assert_eq!(conditional == Some(false), source == "__start__" || source == "tools", "{source} to {target}");
    }
    assert!(graph["mermaid"].as_str().unwrap().contains("agent -.-> tools"));
}
