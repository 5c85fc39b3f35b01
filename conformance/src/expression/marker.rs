//! Values that are not data but orders: to send, to go, to overwrite.

use serde_json::{Map, Value, json};

/// A value that is an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Marker {
    /// Run a node with an input of its own.
    Send(Send),
    /// Write, and go.
    Command(Command),
    /// Replace the value of a reducer channel.
    Overwrite(Value),
}

/// Runs a node with an input of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// The node.
    pub node: String,
    /// Its input.
    pub arg: Value,
}

/// Writes, and goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Command {
    /// `parent`, for the graph around this one.
    pub graph: Option<String>,
    /// What to write.
    pub update: Option<Value>,
    /// Where to go: a node, a send, or a list of them.
    pub goto: Option<Value>,
}

impl Marker {
    /// The order that `value` is, if it is one.
    pub fn of(value: &Value) -> Option<Self> {
        let fields = value.as_object().filter(|fields| fields.len() == 1)?;
        let (name, body) = fields.iter().next()?;
        match name.as_str() {
            "$send" => {
                Some(Self::Send(Send { node: body.get("node")?.as_str()?.to_owned(), arg: body.get("arg")?.clone() }))
            }
            "$command" => Some(Self::Command(Command {
                graph: body.get("graph").and_then(Value::as_str).map(str::to_owned),
                update: body.get("update").cloned(),
                goto: body.get("goto").cloned(),
            })),
            "$overwrite" => Some(Self::Overwrite(body.clone())),
            _ => None,
        }
    }
}

/// The order as a value, which is also its form in outputs.
impl From<Marker> for Value {
    fn from(marker: Marker) -> Self {
        match marker {
            Marker::Send(Send { node, arg }) => json!({"$send": {"node": node, "arg": arg}}),
            Marker::Overwrite(value) => json!({"$overwrite": value}),
            Marker::Command(Command { graph, update, goto }) => {
                let fields = [("graph", graph.map(Value::from)), ("update", update), ("goto", goto)];
                let set = fields.into_iter().filter_map(|(name, field)| Some((name.to_owned(), field?)));
                json!({"$command": set.collect::<Map<String, Value>>()})
            }
        }
    }
}
