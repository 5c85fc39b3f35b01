//! The expressions of the cases: literals, and objects with one `$` key that are operators.
//!
//! Values are JSON. A message is the object that the cases write, a send, a command and an overwrite are `{"$send": ..}`,
//! `{"$command": ..}` and `{"$overwrite": ..}`, as in outputs; [`Marker`] tells them from other objects.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::case::FailureKind;

mod evaluate;
mod marker;

pub use evaluate::{Environment, Raised};
pub use marker::{Command, Marker, Send};

/// An expression, read once and evaluated where it stands.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub enum Expression {
    /// Itself.
    Literal(Value),
    /// A list of expressions.
    List(Vec<Expression>),
    /// An object of expressions.
    Object(BTreeMap<String, Expression>),
    /// The value of a key of the state.
    Get(String),
    /// The whole state.
    State,
    /// A variable.
    Variable(String),
    /// The input of a lambda, or its field.
    Input(Option<String>),
    /// A tool argument.
    Argument(String),
    /// The id of the tool call.
    ToolCallId,
    /// The element inside a map, or its field.
    Item(Option<String>),
    /// An operator on operands that are all evaluated.
    Apply(Operator, Vec<Expression>),
    /// A choice.
    If(Box<[Expression; 3]>),
    /// A body for each element of a list.
    Map(Box<[Expression; 2]>),
    /// A send to a node.
    Send(Box<[Expression; 2]>),
    /// A command.
    Command {
        /// `parent`, for the graph around this one.
        graph: Option<String>,
        /// What to write.
        update: Option<Box<Expression>>,
        /// Where to go.
        goto: Option<Box<Expression>>,
    },
    /// A value that replaces the value of a reducer channel.
    Overwrite(Box<Expression>),
    /// A failure.
    Raise(FailureKind, Box<Expression>),
}

/// An operator whose operands are values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The sum.
    Add,
    /// The product.
    Mul,
    /// Whether the first is less.
    Lt,
    /// Whether they are equal.
    Eq,
    /// Whether it is null or false.
    Not,
    /// Whether a list or a text contains it.
    Contains,
    /// One text.
    Concat,
    /// One list.
    Cat,
    /// How long it is.
    Len,
    /// The last element.
    Last,
    /// An element.
    At,
    /// The text of a message.
    Content,
    /// A field.
    Field,
    /// In upper case.
    Upper,
}

impl Operator {
    /// By its name, with the number of its operands if that is fixed.
    fn parse(name: &str) -> Option<(Self, Option<usize>)> {
        Some(match name {
            "$add" => (Self::Add, None),
            "$mul" => (Self::Mul, None),
            "$lt" => (Self::Lt, Some(2)),
            "$eq" => (Self::Eq, Some(2)),
            "$not" => (Self::Not, Some(1)),
            "$contains" => (Self::Contains, Some(2)),
            "$concat" => (Self::Concat, None),
            "$cat" => (Self::Cat, None),
            "$len" => (Self::Len, Some(1)),
            "$last" => (Self::Last, Some(1)),
            "$at" => (Self::At, Some(2)),
            "$content" => (Self::Content, Some(1)),
            "$field" => (Self::Field, Some(2)),
            "$upper" => (Self::Upper, Some(1)),
            _ => return None,
        })
    }
}

impl TryFrom<Value> for Expression {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items.into_iter().map(Self::try_from).collect::<Result<_, _>>().map(Self::List),
            Value::Object(fields) => {
                let mut names = fields.keys();
                match (names.next(), names.next()) {
                    (Some(name), None) if name.starts_with('$') => {
                        let name = name.clone();
                        let operand = fields.into_iter().next().map(|(_, operand)| operand).unwrap_or_default();
                        operator(&name, operand)
                    }
                    _ => {
                        let fields = fields.into_iter().map(|(name, field)| Ok((name, Self::try_from(field)?)));
                        fields.collect::<Result<_, String>>().map(Self::Object)
                    }
                }
            }
            plain => Ok(Self::Literal(plain)),
        }
    }
}

fn operator(name: &str, operand: Value) -> Result<Expression, String> {
    if let Some((operator, arity)) = Operator::parse(name) {
        let operands = match (arity, operand) {
            (Some(1), operand) => vec![Expression::try_from(operand)?],
            (arity, Value::Array(items)) if arity.is_none_or(|arity| arity == items.len()) => {
                items.into_iter().map(Expression::try_from).collect::<Result<_, _>>()?
            }
            (_, operand) => return Err(format!("{name} does not take {operand}")),
        };
        return Ok(Expression::Apply(operator, operands));
    }
    Ok(match (name, operand) {
        ("$get", Value::String(key)) => Expression::Get(key),
        ("$state", Value::Bool(true)) => Expression::State,
        ("$var", Value::String(variable)) => Expression::Variable(variable),
        ("$in", Value::Bool(true)) => Expression::Input(None),
        ("$in", Value::String(key)) => Expression::Input(Some(key)),
        ("$arg", Value::String(argument)) => Expression::Argument(argument),
        ("$tool_call_id", Value::Bool(true)) => Expression::ToolCallId,
        ("$item", Value::Bool(true)) => Expression::Item(None),
        ("$item", Value::String(key)) => Expression::Item(Some(key)),
        ("$quote", json) => Expression::Literal(json),
        ("$if", Value::Array(items)) => Expression::If(Box::new(operands(name, items)?)),
        ("$map", Value::Array(items)) => Expression::Map(Box::new(operands(name, items)?)),
        ("$overwrite", value) => Expression::Overwrite(Box::new(Expression::try_from(value)?)),
        ("$raise", Value::Array(items)) => {
            let [kind, message] =
                <[Value; 2]>::try_from(items).map_err(|_| "$raise takes a type and a text".to_owned())?;
            let kind =
                kind.as_str().and_then(FailureKind::parse).ok_or_else(|| format!("there is no failure type {kind}"))?;
            Expression::Raise(kind, Box::new(Expression::try_from(message)?))
        }
        ("$send", Value::Object(mut fields)) => {
            let node = take(&mut fields, "node")?.ok_or("$send needs a node")?;
            let arg = take(&mut fields, "arg")?.unwrap_or(Expression::Literal(Value::Null));
            nothing_else(name, &fields)?;
            Expression::Send(Box::new([node, arg]))
        }
        ("$command", Value::Object(mut fields)) => {
            let graph = fields.remove("graph").and_then(|graph| graph.as_str().map(str::to_owned));
            let update = take(&mut fields, "update")?.map(Box::new);
            let goto = take(&mut fields, "goto")?.map(Box::new);
            nothing_else(name, &fields)?;
            Expression::Command { graph, update, goto }
        }
        (name, operand) => return Err(format!("the expression {{{name:?}: {operand}}} is not understood")),
    })
}

fn operands<const N: usize>(name: &str, items: Vec<Value>) -> Result<[Expression; N], String> {
    let items = items.into_iter().map(Expression::try_from).collect::<Result<Vec<_>, _>>()?;
    items.try_into().map_err(|_| format!("{name} takes {N} operands"))
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Result<Option<Expression>, String> {
    fields.remove(name).map(Expression::try_from).transpose()
}

fn nothing_else(name: &str, fields: &Map<String, Value>) -> Result<(), String> {
    fields.keys().next().map_or(Ok(()), |field| Err(format!("{name} has no {field:?}")))
}
