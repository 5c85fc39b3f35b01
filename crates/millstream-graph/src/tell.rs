//! What an execution of a graph says of itself: nothing is made that nobody reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_core::{Body, Channels, Cx, Error, Payload, Result, TaskError};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::command::{Command, Target};
use crate::state::{Schema, State};
use crate::task::Turn;

/// The voice of one execution of a graph.
pub(crate) struct Tell {
    cx: Cx,
}

impl Tell {
    pub(crate) fn new(cx: Cx) -> Self {
        Self { cx }
    }

    /// The context of the execution.
    pub(crate) fn cx(&self) -> &Cx {
        &self.cx
    }

    /// Whether somebody may read messages that nodes return.
    pub(crate) fn looks_for_messages(&self) -> bool {
        self.cx.wants(Channels::MESSAGES)
    }

    /// The graph begins.
    pub(crate) async fn began<S: State>(&self, input: &[S::Update], state: &S) -> Result<()> {
        if !self.cx.wants(Channels::RUNNABLES) {
            return Ok(());
        }
        let input = if input.is_empty() { as_json(state)? } else { joined(input)? };
        self.cx.emit(Body::RunnableStarted { input: Some(input) }).await
    }

    /// The graph has come to its end.
    pub(crate) async fn ended<S: State>(&self, state: &S) -> Result<()> {
        if !self.cx.wants(Channels::RUNNABLES) {
            return Ok(());
        }
        self.cx.emit(Body::RunnableFinished { output: as_json(state)? }).await
    }

    /// A node begins, executed as `cx`.
    pub(crate) async fn node_began<S: State>(cx: &Cx, state: &S) -> Result<()> {
        if !cx.wants(Channels::RUNNABLES) {
            return Ok(());
        }
        cx.emit(Body::RunnableStarted { input: Some(as_json(state)?) }).await
    }

    /// What a node answers, for whoever watches runnables.
    pub(crate) fn output<S: State>(&self, command: &Command<S>) -> Result<Option<Value>> {
        if !self.cx.wants(Channels::RUNNABLES) {
            return Ok(None);
        }
        let update = answered(&command.updates)?;
        if command.goto.is_empty() {
            return Ok(Some(update));
        }
        let mut goto: Vec<Value> = command.goto.iter().map(Target::json).collect::<Result<_>>()?;
        let goto = if goto.len() == 1 { goto.remove(0) } else { Value::Array(goto) };
        let fields = [("update", update), ("goto", goto)].into_iter().filter(|(_, field)| !field.is_null());
        Ok(Some(json!({ "$command": fields.collect::<BTreeMap<_, _>>() })))
    }

    /// A node that was executed as `cx` has answered with `output`, which changes the state by `updates`.
    pub(crate) async fn node_ended(&self, cx: &Cx, output: Option<Value>, updates: &[impl Serialize]) -> Result<()> {
        let Some(output) = output else { return Ok(()) };
        cx.emit(Body::RunnableChunk { chunk: output.clone() }).await?;
        cx.emit(Body::RunnableFinished { output }).await?;
        // A graph inside a node is waited for, not streamed.
        if self.cx.scope().parent_ids.is_empty() {
            let chunk = Map::from_iter([(cx.scope().name.to_string(), answered(updates)?)]);
            self.cx.emit(Body::RunnableChunk { chunk: Value::Object(chunk) }).await?;
        }
        Ok(())
    }

    /// The state is another.
    pub(crate) async fn values<S: State>(&self, state: &Arc<S>) -> Result<()> {
        if !self.cx.wants(Channels::VALUES) {
            return Ok(());
        }
        self.cx.emit(Body::Values { state: Payload::new(state.clone()) }).await
    }

    /// A turn begins.
    pub(crate) async fn started<S: State>(&self, turn: &Turn<S>) -> Result<()> {
        if !self.cx.wants(Channels::TASKS) {
            return Ok(());
        }
        let (task, input) = (turn.task.clone(), Payload::new(turn.state.clone()));
        self.cx.emit(Body::TaskStarted { task, input }).await
    }

    /// A node has answered; gives what was told.
    pub(crate) async fn updates<S: State>(
        &self,
        schema: &Schema<S>,
        turn: &Turn<S>,
        updates: &[S::Update],
    ) -> Result<Vec<Payload>> {
        let (wants_updates, wants_tasks) = (self.cx.wants(Channels::UPDATES), self.cx.wants(Channels::TASKS));
        if !wants_updates && !wants_tasks {
            return Ok(Vec::new());
        }
        let says_something = |update: &&S::Update| schema.says_something(update);
        let told: Vec<Payload> = updates.iter().filter(says_something).cloned().map(Payload::new).collect();
        if wants_updates {
            let (node, updates) = (turn.task.name.clone(), told.clone());
            self.cx.emit(Body::Updates { node, updates }).await?;
        }
        Ok(told)
    }

    /// A turn is over.
    pub(crate) async fn finished<S: State>(&self, turn: &Turn<S>, told: &[Payload]) -> Result<()> {
        self.task_finished(turn, told, None).await
    }

    /// A turn has failed, and the graph with it.
    pub(crate) async fn failed<S: State>(&self, turn: &Turn<S>, told: &[Payload], error: Error) -> Result<()> {
        self.task_finished(turn, told, Some(TaskError::from(&error))).await?;
        Err(error)
    }

    async fn task_finished<S: State>(&self, turn: &Turn<S>, told: &[Payload], error: Option<TaskError>) -> Result<()> {
        if !self.cx.wants(Channels::TASKS) {
            return Ok(());
        }
        let (task, result) = (turn.task.clone(), told.to_vec());
        self.cx.emit(Body::TaskFinished { task, result, error }).await
    }
}

/// What a node answers: nothing, an update, or several.
fn answered(updates: &[impl Serialize]) -> Result<Value> {
    Ok(match updates {
        [] => Value::Null,
        [one] => as_json(one)?,
        many => Value::Array(many.iter().map(as_json).collect::<Result<_>>()?),
    })
}

/// Several updates as one object.
fn joined(updates: &[impl Serialize]) -> Result<Value> {
    let mut all = Map::new();
    for update in updates {
        if let Value::Object(fields) = as_json(update)? {
            all.extend(fields);
        }
    }
    Ok(Value::Object(all))
}

fn as_json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(Error::failed)
}
