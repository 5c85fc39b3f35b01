//! Conversations in which calls were left without a result are made whole before the model is asked again (R08).

#![allow(clippy::unwrap_used, reason = "tests")]

use millstream_core::{Block, Finish, Message, Model, Role, ToolCall, tool, tools};
use millstream_graph::{Agent, AgentForm, Chat};
use millstream_testkit::{ScriptedModel, Turn};
use serde_json::json;

/// Look at the sky.
#[tool(crate = "millstream_core")]
async fn look() -> &'static str {
    "blue"
}

fn asking<const N: usize>(ids: [&str; N]) -> Message {
    let call = |id: &str| ToolCall { id: id.to_owned(), name: "look".to_owned(), args: json!({}) };
    let mut message = Message::ai("");
    message.content = ids.into_iter().map(|id| Block::ToolCall(call(id))).collect();
    message
}

/// Each message as its role and the call it answers or its text.
fn outline(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| match (message.role, message.tool_call_id.as_deref(), message.failed) {
            (Role::Tool, Some(id), failed) => format!("{} {id}", if failed { "lost" } else { "result" }),
            (Role::Ai, ..) if message.tool_calls().count() > 0 => "calls".to_owned(),
            _ => message.text(),
        })
        .collect()
}

/// What the model was asked, and what the conversation is after its answer.
async fn goes_on(messages: Vec<Message>) -> (Vec<String>, Vec<String>) {
    let scripted = ScriptedModel::new([Turn::says(["Done."])]);
    let agent = Agent::new(Model::from(scripted.clone())).tools(tools![look]).system("Be brief.").build().unwrap();
    let end = agent.run(Chat::from(messages)).await.unwrap();
    (outline(&scripted.requests()[0].messages), outline(&end.messages))
}

#[tokio::test]
async fn every_call_of_the_past_gets_a_result() {
    let (asked, stored) = goes_on(vec![
        Message::human("Look."),
        asking(["a", "b"]),
        Message::tool("a", "blue"),
        Message::human("Never mind."),
        asking(["c"]),
        Message::human("Are you there?"),
    ])
    .await;
    let whole = ["Look.", "calls", "result a", "lost b", "Never mind.", "calls", "lost c", "Are you there?"];
    assert_eq!(asked, [&["Be brief."], &whole[..]].concat());
    assert_eq!(stored, [&whole[..], &["Done."]].concat(), "the conversation is whole for whoever reads it next");
}

#[tokio::test]
async fn a_whole_conversation_stays_as_it_is() {
    let messages = vec![
        Message::human("Look."),
        asking(["a"]),
        Message::tool("a", "blue"),
        asking(["a"]),
        Message::tool("a", "grey"),
    ];
    let (asked, stored) = goes_on(messages).await;
    assert_eq!(asked[1..], ["Look.", "calls", "result a", "calls", "result a"]);
    assert_eq!(stored, ["Look.", "calls", "result a", "calls", "result a", "Done."]);
}

#[tokio::test]
async fn an_id_that_is_used_again_is_another_call() {
    let (_, stored) =
        goes_on(vec![asking(["a"]), Message::tool("a", "blue"), asking(["a"]), Message::human("Well?")]).await;
    assert_eq!(stored, ["calls", "result a", "calls", "lost a", "Well?", "Done."]);
}

#[tokio::test]
async fn a_call_that_cannot_be_read_is_answered_beside_those_that_can() {
    for form in [AgentForm::LangGraph, AgentForm::LangChain] {
        let broken = Turn::default().tool_call("a", "look", ["{}"]).tool_call("b", "look", ["{\"half"]);
        let scripted = ScriptedModel::new([broken.finish(Finish::ToolCalls), Turn::says(["Done."])]);
        let agent = Agent::new(Model::from(scripted.clone())).tools(tools![look]).form(form).build().unwrap();
        let end = agent.run(Chat::human("Look.")).await.unwrap();
        let whole = ["Look.", "calls", "result a", "lost b"];
        assert_eq!(outline(&scripted.requests()[1].messages), whole);
        assert_eq!(outline(&end.messages), [&whole[..], &["Done."]].concat());
    }
}
