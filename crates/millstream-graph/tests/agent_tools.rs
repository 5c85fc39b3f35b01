//! What tools do to an agent: last words, commands, failures, and what is told of them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::StreamExt;
use millstream_core::{
    Body, Cx, Error, ErrorKind, Finish, Kind, Message, Model, Result, Role, Tool, ToolCall, ToolCommand, ToolFailures,
    Tools, add_messages, tool, tools,
};
use millstream_graph::{
    Agent, AgentForm, Chat, Conversation, END, START, State, StateGraph, ToolNode, ToolTasks, Typed,
};
use millstream_testkit::{ScriptedModel, Turn};
use serde::{Deserialize, Serialize};

/// A conversation among other things.
#[derive(State, Clone, Debug, Default, Serialize, Deserialize)]
#[state(crate = "millstream_graph")]
struct Trip {
    #[reduce(add_messages)]
    messages: Vec<Message>,
    city: String,
}

impl Conversation for Trip {
    fn messages(&self) -> Result<Cow<'_, [Message]>> {
        Ok(Cow::Borrowed(&self.messages))
    }

    fn saying(messages: Vec<Message>) -> TripUpdate {
        Trip::update().messages(messages)
    }
}

/// Look at the sky.
#[tool(crate = "millstream_core")]
async fn look() -> &'static str {
    "blue"
}

/// Say goodbye.
#[tool(crate = "millstream_core", return_direct)]
async fn goodbye() -> &'static str {
    "Goodbye!"
}

/// Travel to a city.
#[tool(crate = "millstream_core")]
async fn travel(city: String, call: &ToolCall) -> ToolCommand {
    ToolCommand::update("messages", [Message::tool(&call.id, "Arrived.")]).and_update("city", city)
}

/// Leave it to the graph around.
#[tool(crate = "millstream_core")]
async fn hand_over(city: String) -> ToolCommand {
    ToolCommand::update("city", city).goto("desk").parent()
}

/// Ask the network.
#[tool(crate = "millstream_core")]
async fn lookup() -> Result<String> {
    Err(Error::new(ErrorKind::Failed, "no network").with_name("ConnectionError"))
}

fn calls<const N: usize>(calls: [(&str, &str, &str); N]) -> Turn {
    let turn = calls.into_iter().fold(Turn::default(), |turn, (id, name, args)| turn.tool_call(id, name, [args]));
    turn.finish(Finish::ToolCalls)
}

fn agent(turns: impl IntoIterator<Item = Turn>) -> Agent {
    let all = tools![look, goodbye, travel, hand_over, lookup];
    Agent::new(Model::from(ScriptedModel::new(turns))).tools(all)
}

/// Everything that was said, after the question.
async fn said(agent: Agent) -> Result<Vec<String>> {
    let end = agent.build().unwrap().run(Chat::human("?")).await?;
    Ok(end.messages.iter().skip(1).map(Message::text).collect())
}

#[tokio::test]
async fn the_last_word_of_a_tool_ends_the_agent() {
    let direct = || calls([("c1", "goodbye", "{}")]);
    assert_eq!(said(agent([direct()])).await.unwrap(), ["", "Goodbye!"]);
    // With another tool beside it the two agents of the reference differ.
    let both = || [calls([("c1", "look", "{}"), ("c2", "goodbye", "{}")]), Turn::says(["It is blue."])];
    assert_eq!(said(agent(both())).await.unwrap(), ["", "blue", "Goodbye!"]);
    let second = agent(both()).form(AgentForm::LangChain);
    assert_eq!(said(second).await.unwrap(), ["", "blue", "Goodbye!", "It is blue."]);
}

#[tokio::test]
async fn calls_in_one_task_come_to_the_same() {
    for tasks in [ToolTasks::PerCall, ToolTasks::PerMessage] {
        let turns = [calls([("c1", "look", "{}"), ("c2", "lookup", "{}")]), Turn::says(["Done."])];
        let words = said(agent(turns).tasks(tasks)).await.unwrap();
        assert_eq!(words, ["", "blue", "Error: ConnectionError('no network')\n Please fix your mistakes.", "Done."]);
    }
}

#[tokio::test]
async fn a_failure_ends_the_run_if_it_is_told_to() {
    let turns = || [calls([("c1", "look", "{}"), ("c2", "lookup", "{}")]), Turn::says(["Done."])];
    let error = said(agent(turns()).failures(ToolFailures::EndRun)).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.name()), ("no network", Some("ConnectionError")));
    let words = said(agent(turns()).failures(ToolFailures::AnswerWith("Sorry.".into()))).await.unwrap();
    assert_eq!(words, ["", "blue", "Sorry.", "Done."]);
}

#[tokio::test]
async fn a_tool_changes_the_state_that_its_agent_works_on() {
    let turns = [calls([("c1", "look", "{}"), ("c2", "travel", r#"{"city":"Rome"}"#)]), Turn::says(["Here we are."])];
    let graph = agent(turns).build_on(Trip::schema()).unwrap();
    let end = graph.run(Trip { messages: vec![Message::human("To Rome!")], city: "Paris".to_owned() }).await.unwrap();
    assert_eq!(end.city, "Rome");
    let results: Vec<_> = end.messages.iter().filter(|message| message.role == Role::Tool).collect();
    assert_eq!(results.iter().map(|result| result.text()).collect::<Vec<_>>(), ["blue", "Arrived."]);
    assert_eq!(results[1].name.as_deref(), Some("travel"));
    assert_eq!(end.messages.last().unwrap().text(), "Here we are.");
}

#[tokio::test]
async fn what_the_state_cannot_take_is_an_error_that_says_so() {
    let bad = tool("bad", "Writes nonsense.", serde_json::json!({ "type": "object" }), async |call, _| {
        ToolCommand::update("messages", [Message::tool(call.id, "Done.")]).and_update("city", 7)
    });
    let model = Model::from(ScriptedModel::new([calls([("c1", "bad", "{}")])]));
    let graph = Agent::new(model).tools([bad]).build_on(Trip::schema()).unwrap();
    let error = graph.run(Trip::default()).await.unwrap_err();
    assert_eq!(error.code(), "invalid_input");
    assert!(error.to_string().contains("does not fit the state"), "{error}");
}

#[tokio::test]
async fn a_tool_speaks_to_the_graph_around_its_agent() {
    let inner = agent([calls([("c1", "hand_over", r#"{"city":"Oslo"}"#)])]).build_on(Trip::schema()).unwrap();
    let run = move |state: Arc<Trip>, cx: Cx| {
        let inner = inner.clone();
        async move {
            let end = inner.invoke((*state).clone(), &cx).await?;
            Ok(Trip::update().messages(end.messages))
        }
    };
    let desk = async |state: Arc<Trip>, _: Cx| Ok(Trip::update().city(format!("{} from the desk", state.city)));
    let outer =
        StateGraph::new().node("guide", run).node("desk", desk).edge(START, "guide").edge("desk", END).compile();
    let end = outer.unwrap().run(Trip::default()).await.unwrap();
    assert_eq!(end.city, "Oslo from the desk");
}

#[tokio::test]
async fn the_graph_around_an_agent_may_have_another_state() {
    let inner = agent([calls([("c1", "hand_over", r#"{"city":"Oslo"}"#)])]).build().unwrap();
    let desk = async |state: Arc<Trip>, _: Cx| Ok(Trip::update().city(format!("{} from the desk", state.city)));
    let into = |trip: &Trip| Chat::update().messages(trip.messages.clone());
    let outer = StateGraph::new()
        .graph_with("guide", inner, into, |chat: Chat| Trip::update().messages(chat.messages))
        .node("desk", desk)
        .edge(START, "guide")
        .edge("desk", END);
    let end = outer.compile().unwrap().run(Trip::default()).await.unwrap();
    assert_eq!(end.city, "Oslo from the desk", "the agent's own state has no city");
}

#[tokio::test]
async fn a_tools_node_works_in_a_graph_that_is_written_by_hand() {
    let ask = |_: Arc<Trip>, _: Cx| {
        let mut message = Message::ai("");
        let call =
            |id: &str, name: &str| ToolCall { id: id.to_owned(), name: name.to_owned(), args: serde_json::json!({}) };
        message.content = [call("c1", "look"), call("c2", "nothing")].map(millstream_core::Block::ToolCall).into();
        std::future::ready(Ok(Trip::update().messages([message])))
    };
    let node = ToolNode::new(Tools::from_iter(tools![look]));
    let graph = StateGraph::new().node("ask", ask).node("run", node).edge(START, "ask").edge("ask", "run");
    let end = graph.edge("run", END).compile().unwrap().run(Trip::default()).await.unwrap();
    let words: Vec<String> = end.messages.iter().map(Message::text).collect();
    assert_eq!(words, ["", "blue", "Error: nothing is not a valid tool, try one of [look]."]);
    assert!(end.messages[2].failed);
}

#[tokio::test]
async fn a_tools_node_without_a_model_before_it_is_a_mistake() {
    let graph = StateGraph::new().node("run", ToolNode::new(Tools::from_iter(tools![look]))).edge(START, "run");
    let error = graph.edge("run", END).compile().unwrap().run(Trip::default()).await.unwrap_err();
    assert!(error.to_string().contains("a message of a model"), "{error}");
}

#[tokio::test]
async fn a_tool_is_a_runnable_with_a_beginning_and_an_end() {
    let turns = [calls([("c1", "look", "{}")]), calls([("c2", "lookup", "{}")]), Turn::says(["Done."])];
    let mut events = agent(turns).build().unwrap().run(Chat::human("?")).events();
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        if event.scope.kind != Kind::Tool {
            continue;
        }
        assert_eq!(event.scope.node.as_deref(), Some("tools"));
        told.push(match &event.body {
            Body::RunnableStarted { input: Some(input) } => format!("start {} {}", event.scope.name, input.json()),
            Body::RunnableFinished { output, .. } => format!("end {}", output.json()["content"]),
            Body::RunnableFailed { error, .. } => format!("error {} {:?}", error.message, error.name),
            Body::ToolStarted { call } => format!("call {}", call.id),
            Body::ToolFinished { result } => format!("result {}", result.failed),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        told,
        [
            "call c1",
            "start look {}",
            "end \"blue\"",
            "result false",
            "call c2",
            "start lookup {}",
            "error no network Some(\"ConnectionError\")",
            "result true",
        ]
    );
}

#[tokio::test]
async fn a_failure_that_ends_the_run_is_told_without_its_words() {
    let secret = tool("secret", "Fails.", serde_json::json!({ "type": "object" }), async |_, _| {
        Err::<(), _>(Error::new(ErrorKind::Failed, "password is hunter2"))
    });
    let model = Model::from(ScriptedModel::new([calls([("c1", "secret", "{}")])]));
    let agent = Agent::new(model).tools([secret as Arc<dyn Tool>]).failures(ToolFailures::EndRun).build().unwrap();
    let mut events = agent.run(Chat::human("?")).events();
    let mut results = 0;
    while let Some(event) = events.next().await {
        let Ok(event) = event else { break };
        if let Body::ToolFinished { result } = &event.body {
            assert!(result.failed && !result.text().contains("hunter2"), "{result}");
            results += 1;
        }
    }
    assert_eq!(results, 1, "what was begun is ended");
}
