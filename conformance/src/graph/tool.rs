//! Tools of a case.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use millstream::{
    Cx, Error, ErrorKind, Goto, Message, OnFailure, Result, Tool, ToolCall, ToolCommand, ToolFailures, ToolOutput,
    ToolResult, ToolSpec, Tools,
};
use serde_json::{Map, Number, Value, json};

use super::script::Script;
use super::world::World;
use crate::case::{self, ArgumentKind, ArgumentType, FailureKind};
use crate::expression::{Command as Order, Marker};
use crate::message::{message_json, read_message};
use crate::outcome::{Skip, unsupported};

/// A tool of a case.
struct CaseTool {
    world: Arc<World>,
    spec: ToolSpec,
}

/// The tools of a case with these names.
pub(super) fn tools(world: &Arc<World>, names: &[String]) -> Result<Tools, Skip> {
    names.iter().map(|name| tool_of(world, name).map_err(|error| unsupported(error.to_string()))).collect()
}

/// The tool of the case with this name.
pub(crate) fn tool_of(world: &Arc<World>, name: &str) -> Result<Arc<dyn Tool>> {
    let script = world.tool(name)?;
    let given: Vec<(&String, &ArgumentType)> =
        script.args.iter().filter(|(_, kind)| kind.kind() != ArgumentKind::ToolCallId).collect();
    let properties: Map<String, Value> =
        given.iter().map(|(name, kind)| ((*name).clone(), schema(kind.kind()))).collect();
    let required: Vec<_> = given.iter().filter(|(_, kind)| kind.default().is_none()).map(|(name, _)| name).collect();
    let parameters = json!({ "type": "object", "properties": properties, "required": required });
    let spec = ToolSpec { name: name.to_owned(), description: script.description.clone(), parameters };
    Ok(Arc::new(CaseTool { world: world.clone(), spec }))
}

/// What becomes of failures, by the `handle_tool_errors` of a case.
pub(super) fn failures(handle: Option<&Value>) -> ToolFailures {
    match handle {
        Some(Value::Bool(true)) => ToolFailures::Answer,
        Some(Value::Bool(false)) => ToolFailures::EndRunAlways,
        Some(Value::String(text)) => ToolFailures::AnswerWith(text.as_str().into()),
        _ => ToolFailures::EndRun,
    }
}

/// Calls the tool `name` inside `cx`: with arguments for its value, or with a call for the message that answers it.
pub(super) async fn call(world: &Arc<World>, name: &str, input: Value, cx: &Cx) -> Result<Value> {
    let tool = tool_of(world, name)?;
    if input.get("type").and_then(Value::as_str) != Some("tool_call") {
        return Ok(tool.invoke(input, cx).await?.to_value());
    }
    let call: ToolCall = serde_json::from_value(input).map_err(|problem| world.lacks(problem.to_string()))?;
    match Tools::from_iter([tool]).run(&call, &ToolFailures::EndRunAlways, cx).await? {
        ToolResult::Message(message) => Ok(message_json(&message)),
        other => Err(world.lacks(format!("a tool that gives {other:?} to a node"))),
    }
}

impl Tool for CaseTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call<'a>(&'a self, call: ToolCall, cx: &'a Cx) -> BoxFuture<'a, Result<ToolOutput>> {
        Box::pin(async move {
            let script = self.world.tool(&self.spec.name)?;
            let arguments = validated(script, &call)?;
            let given = Script::of_tool(&self.world, cx, arguments).with_call(call.id).run_tool(script).await?;
            output(&self.world, given)
        })
    }

    fn return_direct(&self) -> bool {
        self.world.tool(&self.spec.name).is_ok_and(|script| script.return_direct)
    }

    /// A failure that the tool knows of is its answer, if the tool says so.
    fn on_failure(&self, failure: &Error) -> OnFailure {
        let is_known = failure.name() == Some(&*FailureKind::ToolException.to_string());
        let script = self.world.tool(&self.spec.name).ok().filter(|_| is_known);
        match script.and_then(|script| script.handle_tool_error.as_ref()) {
            Some(Value::Bool(true)) => OnFailure::Answer(failure.to_string()),
            Some(Value::String(text)) => OnFailure::Answer(text.clone()),
            _ => OnFailure::AsUsual,
        }
    }
}

/// What a script returned, as what a tool gives.
fn output(world: &World, given: Value) -> Result<ToolOutput> {
    match Marker::of(&given) {
        Some(Marker::Command(order)) => return command(world, order).map(ToolOutput::Command),
        Some(other) => return Err(world.lacks(format!("a tool that returns {other:?}"))),
        None => {}
    }
    if given.get("type").and_then(Value::as_str) == Some("tool") && given.get("content").is_some() {
        let message: Message = read_message(&given).map_err(|problem| world.lacks(problem))?;
        return Ok(ToolOutput::Message(Box::new(message)));
    }
    Ok(match given {
        Value::String(text) => ToolOutput::Text(text),
        value => ToolOutput::Json(value),
    })
}

fn command(world: &World, order: Order) -> Result<ToolCommand> {
    let mut command = ToolCommand::new();
    command.parent = order.graph.is_some();
    command.update = match order.update {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(fields)) => fields,
        Some(other) => return Err(world.lacks(format!("a command that writes {other}"))),
    };
    let targets = match order.goto {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(one) => vec![one],
    };
    let goto = targets.into_iter().map(|target| match (Marker::of(&target), target) {
        (Some(Marker::Send(send)), _) => Ok(Goto::send(send.node, send.arg)),
        (_, Value::String(node)) => Ok(Goto::Node(node)),
        (_, other) => Err(world.lacks(format!("a command that goes to {other}"))),
    });
    command.goto = goto.collect::<Result<_>>()?;
    Ok(command)
}

fn schema(kind: ArgumentKind) -> Value {
    match kind {
        ArgumentKind::String => json!({ "type": "string" }),
        ArgumentKind::Object => json!({ "type": "object" }),
        ArgumentKind::Array => json!({ "type": "array" }),
        // The reference takes what may stand for one, so that these are checked below.
        ArgumentKind::Boolean | ArgumentKind::Integer | ArgumentKind::Number | ArgumentKind::ToolCallId => json!({}),
    }
}

/// The arguments as the tool takes them.
fn validated(script: &case::Tool, call: &ToolCall) -> Result<Map<String, Value>> {
    let mut arguments = Map::new();
    for (name, kind) in &script.args {
        let value = match (kind, call.args.get(name)) {
            (kind, _) if kind.kind() == ArgumentKind::ToolCallId => {
                Some(Value::from(call.id.as_str())).filter(|_| !call.id.is_empty())
            }
            (kind, Some(value)) => fitting(kind.kind(), value),
            (ArgumentType::Optional(optional), None) => Some(optional.default.clone()),
            (ArgumentType::Required(_), None) => None,
        };
        let value = value.ok_or_else(|| {
            let message = format!("{name} is missing or is no {:?}", kind.kind());
            Error::new(ErrorKind::InvalidInput, message).with_name("ValidationError")
        })?;
        arguments.insert(name.clone(), value);
    }
    Ok(arguments)
}

/// A value as one of `kind`, if it is one or may stand for one: a text that is a number, a truth value for a number, a word or a number for a truth value.
fn fitting(kind: ArgumentKind, value: &Value) -> Option<Value> {
    match kind {
        ArgumentKind::String => value.is_string().then(|| value.clone()),
        ArgumentKind::Boolean => truth(value).map(Value::from),
        ArgumentKind::Object => value.is_object().then(|| value.clone()),
        ArgumentKind::Array => value.is_array().then(|| value.clone()),
        ArgumentKind::Number => number(value)?.as_f64().map(Value::from),
        ArgumentKind::Integer => {
            let number = number(value)?;
            let whole = number.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64);
            number.as_i64().or(whole).map(Value::from)
        }
        ArgumentKind::ToolCallId => None,
    }
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(truth) => Some(u8::from(*truth).into()),
        other => other.as_number().cloned(),
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(word) => match &*word.to_lowercase() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
        other => match other.as_f64()? {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        },
    }
}
