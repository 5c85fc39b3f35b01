//! Tools of a case, called by nodes.

use std::sync::Arc;

use millstream::{Body, Channels, Cx, Error, ErrorKind, Kind, Label, Result};
use serde_json::{Map, Value};

use super::script::Script;
use super::world::World;
use crate::case::{ArgumentKind, ArgumentType, FailureKind, Tool};

/// Calls the tool `name` with `arguments`, as a runnable inside `cx`.
pub(super) async fn call(world: &Arc<World>, name: &str, arguments: Value, cx: &Cx) -> Result<Value> {
    let tool = world.tool(name)?;
    let cx = cx.child(Label::new(Kind::Tool, name));
    let told = cx.wants(Channels::RUNNABLES);
    if told {
        cx.emit(Body::RunnableStarted { input: Some(arguments.clone()) }).await?;
    }
    let arguments = validated(world, tool, &arguments)?;
    let output = match Script::of_tool(world, &cx, arguments).run_tool(tool).await {
        Err(error) if error.name() == Some(&*FailureKind::ToolException.to_string()) => handled(tool, error)?,
        done => done?,
    };
    if told {
        cx.emit(Body::RunnableFinished { output: output.clone() }).await?;
    }
    Ok(output)
}

/// A failure that the tool knows of is its answer, if the tool says so.
fn handled(tool: &Tool, error: Error) -> Result<Value> {
    match &tool.handle_tool_error {
        Some(Value::Bool(true)) => Ok(error.to_string().into()),
        Some(Value::String(text)) => Ok(text.as_str().into()),
        _ => Err(error),
    }
}

/// The arguments as the tool takes them.
fn validated(world: &World, tool: &Tool, given: &Value) -> Result<Map<String, Value>> {
    let mut arguments = Map::new();
    for (name, kind) in &tool.args {
        let value = match (kind, given.get(name)) {
            (kind, _) if kind.kind() == ArgumentKind::ToolCallId => {
                return Err(world.lacks("the id of a tool call outside of one"));
            }
            (kind, Some(value)) => fitting(kind.kind(), value),
            (ArgumentType::Optional(optional), None) => Some(optional.default.clone()),
            (ArgumentType::Required(_), None) => None,
        };
        let value = value.ok_or_else(|| {
            let message = format!("the argument {name:?} is missing or is no {:?}", kind.kind());
            Error::new(ErrorKind::InvalidInput, message).with_name("ValidationError")
        })?;
        arguments.insert(name.clone(), value);
    }
    Ok(arguments)
}

/// A value as one of `kind`, if it is one or a text that is a number.
fn fitting(kind: ArgumentKind, value: &Value) -> Option<Value> {
    let number = || match value {
        Value::String(text) => text.trim().parse::<serde_json::Number>().ok(),
        other => other.as_number().cloned(),
    };
    match kind {
        ArgumentKind::String => value.is_string().then(|| value.clone()),
        ArgumentKind::Boolean => value.is_boolean().then(|| value.clone()),
        ArgumentKind::Object => value.is_object().then(|| value.clone()),
        ArgumentKind::Array => value.is_array().then(|| value.clone()),
        ArgumentKind::Number => number().map(Value::Number),
        ArgumentKind::Integer => {
            let number = number()?;
            let whole = number.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64);
            number.as_i64().or(whole).map(Value::from)
        }
        ArgumentKind::ToolCallId => None,
    }
}
