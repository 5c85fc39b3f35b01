//! Steps in chains that are put together when they run, and when they say that they begin and end.

#![allow(clippy::unwrap_used, reason = "tests")]

use futures_util::{FutureExt, StreamExt};
use millstream_core::{
    Body, Chain, Lambda, Message, Messages, Payload, Prompt, Result, Runnable, TextPrompt, ToolStep, tool,
};
use serde_json::{Value, json};

fn texts(prompt: &Chain<Payload, Payload>, input: Value) -> Result<Vec<String>> {
    let output = prompt.run(input).into_future().now_or_never().unwrap()?;
    Ok(output.downcast::<Messages>().unwrap().iter().map(Message::text).collect())
}

/// The words of a run: who begins and who ends, in order.
fn words(chain: &Chain<Payload, Payload>, input: Value) -> Vec<String> {
    let mut events = chain.run(input).events();
    let mut words = Vec::new();
    while let Some(Ok(event)) = events.next().now_or_never().unwrap() {
        let word = match &event.body {
            Body::RunnableStarted { .. } => "begins",
            Body::RunnableFinished { .. } => "ends",
            Body::RunnableFailed { .. } => "fails",
            Body::ToolStarted { .. } => "is called",
            Body::ToolFinished { .. } => "has answered",
            _ => continue,
        };
        words.push(format!("{} {word}", event.scope.name));
    }
    words
}

#[test]
fn a_value_alone_is_the_one_variable_that_a_prompt_needs() {
    let prompt =
        Prompt::new().system("{tone}").optional_placeholder("history").human("{q} {q}").partial("tone", "Dry.");
    let prompt = prompt.dynamic();
    assert_eq!(texts(&prompt, json!("why")).unwrap(), ["Dry.", "why why"]);
    assert_eq!(texts(&prompt, json!(5)).unwrap(), ["Dry.", "5 5"]);
    assert_eq!(texts(&prompt, json!({ "q": "how" })).unwrap(), ["Dry.", "how how"]);
    let text = TextPrompt::default().text("Say {x}").dynamic();
    assert_eq!(texts(&text, json!("hi")).unwrap(), ["Say hi"]);
}

#[test]
fn a_value_alone_does_not_fill_two_variables_nor_none() {
    for (prompt, needs) in [(Prompt::new().human("{a} {b}"), "2 of them"), (Prompt::new().human("hello"), "0 of them")]
    {
        let error = texts(&prompt.dynamic(), json!("why")).unwrap_err();
        assert_eq!((error.code(), error.name()), ("invalid_input", Some("TypeError")));
        assert!(error.to_string().contains(needs), "{error}");
    }
}

#[test]
fn a_prompt_ends_before_the_step_behind_it_begins() {
    let same = Lambda::stream::<Payload, Payload, _>(|pieces, _| pieces).named("same");
    let chain = Prompt::new().human("{q}").dynamic().pipe(same);
    let told = words(&chain, json!({ "q": "why" }));
    assert_eq!(
        told[..4],
        ["RunnableSequence begins", "ChatPromptTemplate begins", "ChatPromptTemplate ends", "same begins"]
    );
}

#[test]
fn a_sequence_inside_begins_with_the_first_piece_of_its_input() {
    let step = |name: &str| Lambda::new(|value: Payload| Ok(value)).named(name);
    let inner = Prompt::new().human("{q}").dynamic().pipe(step("last")).named("inner");
    let told = words(&step("first").pipe(inner), json!({ "q": "why" }));
    assert_eq!(
        told[..5],
        ["RunnableSequence begins", "first begins", "inner begins", "first ends", "ChatPromptTemplate begins"]
    );
}

#[test]
fn a_tool_that_is_given_a_call_tells_of_it_also_when_the_call_is_wrong() {
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
    let double = tool("double", "Twice.", schema, async |call, _| call.args["n"].as_i64().unwrap_or_default() * 2);
    let step = ToolStep::from(double).dynamic();
    let call = |n: Value| json!({ "type": "tool_call", "name": "double", "id": "c1", "args": { "n": n } });
    let told = words(&step, call(json!(2)));
    assert_eq!(told, ["double is called", "double begins", "double ends", "double has answered"]);
    let told = words(&step, call(json!("x")));
    assert_eq!(told, ["double is called", "double begins", "double fails", "double has answered"]);
    assert_eq!(words(&step, json!({ "n": 2 })), ["double begins", "double ends"]);
}
