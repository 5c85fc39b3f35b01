//! Does what the ops of a node say.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryStreamExt};
use millstream::graph::{Command, Json};
use millstream::{Chunks, Cx, Message, MessageFold, Messages, Model, Result, Runnable};
use serde_json::{Map, Value, json};

use super::build::Built;
use super::world::World;
use super::{answer, tool};
use crate::case::{Op, Tool, Via};
use crate::chain::whole;
use crate::expression::{Command as Order, Environment, Expression, Marker, Raised};
use crate::message::{chunk_json, message_json, read_message};

/// Runs `ops` on `state`, and gives the node's answer; `known` are the keys of its graph.
pub(super) async fn answer(
    world: &Arc<World>,
    ops: &[Op],
    known: &(dyn Fn(&str) -> bool + Sync),
    state: &Json,
    cx: &Cx,
) -> Result<Command<Json>> {
    let mut script = Script { state: Some(state), ..Script::of_tool(world, cx, Map::new()) };
    if let ControlFlow::Break(value) = script.run(ops).await? {
        return Ok(answer::read(world, &value, known)?.shown_as(value));
    }
    let Script { written, orders, .. } = script;
    if orders.is_empty() {
        let written = if written.is_empty() { Value::Null } else { Value::Object(written) };
        return Ok(answer::read(world, &written, known)?.shown_as(written));
    }
    let orders = orders.iter().map(|order| {
        let carried = || (!written.is_empty()).then(|| Value::Object(written.clone()));
        Order { update: order.update.clone().or_else(carried), ..order.clone() }
    });
    let orders: Vec<Order> = orders.collect();
    let mut shown: Vec<Value> = orders.iter().map(|order| Marker::Command(order.clone()).into()).collect();
    let shown = if shown.len() == 1 { shown.remove(0) } else { Value::Array(shown) };
    Ok(answer::list(orders.iter().map(|order| answer::command(world, order, known)))?.shown_as(shown))
}

/// One run of a node, a tool or a lambda.
pub(crate) struct Script<'a> {
    world: &'a Arc<World>,
    cx: &'a Cx,
    /// A node's.
    state: Option<&'a Json>,
    /// A tool's.
    arguments: Map<String, Value>,
    /// A lambda's.
    input: Value,
    /// The id of the call that a tool answers.
    call_id: Option<String>,
    variables: Map<String, Value>,
    /// The node's update so far.
    written: Map<String, Value>,
    /// The commands that the node returns.
    orders: Vec<Order>,
}

impl<'a> Script<'a> {
    /// A run of a tool.
    pub(super) fn of_tool(world: &'a Arc<World>, cx: &'a Cx, arguments: Map<String, Value>) -> Self {
        let (variables, written, orders) = (Map::new(), Map::new(), Vec::new());
        Self { world, cx, state: None, arguments, input: Value::Null, call_id: None, variables, written, orders }
    }

    /// A run of a lambda.
    pub(crate) fn of_lambda(world: &'a Arc<World>, cx: &'a Cx, input: Value) -> Self {
        Self { input, ..Self::of_tool(world, cx, Map::new()) }
    }

    /// Does what the lambda does, and gives what it gives.
    pub(crate) async fn run_lambda(mut self, ops: &[Op], body: &Expression) -> Result<Value> {
        match self.run(ops).await? {
            ControlFlow::Break(value) => Ok(value),
            ControlFlow::Continue(()) => self.value(body),
        }
    }

    /// The run that answers the call `id`.
    pub(super) fn with_call(self, id: String) -> Self {
        Self { call_id: Some(id).filter(|id| !id.is_empty()), ..self }
    }

    /// Does what the tool does, and gives what it returns.
    pub(super) async fn run_tool(mut self, tool: &Tool) -> Result<Value> {
        match (self.run(&tool.ops).await?, &tool.result) {
            (ControlFlow::Break(value), _) => Ok(value),
            (ControlFlow::Continue(()), Some(result)) => self.value(result),
            (ControlFlow::Continue(()), None) => Ok(Value::Null),
        }
    }

    /// Breaks with what the node returns.
    fn run<'b>(&'b mut self, ops: &'b [Op]) -> BoxFuture<'b, Result<ControlFlow<Value>>> {
        async move {
            for op in ops {
                if let ControlFlow::Break(value) = self.step(op).await? {
                    return Ok(ControlFlow::Break(value));
                }
            }
            Ok(ControlFlow::Continue(()))
        }
        .boxed()
    }

    async fn step(&mut self, op: &Op) -> Result<ControlFlow<Value>> {
        match op {
            Op::Write { key, value } => {
                let value = self.value(value)?;
                self.written.insert(key.clone(), value);
            }
            Op::Set { var, value } => {
                let value = self.value(value)?;
                self.variables.insert(var.clone(), value);
            }
            Op::Model { model, input, key, into, via, tags, metadata, run_name } => {
                let input = match input {
                    Some(input) => self.value(input)?,
                    None => self.get("messages"),
                };
                let model = self.world.model(model)?.configured(tags, metadata, run_name.as_deref());
                let messages = self.messages(&input)?;
                let is_streamed = *via == Via::Stream && model.streams();
                let asked = Model::from(model.clone());
                let message = match is_streamed {
                    true => read(asked.stream(messages, self.cx)).await?,
                    false => asked.invoke(messages, self.cx).await?,
                };
                // The sum of the pieces is one more piece.
                let said = model.said().filter(|_| is_streamed);
                let answer = said.map_or_else(|| message_json(&message), |said| chunk_json(&said));
                if let Some(key) = key {
                    self.written.insert(key.clone(), json!([answer]));
                }
                self.keep(into.as_ref(), answer);
            }
            Op::Custom { value } => self.cx.write(self.value(value)?).await?,
            Op::Dispatch { name, data } => self.cx.dispatch(name.as_str(), self.value(data)?).await?,
            Op::Sleep { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Op::Raise { message, kind } => {
                let message = self.value(message)?;
                let text = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
                return Err(Raised::new(*kind, text).into());
            }
            Op::FailFirst { count, message, kind } => {
                let time = self.world.count(op);
                if time <= *count {
                    return Err(Raised::new(*kind, format!("{message} {time}")).into());
                }
            }
            Op::Graph { graph, input, into } => {
                let input = input.as_ref().map(|input| self.value(input)).transpose()?;
                let built = Built::new(self.world, graph).map_err(|skip| self.world.skip(skip))?;
                let output = built.invoke(&input.unwrap_or_else(|| json!({})), self.cx).await?;
                self.keep(into.as_ref(), output);
            }
            Op::Chain { chain, input, into } => {
                let input = input.as_ref().map(|input| self.value(input)).transpose()?.unwrap_or_default();
                let chain = self.world.chain(chain)?;
                let output = Runnable::invoke(&chain, input, self.cx).await?;
                self.keep(into.as_ref(), whole(&output));
            }
            Op::Tool { tool, input, into } => {
                let arguments = input.as_ref().map(|input| self.value(input)).transpose()?.unwrap_or_else(|| json!({}));
                // Boxed, since a tool may call a tool.
                let output = tool::call(self.world, tool, arguments, self.cx).boxed().await?;
                self.keep(into.as_ref(), output);
            }
            Op::Command { goto, update, graph } => {
                let value = |part: &Option<Expression>| part.as_ref().map(|part| self.value(part)).transpose();
                let order = Order { graph: graph.clone(), update: value(update)?, goto: value(goto)? };
                self.orders.push(order);
            }
            Op::If { cond, then, otherwise } => {
                let choice = if is_true(&self.value(cond)?) { then } else { otherwise };
                return self.run(choice).await;
            }
            Op::Return { value } => return Ok(ControlFlow::Break(self.value(value)?)),
            Op::Interrupt { value, into } => {
                let answer = self.cx.interrupt(self.value(value)?).await?;
                self.keep(into.as_ref(), answer);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn value(&self, expression: &Expression) -> Result<Value> {
        Ok(expression.evaluate(self)?)
    }

    fn keep(&mut self, into: Option<&String>, value: Value) {
        if let Some(variable) = into {
            self.variables.insert(variable.clone(), value);
        }
    }

    fn messages(&self, input: &Value) -> Result<Messages> {
        let items = match input {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let read = |item: &Value| read_message(item).map_err(|problem| self.world.lacks(problem));
        items.iter().map(read).collect()
    }
}

impl Environment for Script<'_> {
    fn state(&self) -> Value {
        self.state.map(Json::to_value).unwrap_or_default()
    }

    fn get(&self, key: &str) -> Value {
        self.state.and_then(|state| state.get(key)).cloned().unwrap_or_default()
    }

    fn input(&self) -> Value {
        self.input.clone()
    }

    fn argument(&self, name: &str) -> Value {
        self.arguments.get(name).cloned().unwrap_or_default()
    }

    fn tool_call_id(&self) -> Value {
        self.call_id.as_deref().into()
    }

    fn variable(&self, name: &str) -> Value {
        self.variables.get(name).cloned().unwrap_or_default()
    }
}

/// Reads a message to its end.
async fn read(mut chunks: Chunks<Message>) -> Result<Message> {
    let mut message = MessageFold::default();
    while let Some(chunk) = chunks.try_next().await? {
        message.push(&chunk)?;
    }
    message.finish()
}

/// An input and nothing else, for conditions and generators.
pub(crate) struct InputOnly(pub(crate) Value);

impl Environment for InputOnly {
    fn input(&self) -> Value {
        self.0.clone()
    }
}

/// A state and nothing else, for branches.
pub(super) struct StateOnly<'a>(pub(super) &'a Json);

impl Environment for StateOnly<'_> {
    fn state(&self) -> Value {
        self.0.to_value()
    }

    fn get(&self, key: &str) -> Value {
        self.0.get(key).cloned().unwrap_or_default()
    }
}

/// Only null and false are false.
fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}
