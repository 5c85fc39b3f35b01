//! What a node of a case answers, from JSON to commands.

use millstream::graph::{Command, IntoCommand, Json, JsonUpdate, Send, Target};
use millstream::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use super::world::World;
use crate::expression::{Command as Order, Marker};

/// The answer that a value is: nothing, an update, a command, or a list with commands in it.
pub(super) fn read(world: &World, value: &Value, known: &dyn Fn(&str) -> bool) -> Result<Command<Json>> {
    match (value, Marker::of(value)) {
        (Value::Null, _) => Ok(Command::none()),
        (_, Some(Marker::Command(order))) => command(world, &order, known),
        (_, Some(Marker::Send(_))) => Ok(Command::goto(target(value)?)),
        (Value::Object(fields), None) => Ok(Command::none().update(update(fields, known))),
        (Value::Array(items), _) => {
            let is_command = |item: &Value| matches!(Marker::of(item), Some(Marker::Command(_)));
            if !items.iter().any(is_command) {
                return Err(invalid_update(value));
            }
            list(items.iter().map(|item| read(world, item, known)))
        }
        _ => Err(invalid_update(value)),
    }
}

/// Several answers as one.
pub(super) fn list(answers: impl Iterator<Item = Result<Command<Json>>>) -> Result<Command<Json>> {
    answers.collect::<Result<Vec<_>>>().map(IntoCommand::into_command)
}

/// The command that an order is.
pub(super) fn command(world: &World, order: &Order, known: &dyn Fn(&str) -> bool) -> Result<Command<Json>> {
    let mut command = match order.graph.as_deref() {
        None => Command::none(),
        Some("parent") => Command::none().parent(),
        Some(other) => return Err(world.lacks(format!("a command to the graph {other:?}"))),
    };
    // What the graph around this one has for keys is not known here.
    let for_parent = order.graph.is_some();
    command = match &order.update {
        None | Some(Value::Null) => command,
        Some(Value::Object(fields)) => command.update(update(fields, &|key| for_parent || known(key))),
        // The reference writes nothing then, and says nothing.
        Some(_) => command,
    };
    let targets = match &order.goto {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    };
    targets.into_iter().try_fold(command, |command, goto| Ok(command.and_goto(target(goto)?)))
}

/// The update that an object is, of the keys that are known.
pub(super) fn update(fields: &Map<String, Value>, known: &dyn Fn(&str) -> bool) -> JsonUpdate {
    fields.iter().filter(|(key, _)| known(key)).fold(JsonUpdate::new(), |all, (key, value)| match Marker::of(value) {
        Some(Marker::Overwrite(value)) => all.overwrite(key.as_str(), value),
        _ => all.with(key.as_str(), value.clone()),
    })
}

/// The node, or the send, that a value is.
pub(super) fn target(value: &Value) -> Result<Target<Json>> {
    match (value, Marker::of(value)) {
        (Value::String(node), _) => Ok(Target::from(node.as_str())),
        (_, Some(Marker::Send(send))) => Ok(Target::from(Send::new(send.node, Json::from(send.arg)))),
        _ => Err(Error::new(ErrorKind::InvalidInput, format!("{value} is not a node to go to"))),
    }
}

/// A node answered with something that is no update.
pub(super) fn invalid_update(value: &Value) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{value} is not an update")).with_name("InvalidUpdateError")
}
