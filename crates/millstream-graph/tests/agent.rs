//! The agent: it calls tools until it has an answer, and whatever goes wrong with a tool is something that it hears of.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use millstream_core::{
    Block, Body, Cx, Error, ErrorKind, Finish, Message, MessageFold, Model, Role, Tool, ToolCall, tool,
};
use millstream_graph::{Agent, AgentForm, Chat, react};
use millstream_testkit::{ScriptedModel, Turn};
use serde_json::json;

/// A turn that calls tools, the arguments of each in two pieces, as providers send them.
fn calls<const N: usize>(calls: [(&str, &str, &str); N]) -> Turn {
    let turn = calls.into_iter().fold(Turn::default(), |turn, (id, name, args)| {
        let (first, second) = args.split_at(args.len() / 2);
        turn.tool_call(id, name, [first, second])
    });
    turn.finish(Finish::ToolCalls)
}

fn weather() -> Arc<dyn Tool> {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" }, "after": { "type": "integer" } }, "required": ["city"] });
    tool("get_weather", "Get current weather for a city.", schema, async |ToolCall { args, .. }, cx: Cx| {
        tokio::time::sleep(Duration::from_millis(args["after"].as_u64().unwrap_or(0))).await;
        cx.write(format!("looking at {}", args["city"])).await?;
        Ok::<_, Error>(format!("{} is sunny", args["city"].as_str().unwrap_or_default()))
    })
}

fn broken() -> Arc<dyn Tool> {
    tool("broken", "Fails.", json!({ "type": "object" }), async |_, _| {
        Err::<(), _>(Error::new(ErrorKind::Failed, "out of order"))
    })
}

/// Runs the agent with these turns; gives what was said, and the model.
async fn run(turns: impl IntoIterator<Item = Turn>) -> (Vec<Message>, ScriptedModel) {
    let scripted = ScriptedModel::new(turns);
    let agent = react(Model::from(scripted.clone()), [weather(), broken()]).unwrap();
    let end = agent.run(Chat::human("How is Paris?")).await.unwrap();
    (end.messages, scripted)
}

#[tokio::test]
async fn an_agent_without_calls_answers_at_once() {
    let (messages, model) = run([Turn::says(["Fine."])]).await;
    assert_eq!(messages.iter().map(Message::text).collect::<Vec<_>>(), ["How is Paris?", "Fine."]);
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn parallel_calls_run_at_once_and_answer_in_their_order() {
    let both =
        calls([("c1", "get_weather", r#"{"city":"Paris","after":50}"#), ("c2", "get_weather", r#"{"city":"Rome"}"#)]);
    let start = tokio::time::Instant::now();
    let (messages, model) = run([both, Turn::says(["Both sunny."])]).await;
    assert!(start.elapsed() < Duration::from_millis(60));
    let results: Vec<_> = messages.iter().filter(|message| message.role == Role::Tool).collect();
    assert_eq!(results.iter().map(|result| result.tool_call_id.as_deref().unwrap()).collect::<Vec<_>>(), ["c1", "c2"]);
    assert_eq!(results.iter().map(|result| result.text()).collect::<Vec<_>>(), ["Paris is sunny", "Rome is sunny"]);
    // The model was asked again with the whole conversation, results included.
    assert_eq!(model.requests()[1].messages.len(), 4);
    assert_eq!(messages.last().unwrap().text(), "Both sunny.");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_call_is_its_result() {
    for (name, args, heard) in [
        ("get_wether", "{}", "get_wether is not a valid tool, try one of [get_weather, broken]."),
        ("get_weather", r#"{"town":"Paris"}"#, "must have the field \"city\""),
        ("get_weather", r#"{"city":7}"#, "city must be of type string, not 7"),
        ("get_weather", r#"{"city":"Par"#, "the arguments are not valid JSON"),
        ("broken", "{}", "out of order"),
    ] {
        let (messages, model) = run([calls([("c1", name, args)]), Turn::says(["I see."])]).await;
        let result = &messages[2];
        assert!(result.failed && result.text().contains(heard), "{name} {args}: {}", result.text());
        assert_eq!(result.tool_call_id.as_deref(), Some("c1"));
        assert_eq!(model.requests().len(), 2, "the model hears of it");
    }
}

#[tokio::test]
async fn everything_that_happens_is_told_in_order() {
    let scripted = ScriptedModel::new([calls([("c1", "get_weather", r#"{"city":"Paris"}"#)]), Turn::says(["Sunny."])]);
    let agent = react(Model::from(scripted), [weather()]).unwrap();
    let mut events = agent.run(Chat::human("How is Paris?")).events();
    let (mut words, mut call) = (Vec::new(), MessageFold::default());
    while let Some(event) = events.next().await {
        match &event.unwrap().body {
            Body::Message { chunk } => {
                if let Some(text) = chunk.text() {
                    words.push(format!("text {text}"));
                } else if words.is_empty() {
                    call.push(chunk).unwrap();
                }
            }
            Body::ToolStarted { call } => words.push(format!("start {} {}", call.name, call.args)),
            Body::Custom { value } => words.push(format!("custom {value}")),
            Body::ToolFinished { result } => words.push(format!("end {result}")),
            Body::Updates { node, .. } => words.push(format!("updates {node}")),
            _ => {}
        }
    }
    assert!(matches!(call.partial().content[0], Block::ToolCall(_)));
    assert_eq!(
        words,
        [
            "updates agent",
            "start get_weather {\"city\":\"Paris\"}",
            "custom \"looking at \\\"Paris\\\"\"",
            "end Paris is sunny",
            "updates tools",
            "text Sunny.",
            "updates agent",
        ]
    );
}

#[tokio::test]
async fn a_model_that_never_stops_calling_is_stopped_before_the_limit_is_reached() {
    let again = || vec![calls([("c1", "get_weather", r#"{"city":"Paris"}"#)]); 100];
    let agent = react(Model::from(ScriptedModel::new(again())), [weather()]).unwrap();
    let end = agent.run(Chat::human("?")).limit(10).await.unwrap();
    assert_eq!(end.last().unwrap().text(), "Sorry, need more steps to process this request.");
    assert_eq!(end.last().unwrap().tool_calls().count(), 0, "no call is left open");
    let model = Model::from(ScriptedModel::new(again()));
    let agent = Agent::new(model).tools([weather()]).form(AgentForm::LangChain).build().unwrap();
    let error = agent.run(Chat::human("?")).limit(10).await.unwrap_err();
    assert_eq!(error.code(), "limit_exceeded");
}

#[test]
fn two_tools_of_one_name_are_refused() {
    let error = react(Model::from(ScriptedModel::new([])), [weather(), weather()]).unwrap_err();
    assert!(error.to_string().contains("get_weather"), "{error}");
}
