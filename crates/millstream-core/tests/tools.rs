//! Tools: functions that become tools, what models are told of them, and what becomes of their calls.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use millstream_core::{
    Cx, Error, ErrorKind, Json, Message, OnFailure, Result, Tool, ToolCall, ToolCommand, ToolFailures, ToolOutput,
    ToolResult, Tools, tool, tools,
};
use serde_json::{Value, json};

/// Get the forecast for a city.
///
/// Days count from today.
#[tool(crate = "millstream_core")]
async fn forecast(
    /// The city's name.
    city: String,
    /// How many days.
    #[default(3)]
    days: u32,
    #[default("C")] unit: String,
    note: Option<String>,
    cx: &Cx,
    call: &ToolCall,
) -> String {
    cx.write("looking out of the window").await.unwrap();
    format!("{city} {days} {unit} {note:?} {}", call.id)
}

/// Add two numbers.
#[tool(crate = "millstream_core", name = "add", return_direct)]
async fn sum_of(mut a: i64, b: i64) -> Result<i64> {
    a += b;
    Ok(a)
}

/// Divide two numbers.
#[tool(crate = "millstream_core", fatal)]
async fn divide(a: i64, b: i64) -> Result<Json<(i64, i64)>, Error> {
    if b == 0 {
        return Err(Error::new(ErrorKind::Failed, "nothing is divided by zero").with_name("ZeroDivisionError"));
    }
    Ok(Json((a / b, a % b)))
}

/// Remember a note.
#[tool(crate = "millstream_core")]
async fn remember(note: String, call: ToolCall) -> ToolCommand {
    ToolCommand::update("messages", [Message::tool(call.id, "Noted.")]).and_update("note", note)
}

/// Forgets that every call needs a result.
#[tool(crate = "millstream_core")]
async fn careless() -> ToolCommand {
    ToolCommand::new().goto("editor")
}

/// Knows what to say when it fails.
#[derive(Clone)]
struct Careful(Arc<dyn Tool>);

impl Tool for Careful {
    fn spec(&self) -> &millstream_core::ToolSpec {
        self.0.spec()
    }

    fn call<'a>(&'a self, _: ToolCall, _: &'a Cx) -> futures_util::future::BoxFuture<'a, Result<ToolOutput>> {
        Box::pin(async { Err(Error::new(ErrorKind::Failed, "out of order")) })
    }

    fn on_failure(&self, failure: &Error) -> OnFailure {
        OnFailure::Answer(format!("sorry: {failure}"))
    }
}

fn call(name: &str, args: Value) -> ToolCall {
    ToolCall { id: "c1".to_owned(), name: name.to_owned(), args }
}

async fn run(name: &str, args: Value, failures: ToolFailures) -> Result<ToolResult> {
    let careful = tool("careful", "Fails.", json!({ "type": "object" }), async |_, _| "never");
    let tools: Tools = tools![forecast, sum_of, divide, remember, careless, Careful(careful)].into_iter().collect();
    tools.run(&call(name, args), &failures, &Cx::detached()).await
}

async fn heard(name: &str, args: Value, failures: ToolFailures) -> Message {
    match run(name, args, failures).await.unwrap() {
        ToolResult::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_function_is_a_tool_whose_comments_the_model_reads() {
    let spec = forecast.spec();
    assert_eq!(spec.name, "forecast");
    assert_eq!(spec.description, "Get the forecast for a city.\n\nDays count from today.");
    let parameters = &spec.parameters;
    assert_eq!(parameters["type"], "object");
    assert_eq!(parameters["properties"]["city"], json!({ "type": "string", "description": "The city's name." }));
    assert_eq!(parameters["properties"]["days"]["default"], 3);
    assert_eq!(parameters["properties"]["days"]["description"], "How many days.");
    assert_eq!(parameters["properties"]["unit"]["default"], "C");
    assert_eq!(parameters["required"], json!(["city"]));
    let names: Vec<&String> = parameters["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["city", "days", "note", "unit"], "the context and the call are not for the model");
    assert!(parameters.get("title").is_none() && parameters.get("$schema").is_none(), "{parameters}");
    assert_eq!(sum_of.spec().name, "add");
    assert!(sum_of.return_direct() && !forecast.return_direct());
}

#[tokio::test]
async fn what_a_tool_returns_is_what_the_model_hears() {
    let message = heard("forecast", json!({ "city": "Paris" }), ToolFailures::Answer).await;
    assert_eq!(message.text(), "Paris 3 C None c1");
    assert_eq!((message.name.as_deref(), message.tool_call_id.as_deref()), (Some("forecast"), Some("c1")));
    let message =
        heard("forecast", json!({ "city": "Rome", "days": 1, "unit": "F", "note": "x" }), ToolFailures::Answer).await;
    assert_eq!(message.text(), "Rome 1 F Some(\"x\") c1");
    assert_eq!(heard("add", json!({ "a": 1, "b": 2 }), ToolFailures::Answer).await.text(), "3");
    assert_eq!(heard("divide", json!({ "a": 7, "b": 2 }), ToolFailures::Answer).await.text(), "[3, 1]");
}

#[tokio::test]
async fn wrong_arguments_are_the_models_mistake_and_the_tool_does_not_run() {
    for failures in [ToolFailures::Answer, ToolFailures::EndRun] {
        let message = heard("add", json!({ "a": 1 }), failures).await;
        assert!(message.failed);
        assert_eq!(
            message.text(),
            "Error invoking tool 'add' with kwargs {\"a\":1} with error:\n the arguments must have the field \"b\"\n Please fix the error and try again."
        );
    }
    let error = run("add", json!({ "a": 1 }), ToolFailures::EndRunAlways).await.unwrap_err();
    assert_eq!(error.name(), Some("ToolInvocationError"));
    let message = heard("divide", json!({}), ToolFailures::EndRun).await;
    assert!(message.failed, "it is not the tool that has failed, whatever its failures mean");
    // What the schema cannot say is said by the type.
    let message = heard("add", json!({ "a": 1, "b": 1e300 }), ToolFailures::EndRun).await;
    assert!(message.failed && message.text().starts_with("Error invoking tool 'add'"), "{message}");
    let message = heard("sub", json!({}), ToolFailures::EndRunAlways).await;
    assert_eq!(
        message.text(),
        "Error: sub is not a valid tool, try one of [forecast, add, divide, remember, careless, careful]."
    );
}

#[tokio::test]
async fn a_failure_is_an_answer_or_the_end_as_the_tool_or_its_runner_says() {
    let zero = json!({ "a": 1, "b": 0 });
    let error = run("divide", zero, ToolFailures::Answer).await.unwrap_err();
    assert_eq!(error.to_string(), "nothing is divided by zero");
    let message = heard("careful", json!({}), ToolFailures::EndRunAlways).await;
    assert_eq!((message.text().as_str(), message.failed), ("sorry: out of order", true));
    let broken = tool("broken", "Fails.", json!({ "type": "object" }), async |_, _| {
        Err::<(), _>(Error::new(ErrorKind::Failed, "it's out").with_name("RuntimeError"))
    });
    let tools: Tools = [broken].into_iter().collect();
    for (failures, text) in [
        (ToolFailures::Answer, Some("Error: RuntimeError(\"it's out\")\n Please fix your mistakes.")),
        (ToolFailures::AnswerWith("Sorry.".into()), Some("Sorry.")),
        (ToolFailures::EndRun, None),
    ] {
        let result = tools.run(&call("broken", json!({})), &failures, &Cx::detached()).await;
        match (result, text) {
            (Ok(ToolResult::Message(message)), Some(text)) => {
                assert_eq!((message.text().as_str(), message.failed), (text, true))
            }
            (Err(error), None) => assert_eq!(error.to_string(), "it's out"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_stopped_run_is_nothing_that_a_model_hears_of() {
    let stopped = tool("stopped", "Stops.", json!({ "type": "object" }), async |_, _| Err::<(), _>(Error::cancelled()));
    let tools: Tools = [stopped].into_iter().collect();
    let error = tools.run(&call("stopped", json!({})), &ToolFailures::Answer, &Cx::detached()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn a_command_brings_the_result_of_its_call() {
    let Ok(ToolResult::Command(command)) = run("remember", json!({ "note": "tea" }), ToolFailures::Answer).await else {
        panic!("not a command");
    };
    assert_eq!(command.update["note"], "tea");
    assert_eq!(command.update["messages"][0]["name"], "remember");
    let message = heard("careless", json!({}), ToolFailures::Answer).await;
    assert!(message.failed && message.text().contains("every call needs one"), "{message}");
}

#[tokio::test]
async fn code_calls_a_tool_for_the_value_itself() {
    let add: Arc<dyn Tool> = Arc::new(sum_of);
    assert_eq!(add.invoke(json!({ "a": 2, "b": 3 }), &Cx::detached()).await.unwrap(), ToolOutput::Json(json!(5)));
    let error = add.invoke(json!({ "a": "x" }), &Cx::detached()).await.unwrap_err();
    assert_eq!(error.name(), Some("ValidationError"));
}
