//! Agents whose tools ask a person, that stop before their tools, and that are stopped.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use millstream_core::{Body, Error, Finish, Interrupt, Message, Model, Role, Tool, ToolCall, tool};
use millstream_graph::{Agent, Chat, Graph, Memory, ToolTasks, Typed};
use millstream_testkit::{ScriptedModel, Turn};
use serde_json::{Value, json};

/// A tool that asks before it does something, and counts how often it is begun.
fn order(begun: &Arc<AtomicUsize>) -> Arc<dyn Tool> {
    let begun = begun.clone();
    let parameters = json!({ "type": "object", "properties": { "what": { "type": "string" } }, "required": ["what"] });
    tool("order", "Order something.", parameters, move |call, cx| {
        let begun = begun.clone();
        async move {
            begun.fetch_add(1, Ordering::SeqCst);
            let what = call.args["what"].as_str().unwrap_or_default().to_owned();
            let agreed: bool = cx.interrupt(json!({ "order": what })).await?;
            Ok::<_, Error>(format!("{what}: {}", if agreed { "ordered" } else { "not ordered" }))
        }
    })
}

/// A tool that asks nobody, and counts how often it is begun.
fn look(begun: &Arc<AtomicUsize>) -> Arc<dyn Tool> {
    let begun = begun.clone();
    tool("look", "Look around.", json!({ "type": "object" }), move |_, _| {
        begun.fetch_add(1, Ordering::SeqCst);
        async { "all is quiet" }
    })
}

/// A tool that never comes back.
fn wait() -> Arc<dyn Tool> {
    tool("wait", "Wait.", json!({ "type": "object" }), async |_: ToolCall, _| std::future::pending::<String>().await)
}

fn calls<const N: usize>(calls: [(&str, &str, Value); N]) -> Turn {
    let turn = calls
        .into_iter()
        .fold(Turn::default(), |turn, (id, name, args)| turn.tool_call(id, name, [args.to_string().as_str()]));
    turn.finish(Finish::ToolCalls)
}

struct Kitchen {
    agent: Graph<Chat>,
    model: ScriptedModel,
    orders: Arc<AtomicUsize>,
    looks: Arc<AtomicUsize>,
}

fn kitchen(tasks: ToolTasks, turns: impl IntoIterator<Item = Turn>) -> Kitchen {
    let model = ScriptedModel::new(turns);
    let (orders, looks) = (Arc::default(), Arc::default());
    let agent = Agent::new(Model::from(model.clone())).tools([order(&orders), look(&looks), wait()]).tasks(tasks);
    Kitchen { agent: agent.build().unwrap().checkpointer(Memory::default()), model, orders, looks }
}

fn results(chat: &Chat) -> Vec<String> {
    chat.messages.iter().filter(|message| message.role == Role::Tool).map(Message::text).collect()
}

#[tokio::test]
async fn a_tool_asks_a_person_and_goes_on_with_the_answer() {
    let turns = [calls([("c1", "order", json!({ "what": "tea" }))]), Turn::says(["Done."])];
    let Kitchen { agent, model, orders, .. } = kitchen(ToolTasks::PerCall, turns);
    let waiting = agent.run(Chat::human("Tea!")).thread("t").outcome().await.unwrap();
    let asked = waiting.interrupts.unwrap();
    assert_eq!(asked.iter().map(|asked| &asked.value).collect::<Vec<_>>(), [&json!({ "order": "tea" })]);
    assert_eq!(results(&waiting.state), Vec::<String>::new(), "a question is no result");
    let end = agent.resume("t", true).await.unwrap();
    assert_eq!(results(&end), ["tea: ordered"]);
    assert_eq!(end.last().unwrap().text(), "Done.");
    assert_eq!(orders.load(Ordering::SeqCst), 2, "the tool begins again, and asks no more");
    assert_eq!(model.requests().len(), 2, "the model is not asked again for what it has already said");
}

#[tokio::test]
async fn of_parallel_calls_each_waits_for_itself() {
    let three = [
        ("c1", "order", json!({ "what": "tea" })),
        ("c2", "look", json!({})),
        ("c3", "order", json!({ "what": "cake" })),
    ];
    let Kitchen { agent, orders, looks, .. } = kitchen(ToolTasks::PerCall, [calls(three), Turn::says(["Done."])]);
    let waiting = agent.run(Chat::human("Tea and cake!")).thread("t").outcome().await.unwrap();
    let asked = waiting.interrupts.unwrap();
    let of =
        |what: &str| asked.iter().find(|asked| asked.value["order"] == what).map(|asked| asked.id.to_string()).unwrap();
    let still = agent.resume_by_id("t", [(of("cake"), false)]).outcome().await.unwrap().interrupts.unwrap();
    assert_eq!(still.iter().map(|asked| &asked.value["order"]).collect::<Vec<_>>(), ["tea"]);
    let end = agent.resume("t", true).await.unwrap();
    assert_eq!(results(&end), ["tea: ordered", "all is quiet", "cake: not ordered"]);
    assert_eq!(looks.load(Ordering::SeqCst), 1, "what has given its result does not run again");
    assert_eq!(orders.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn calls_in_one_task_ask_one_after_the_other() {
    let two = [("c1", "order", json!({ "what": "tea" })), ("c2", "order", json!({ "what": "cake" }))];
    let Kitchen { agent, .. } = kitchen(ToolTasks::PerMessage, [calls(two), Turn::says(["Done."])]);
    let waiting = agent.run(Chat::human("Tea and cake!")).thread("t").outcome().await.unwrap();
    assert_eq!(waiting.interrupts.unwrap()[0].value, json!({ "order": "tea" }));
    let waiting = agent.resume("t", true).outcome().await.unwrap();
    assert_eq!(waiting.interrupts.unwrap()[0].value, json!({ "order": "cake" }));
    let end = agent.resume("t", false).await.unwrap();
    assert_eq!(results(&end), ["tea: ordered", "cake: not ordered"]);
}

#[tokio::test]
async fn an_answer_of_another_kind_is_no_mistake_of_the_model() {
    let turns = [calls([("c1", "order", json!({ "what": "tea" }))]), Turn::says(["Done."])];
    let Kitchen { agent, model, .. } = kitchen(ToolTasks::PerCall, turns);
    agent.run(Chat::human("Tea!")).thread("t").outcome().await.unwrap();
    let error = agent.resume("t", "perhaps").await.unwrap_err();
    assert_eq!(error.code(), "invalid_input");
    assert_eq!(model.requests().len(), 1, "the model does not hear of it");
}

#[tokio::test]
async fn an_agent_stops_before_its_tools_and_goes_on() {
    let model = ScriptedModel::new([calls([("c1", "look", json!({}))]), Turn::says(["Quiet."])]);
    let looks = Arc::default();
    let graph = Agent::new(Model::from(model)).tools([look(&looks)]).graph_on(Chat::schema()).unwrap();
    let agent = graph.interrupt_before(["tools"]).compile().unwrap().checkpointer(Memory::default());
    let waiting = agent.run(Chat::human("Look!")).thread("t").outcome().await.unwrap();
    assert_eq!(waiting.interrupts, Some(Vec::<Interrupt>::new()));
    assert_eq!(looks.load(Ordering::SeqCst), 0);
    let end = agent.go_on("t").await.unwrap();
    assert_eq!(end.last().unwrap().text(), "Quiet.");
}

#[tokio::test]
async fn the_next_question_after_a_stop_is_asked_with_a_whole_conversation() {
    let two = calls([("c1", "look", json!({})), ("c2", "wait", json!({}))]);
    let Kitchen { agent, model, .. } = kitchen(ToolTasks::PerCall, [two, Turn::says(["Fine."])]);
    let mut events = agent.run(Chat::human("Wait!")).thread("t").events();
    while let Some(event) = events.next().await {
        if matches!(&event.unwrap().body, Body::ToolStarted { call } if call.name == "wait") {
            break;
        }
    }
    drop(events);
    let end = agent.run(Chat::human("How are you?")).thread("t").await.unwrap();
    assert_eq!(end.last().unwrap().text(), "Fine.");
    let asked = model.requests()[1].messages.clone();
    let calls: Vec<&str> = asked.iter().flat_map(Message::tool_calls).map(|call| call.id.as_str()).collect();
    let answered: Vec<&str> = asked.iter().filter_map(|message| message.tool_call_id.as_deref()).collect();
    assert_eq!(answered, calls, "each call has one result, right behind it");
    assert_eq!(asked.last().unwrap().text(), "How are you?");
}
