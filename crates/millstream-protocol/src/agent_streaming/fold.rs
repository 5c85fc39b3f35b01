//! From a run's events to those of the protocol.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use millstream_core::{
    Body, CheckpointEvent, Chunk, Event, Finished, Interrupt, Message, MessageFold, Metadata, Outcome, Part, Payload,
    Scope, Task, TaskError, ToolCall,
};
use serde_json::{Map, Value, json};
use smallvec::SmallVec;
use uuid::Uuid;

use super::event::{Data, Method, Params, ProtocolEvent};
use super::lifecycle::{Ended, Lifecycles, word};
use super::message::OpenMessage;
use super::written::Told;

/// The tag of models that nobody wants to hear.
const UNHEARD: &str = "nostream";

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// Clients of a server: all methods, the run's own lifecycle too, and every message step by step.
    Server,
    /// A program, as LangGraph's `astream_events(version="v3")` has it: values, messages and the lifecycle of graphs inside. A step of a message
    /// is a pair with what is known of its model, and a message that was not streamed is one event.
    Program,
}

/// The fold that makes the protocol's events.
///
/// It is shown every event of a run, or of all runs of a thread one after the other, and numbers what it makes. What a token costs does not
/// depend on what came before it.
///
/// ```
/// use futures_util::TryStreamExt;
/// use millstream_core::{Demo, Model, Runnable};
/// use millstream_protocol::agent_streaming::{AgentEvents, Form};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut fold = AgentEvents::new(Form::Server);
/// let mut lines = Vec::new();
/// let mut events = Model::from(Demo::says(["Hi"])).run("hello").events();
/// while let Some(event) = events.try_next().await? {
///     for told in fold.see(&event) {
///         lines.push(serde_json::to_string(&told)?);
///     }
/// }
/// assert!(lines[0].starts_with(r#"{"type":"event","seq":1,"method":"lifecycle""#));
/// assert!(lines.iter().any(|line| line.contains(r#"{"type":"text-delta","text":"Hi"}"#)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AgentEvents {
    form: Form,
    seq: u64,
    open: HashMap<Uuid, Speaker>,
    told: Told,
    /// The messages that were shown, by a model or as what a node returned.
    shown: HashSet<String>,
    /// The interrupts that were told.
    asked: HashSet<Arc<str>>,
    lifecycles: Lifecycles,
    with_tasks: bool,
    with_tools: bool,
}

/// A model while it speaks.
#[derive(Debug)]
struct Speaker {
    id: Option<String>,
    heard: bool,
    message: OpenMessage,
    about: Arc<Metadata>,
}

/// What one event of a run means: mostly one event of the protocol, or none.
type Events<'a> = SmallVec<[ProtocolEvent<'a>; 1]>;

impl AgentEvents {
    /// A fold that has seen nothing.
    pub fn new(form: Form) -> Self {
        Self {
            form,
            seq: 0,
            open: HashMap::new(),
            told: Told::default(),
            shown: HashSet::new(),
            asked: HashSet::new(),
            lifecycles: Lifecycles::default(),
            with_tasks: false,
            with_tools: form == Form::Server,
        }
    }

    /// The same with the method `tasks`, which repeats the state for every task.
    #[must_use]
    pub fn with_tasks(mut self) -> Self {
        self.with_tasks = true;
        self
    }

    /// The same with the method `tools`, which a program gets from LangChain's `create_agent` and a client of a server in any case.
    #[must_use]
    pub fn with_tools(mut self) -> Self {
        self.with_tools = true;
        self
    }

    /// What `event` means in the protocol.
    pub fn see<'a>(&mut self, event: &'a Event) -> SmallVec<[ProtocolEvent<'a>; 1]> {
        let scope = &event.scope;
        let served = self.form == Form::Server;
        match &event.body {
            Body::Started if served => {
                self.one(Method::Lifecycle, &[], json!({"event": "running", "graph_name": &*scope.name}))
            }
            Body::Finished(finished) => self.finished(scope, finished),
            Body::Values { state } => self.values(scope, state, &[]),
            Body::Interrupted { interrupts, state } => self.interrupted(scope, interrupts, state),
            Body::Checkpoint(checkpoint) if served => self.checkpoint(scope, checkpoint),
            Body::Updates { node, updates, .. } if served => {
                let update = self.joined(updates);
                self.one(Method::Updates, &scope.namespace, json!({ &**node: update }))
            }
            Body::Custom { value } if served => self.one(Method::Custom, &scope.namespace, value.clone()),
            Body::Message { chunk } => self.message(scope, chunk),
            Body::MessageReturned { message } => self.returned(scope, message),
            Body::ToolStarted { call, .. } if self.tells_tools(scope) => {
                self.one(Method::Tools, &scope.namespace, tool_started(call))
            }
            Body::ToolFinished { result, .. } if self.tells_tools(scope) => {
                let data = self.tool_finished(result);
                self.one(Method::Tools, &scope.namespace, data)
            }
            Body::TaskStarted { task, input } => self.task_started(event, task, input),
            Body::TaskFinished { task, result, error, interrupts } => {
                self.task_finished(scope, task, result, error.as_deref(), interrupts)
            }
            _ => Events::new(),
        }
    }

    /// In a program only of the tools of the outermost agent.
    fn tells_tools(&self, scope: &Scope) -> bool {
        self.with_tools && (self.form == Form::Server || scope.namespace.is_empty())
    }

    fn one<'a>(&mut self, method: Method, namespace: &'a [String], data: Value) -> Events<'a> {
        SmallVec::from_buf([self.event(method, Cow::Borrowed(namespace), Data::Json(data))])
    }

    fn event<'a>(&mut self, method: Method, namespace: Cow<'a, [String]>, data: Data<'a>) -> ProtocolEvent<'a> {
        self.seq += 1;
        ProtocolEvent { seq: self.seq, method, params: Params { namespace, data, interrupts: None } }
    }

    fn written(&self, payload: &Payload) -> Value {
        let mut value = payload.json();
        self.told.write(&mut value);
        value
    }

    /// Several updates as one value: nothing, one, or a list.
    fn joined(&self, updates: &[Payload]) -> Value {
        match updates {
            [] => Value::Null,
            [one] => self.written(one),
            many => many.iter().map(|update| self.written(update)).collect(),
        }
    }

    fn values<'a>(&mut self, scope: &'a Scope, state: &Payload, interrupts: &'a [Interrupt]) -> Events<'a> {
        let state = self.written(state);
        let mut told = self.one(Method::Values, &scope.namespace, state);
        if self.form == Form::Program {
            told[0].params.interrupts = Some(interrupts);
        }
        told
    }

    /// A graph waits. At a breakpoint nobody is asked anything.
    fn interrupted<'a>(&mut self, scope: &'a Scope, interrupts: &'a [Interrupt], state: &Payload) -> Events<'a> {
        match (self.form, interrupts) {
            (_, []) => Events::new(),
            (Form::Program, interrupts) => self.values(scope, state, interrupts),
            (Form::Server, interrupts) => {
                // The graphs around the one that asks ask the same again.
                let new: Vec<&Interrupt> =
                    interrupts.iter().filter(|interrupt| self.asked.insert(interrupt.id.clone())).collect();
                let told = new.into_iter().map(|Interrupt { id, value }| {
                    // LangGraph's Python client reads `value`, the protocol says `payload`.
                    let data = json!({"interrupt_id": **id, "payload": value, "value": value});
                    self.event(Method::InputRequested, Cow::Borrowed(&scope.namespace), Data::Json(data))
                });
                told.collect()
            }
        }
    }

    fn checkpoint<'a>(&mut self, scope: &'a Scope, checkpoint: &CheckpointEvent) -> Events<'a> {
        let CheckpointEvent { at, parent, source, step, .. } = checkpoint;
        let mut data = json!({"id": at.id, "step": step, "source": source});
        if let Some(parent) = parent {
            data["parent_id"] = json!(parent.id);
        }
        self.one(Method::Checkpoints, &scope.namespace, data)
    }

    fn message<'a>(&mut self, scope: &'a Scope, chunk: &'a Chunk) -> Events<'a> {
        if let (Form::Program, Some(Part::Start { .. }), Some(Part::End { .. })) =
            (self.form, chunk.first(), chunk.last())
        {
            return self.whole(scope, chunk);
        }
        let speaker = self.open.entry(scope.run_id).or_insert_with(|| Speaker::new(scope));
        let (heard, about) = (speaker.heard, speaker.about.clone());
        let mut told = Events::new();
        for part in chunk {
            if let Part::Start { id, .. } = part {
                speaker.id = (!id.is_empty()).then(|| id.to_string());
            }
            for step in speaker.message.steps(part) {
                let data = match self.form {
                    // In a program what failed is an error of the run.
                    Form::Program if matches!(step, super::MessageData::Error { .. }) => continue,
                    Form::Program => Data::Attributed(step, about.clone()),
                    Form::Server => Data::Message(step),
                };
                if heard {
                    self.seq += 1;
                    let params = Params { namespace: Cow::Borrowed(&scope.namespace), data, interrupts: None };
                    told.push(ProtocolEvent { seq: self.seq, method: Method::Messages, params });
                }
            }
        }
        if let Some(Part::End { .. }) = chunk.last()
            && let Some(Speaker { id: Some(id), heard, message, .. }) = self.open.remove(&scope.run_id)
        {
            if heard {
                self.shown.insert(id.clone());
            }
            self.told.insert(id, message.blocks().collect());
        }
        told
    }

    /// A message that came in one piece: it was not streamed.
    fn whole<'a>(&mut self, scope: &'a Scope, chunk: &Chunk) -> Events<'a> {
        let mut fold = MessageFold::default();
        let Some(message) = fold.push(chunk).ok().and_then(|()| fold.finish().ok()) else { return Events::new() };
        if !is_heard(scope) {
            return Events::new();
        }
        self.shown.extend(message.id.clone());
        let mut message = json!(message);
        self.told.write(&mut message);
        self.one(Method::Messages, &scope.namespace, json!([message, about(scope)]))
    }

    /// A message that a node returned. In a program it is shown if no model was heard to say it; results of tools are not.
    fn returned<'a>(&mut self, scope: &'a Scope, message: &Payload) -> Events<'a> {
        let message = self.written(message);
        let is_new = match message.get("id").and_then(Value::as_str) {
            Some(id) => self.shown.insert(id.to_owned()),
            None => true,
        };
        if self.form == Form::Server || message.get("type").is_some_and(|kind| kind == "tool") || !is_new {
            return Events::new();
        }
        self.one(Method::Messages, &scope.namespace, json!([message, about(scope)]))
    }

    fn task_started<'a>(&mut self, event: &'a Event, task: &Task, input: &Payload) -> Events<'a> {
        let namespace = &event.scope.namespace;
        let mut told = Events::new();
        if let Some(data) = self.lifecycles.task_started(event) {
            let place: &[String] = if self.form == Form::Program { &[] } else { namespace };
            told.extend(self.one(Method::Lifecycle, place, data));
        }
        if self.with_tasks {
            let triggers = &task.triggers;
            let data = json!({"id": task.id, "name": &*task.name, "input": self.written(input), "triggers": triggers});
            told.extend(self.one(Method::Tasks, namespace, data));
        }
        told
    }

    fn task_finished<'a>(
        &mut self,
        scope: &'a Scope,
        task: &Task,
        result: &[Payload],
        error: Option<&TaskError>,
        interrupts: &[Interrupt],
    ) -> Events<'a> {
        let mut told = Events::new();
        if self.with_tasks {
            let updates = result.iter().map(|update| self.written(update));
            let fields = updates.filter_map(|update| match update {
                Value::Object(fields) => Some(fields),
                _ => None,
            });
            let result: Map<String, Value> = fields.flatten().collect();
            // What went wrong in full is not for clients.
            let error = error.map(|error| &error.code);
            let (id, name) = (task.id, &*task.name);
            let data = json!({"id": id, "name": name, "error": error, "result": result, "interrupts": interrupts});
            told.extend(self.one(Method::Tasks, &scope.namespace, data));
        }
        // A client is told of a failure when the run ends, in words that are meant for it.
        if error.is_some() && self.form == Form::Server {
            return told;
        }
        let outcome = match (error, interrupts) {
            (Some(_), _) => Outcome::Failed,
            (None, []) => Outcome::Completed,
            _ => Outcome::Interrupted,
        };
        if let Some(ended) = self.lifecycles.task_finished(&scope.namespace, task, outcome) {
            told.push(self.ended(ended, error.map(|error| error.message.as_str())));
        }
        told
    }

    fn finished<'a>(&mut self, scope: &'a Scope, finished: &Finished) -> Events<'a> {
        let outcome = finished.outcome;
        let error = finished.error.as_ref().map(|error| error.message.as_str()).filter(|_| word(outcome) == "failed");
        let open: Vec<Ended> = self.lifecycles.finished(outcome).collect();
        let mut told: Events<'a> = open.into_iter().map(|ended| self.ended(ended, error)).collect();
        self.open.clear();
        if self.form == Form::Server {
            let root = Ended { namespace: Vec::new(), name: scope.name.to_string(), outcome };
            told.push(self.ended(root, error));
        }
        told
    }

    fn ended<'a>(&mut self, ended: Ended, error: Option<&str>) -> ProtocolEvent<'a> {
        let Ended { namespace, name, outcome } = ended;
        let mut data = json!({"event": word(outcome)});
        if let Some(error) = error {
            data["error"] = error.into();
        }
        let place = match self.form {
            Form::Program => {
                data["namespace"] = namespace.into();
                Vec::new()
            }
            Form::Server => {
                data["graph_name"] = name.into();
                namespace
            }
        };
        self.event(Method::Lifecycle, Cow::Owned(place), Data::Json(data))
    }

    fn tool_finished(&self, result: &Message) -> Value {
        let id = &result.tool_call_id;
        if result.failed {
            return json!({"event": "tool-error", "tool_call_id": id, "message": result.text()});
        }
        let mut output = json!(result);
        self.told.write(&mut output);
        json!({"event": "tool-finished", "tool_call_id": id, "output": output})
    }
}

impl Speaker {
    fn new(scope: &Scope) -> Self {
        let mut about = about(scope);
        about.insert("run_id".to_owned(), json!(scope.run_id));
        Self { id: None, heard: is_heard(scope), message: OpenMessage::default(), about: Arc::new(about) }
    }
}

fn is_heard(scope: &Scope) -> bool {
    !scope.tags.iter().any(|tag| tag == UNHEARD)
}

/// What is known of whoever speaks: its metadata, and the tags that somebody gave it.
fn about(scope: &Scope) -> Metadata {
    let mut about = scope.metadata.clone();
    let tags: Vec<&String> = scope.tags.iter().filter(|tag| !is_place(tag)).collect();
    if !tags.is_empty() {
        about.insert("tags".to_owned(), json!(tags));
    }
    about
}

/// Whether a tag only says which step of a sequence or of a graph it is.
fn is_place(tag: &str) -> bool {
    tag.starts_with("seq:step:") || tag.starts_with("graph:step:")
}

fn tool_started(call: &ToolCall) -> Value {
    json!({"event": "tool-started", "tool_call_id": call.id, "tool_name": call.name, "input": call.args})
}
