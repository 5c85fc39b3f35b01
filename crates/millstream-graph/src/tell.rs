//! What an execution of a graph says of itself: nothing is made that nobody reads.

use std::collections::BTreeMap;

use millstream_core::{
    Body, Channels, CheckpointEvent, CheckpointPlace, CheckpointTask, Cx, Error, Interrupt, Payload, Piece, Result,
    TaskError, ToolCall,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::answer::{Answer, Goto, Sent};
use crate::checkpoint::CheckpointMetadata;
use crate::engine::Begin;
use crate::host;
use crate::past::Past;
use crate::plan::Plan;
use crate::saver::Place;
use crate::shape::Shape;
use crate::turn::Turn;

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

    /// The graph begins.
    pub(crate) async fn began(&self, begin: &Begin) -> Result<()> {
        if !self.cx.tells() {
            return Ok(());
        }
        let input = match begin {
            Begin::Input(update) => as_json(update)?,
            Begin::GoOn => Value::Null,
            Begin::Orders(orders) => {
                let resume = match (&orders.answer, &orders.answers) {
                    (None, Some(answers)) => json!(answers),
                    (answer, _) => answer.clone().unwrap_or_default(),
                };
                command([
                    ("resume", resume),
                    ("update", answered(&orders.also.updates)?),
                    ("goto", goto(&orders.also)?),
                ])
            }
        };
        self.cx.emit(Body::RunnableStarted { input: Some(Payload::new(input)) }).await
    }

    /// The graph has come to its end.
    pub(crate) async fn ended(&self, state: &Payload) -> Result<()> {
        if !self.cx.tells() {
            return Ok(());
        }
        self.cx.emit(Body::RunnableFinished { input: None, output: state.clone() }).await
    }

    /// A node begins, executed as `cx`.
    pub(crate) async fn node_began(cx: &Cx, call: Option<&ToolCall>, state: &Payload) -> Result<()> {
        if !cx.tells() {
            return Ok(());
        }
        let input = match call {
            Some(call) => json!({ "tool_call": call }),
            None => as_json(state)?,
        };
        cx.emit(Body::RunnableStarted { input: Some(Payload::new(input)) }).await
    }

    /// What a node answers, for whoever watches runnables.
    pub(crate) fn output(&self, answer: &Answer) -> Result<Option<Value>> {
        if !self.cx.tells() || answer.from_inside {
            return Ok(None);
        }
        if let Some(shown) = &answer.shown {
            return Ok(Some(shown.clone()));
        }
        let update = answered(&answer.updates)?;
        if answer.goto.is_empty() {
            return Ok(Some(update));
        }
        Ok(Some(command([("update", update), ("goto", goto(answer)?)])))
    }

    /// A node that was executed as `cx` has answered with `output`.
    pub(crate) async fn node_ended(cx: &Cx, output: Option<Value>) -> Result<()> {
        let Some(output) = output else { return Ok(()) };
        let output = Payload::new(output);
        cx.emit(Body::RunnableChunk { chunk: Piece::Whole(output.clone()) }).await?;
        cx.emit(Body::RunnableFinished { input: None, output }).await
    }

    /// What a node has changed is a piece of the graph's output.
    pub(crate) async fn answered(&self, turn: &Turn, told: &[Payload]) -> Result<()> {
        if !self.cx.tells() {
            return Ok(());
        }
        self.piece(Value::Object(Map::from_iter([(turn.task.name.to_string(), together(told)?)]))).await
    }

    /// A piece of the graph's output. A graph inside a node is waited for, not streamed.
    async fn piece(&self, chunk: Value) -> Result<()> {
        if !self.cx.scope().parent_ids.is_empty() {
            return Ok(());
        }
        self.cx.emit(Body::RunnableChunk { chunk: Piece::whole(chunk) }).await
    }

    /// The state is another.
    pub(crate) async fn values(&self, state: &Payload) -> Result<()> {
        if !self.cx.wants(Channels::VALUES) {
            return Ok(());
        }
        self.cx.emit(Body::Values { state: state.clone() }).await
    }

    /// A person is waited for.
    pub(crate) async fn interrupted(&self, interrupts: Vec<Interrupt>, state: &Payload) -> Result<()> {
        if self.cx.tells() {
            self.piece(json!({ "__interrupt__": interrupts })).await?;
        }
        self.cx.emit(Body::Interrupted { interrupts, state: state.clone() }).await
    }

    /// A turn begins, with what `given` gives.
    pub(crate) async fn started(&self, turn: &Turn, given: impl FnOnce() -> Payload) -> Result<()> {
        if !self.cx.wants(Channels::TASKS) {
            return Ok(());
        }
        let input = match &turn.sent {
            Some(Sent::Call(call)) => Payload::new(json!({ "tool_call": call })),
            _ => given(),
        };
        self.cx.emit(Body::TaskStarted { task: turn.task.clone(), input }).await
    }

    /// A node has answered, in this run or an earlier one; gives what was told.
    pub(crate) async fn updates(
        &self,
        shape: &dyn Shape,
        turn: &Turn,
        updates: &[Payload],
        cached: bool,
    ) -> Result<Vec<Payload>> {
        let wants_updates = self.cx.wants(Channels::UPDATES);
        if !wants_updates && !self.cx.wants(Channels::TASKS) && !self.cx.tells() {
            return Ok(Vec::new());
        }
        let told: Vec<Payload> = updates.iter().filter(|update| shape.says_something(update)).cloned().collect();
        if wants_updates {
            let (node, updates) = (turn.task.name.clone(), told.clone());
            self.cx.emit(Body::Updates { node, updates, cached }).await?;
        }
        Ok(told)
    }

    /// A turn is over: it gave what was `told`, failed, or waits for answers.
    pub(crate) async fn finished(
        &self,
        turn: &Turn,
        told: &[Payload],
        error: Option<TaskError>,
        interrupts: Vec<Interrupt>,
    ) -> Result<()> {
        if !self.cx.wants(Channels::TASKS) {
            return Ok(());
        }
        let (task, result, error) = (turn.task.clone(), told.to_vec(), error.map(Box::new));
        self.cx.emit(Body::TaskFinished { task, result, error, interrupts }).await
    }

    /// The graph is at a checkpoint, and `turns` are due.
    #[expect(clippy::too_many_arguments, reason = "an event of eight parts")]
    pub(crate) async fn checkpoint(
        &self,
        plan: &Plan,
        place: &Place,
        id: Uuid,
        parent: Option<Uuid>,
        metadata: &CheckpointMetadata,
        state: &Payload,
        turns: &[Turn],
        past: &Past,
    ) -> Result<()> {
        if !self.cx.wants(Channels::CHECKPOINTS) {
            return Ok(());
        }
        let at = |id| CheckpointPlace { thread: place.thread.clone(), namespace: place.namespace.clone(), id };
        let tasks = turns.iter().map(|turn| {
            let deeds = past.of(turn.task.id);
            let namespace = || host::place(&place.namespace, &turn.task.name, turn.task.id).into();
            Ok(CheckpointTask {
                id: turn.task.id,
                name: turn.task.name.clone(),
                error: deeds.and_then(|deeds| deeds.error.clone()),
                interrupts: deeds.map(|deeds| deeds.interrupts.clone()).unwrap_or_default(),
                result: result(plan, turn, past)?,
                graph: turn
                    .node
                    .and_then(|node| plan.node(node).spec.inner.as_ref())
                    .filter(|inner| inner.keeps_state())
                    .map(|_| namespace()),
            })
        });
        let event = CheckpointEvent {
            at: at(id),
            parent: parent.map(at),
            source: metadata.source.name().to_owned(),
            step: metadata.step,
            parents: metadata.parents.clone(),
            state: state.clone(),
            tasks: tasks.collect::<Result<_>>()?,
        };
        self.cx.emit(Body::Checkpoint(Box::new(event))).await
    }
}

/// What a turn gave in an earlier run, whether or not it runs again.
fn result(plan: &Plan, turn: &Turn, past: &Past) -> Result<Option<Vec<Payload>>> {
    if let Some(done) = &turn.done {
        // The start is given its own input; whether it has run is another thing.
        let told = turn.node.is_some() || past.superseded;
        return Ok(told.then(|| done.updates.clone()));
    }
    let output = past.of(turn.task.id).and_then(|deeds| deeds.output.clone());
    output.map(|output| output.load(plan).map(|(updates, _)| updates)).transpose()
}

/// A command as outputs of LangGraph are written: what of it is set.
fn command<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let set = fields.into_iter().filter(|(_, field)| !field.is_null());
    json!({ "$command": set.collect::<BTreeMap<_, _>>() })
}

fn goto(answer: &Answer) -> Result<Value> {
    let mut goto: Vec<Value> = answer.goto.iter().map(Goto::json).collect::<Result<_>>()?;
    Ok(match goto.len() {
        0 => Value::Null,
        1 => goto.remove(0),
        _ => Value::Array(goto),
    })
}

/// Several updates as one, unless two of them write the same.
fn together(updates: &[Payload]) -> Result<Value> {
    let mut all = Map::new();
    let mut written = 0;
    for update in updates {
        if let Value::Object(fields) = as_json(update)? {
            written += fields.len();
            all.extend(fields);
        }
    }
    match updates {
        [] => Ok(Value::Null),
        _ if all.len() == written => Ok(Value::Object(all)),
        many => answered(many),
    }
}

/// What a node answers: nothing, an update, or several.
fn answered(updates: &[Payload]) -> Result<Value> {
    Ok(match updates {
        [] => Value::Null,
        [one] => as_json(one)?,
        many => Value::Array(many.iter().map(as_json).collect::<Result<_>>()?),
    })
}

fn as_json(value: &Payload) -> Result<Value> {
    value.try_json().map_err(Error::failed)
}
