//! The events of a run in the JSON of LangChain's `astream_events`, version 2.
//!
//! | event | data |
//! |---|---|
//! | `on_chain_start`, `on_prompt_start`, .. | `{"input"}`, or `{}` where the runnable begins before its input is whole |
//! | `on_chat_model_stream` | `{"chunk"}`: an `AIMessageChunk` |
//! | `on_chain_stream`, `on_parser_stream` | `{"chunk"}` |
//! | `on_chain_end`, `on_chat_model_end`, `on_retriever_end`, .. | `{"input", "output"}` |
//! | `on_tool_error` | `{"error", "input", "tool_call_id"}` |
//! | `on_custom_event` | what was dispatched |
//!
//! The first event of a run has the run's input as it was given, and the end of what began with it does not say it again. Source: LangChain's
//! documentation of `astream_events`, and what langchain-core 1.7 does.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_core::{
    Body, Chunk, Event, EventFilter, Finish, Kind, Messages, Metadata, Part, Payload, Piece, Scope, TaskError,
};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

mod form;
mod shown;

pub use form::{EventForm, PlainForm};

use form::Pieces;
use shown::Shown;

/// One event, in the familiar form.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventV2 {
    /// What happened: `on_chain_start`, `on_chat_model_stream`, ..
    pub event: String,
    /// The name of the runnable; of a custom event its own.
    pub name: Arc<str>,
    /// The execution.
    pub run_id: Uuid,
    /// The executions around it, outermost first.
    pub parent_ids: Arc<[Uuid]>,
    /// The tags of the execution.
    pub tags: Vec<String>,
    /// The metadata of the execution.
    pub metadata: Metadata,
    /// What came in, came out, or went wrong.
    pub data: Value,
}

/// Turns the events of a run into [`EventV2`]s, one after the other.
///
/// ```
/// use futures_util::StreamExt;
/// use millstream_core::{Demo, Model, Prompt, Runnable, Text, vars};
/// use millstream_protocol::events_v2::EventsV2;
/// use serde_json::json;
///
/// # futures_util::FutureExt::now_or_never(async {
/// let chain = Prompt::new().human("{q}").pipe(Model::from(Demo::instant())).pipe(Text);
/// let mut view = EventsV2::new(json!({ "q": "Explain RAG" }));
/// let mut events = chain.run(vars! { q: "Explain RAG" }).events();
/// let mut names = Vec::new();
/// while let Some(event) = events.next().await {
///     names.extend(view.push(&event.unwrap()).map(|event| event.event));
/// }
/// assert_eq!(names[..3], ["on_chain_start", "on_prompt_start", "on_prompt_end"]);
/// assert_eq!(names.last().unwrap(), "on_chain_end");
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct EventsV2<F = PlainForm> {
    form: F,
    /// What the run was given: the first event that is told shows it.
    input: Value,
    filter: EventFilter,
    first: Option<Uuid>,
    runs: HashMap<Uuid, Execution>,
}

/// What is known of an execution that is not over.
#[derive(Debug, Default)]
struct Execution {
    input: Option<Value>,
    /// The call that a tool answers.
    call: Option<String>,
    /// The pieces of the messages in its output, by where in it they are.
    pieces: HashMap<String, Pieces>,
    /// The sums of the pieces of messages that executions inside have given, by the messages' ids.
    sums: HashMap<String, Value>,
}

impl EventsV2 {
    /// The view of a run that was given `input`, with messages in LangChain's plain JSON.
    pub fn new(input: Value) -> Self {
        Self::with_form(input, PlainForm)
    }
}

impl<F: EventForm> EventsV2<F> {
    /// The view of a run that was given `input`, with messages in another form.
    pub fn with_form(input: Value, form: F) -> Self {
        Self { form, input, filter: EventFilter::new(), first: None, runs: HashMap::new() }
    }

    /// The same for some of the events. [`Run::only`](millstream_core::Run::only) keeps the others from being made at all; then a message that a model
    /// that was kept out has streamed is shown whole where others give it on.
    #[must_use]
    pub fn only(self, filter: EventFilter) -> Self {
        Self { filter, ..self }
    }

    /// The event in its familiar form, unless it has none or is not wanted.
    pub fn push(&mut self, event: &Event) -> Option<EventV2> {
        let scope = &*event.scope;
        let (name, data) = match &event.body {
            Body::RunnableStarted { input } => self.started(scope, input.as_ref()),
            // The end of a message whose run has failed is no piece of it.
            Body::Message { chunk } if is_cut(chunk) => return None,
            Body::Message { chunk } => {
                let piece = self.piece(scope, String::new(), &Piece::Message(chunk.clone()));
                // What comes in one piece was not streamed.
                (piece["type"] == "AIMessageChunk").then(|| ("stream", json!({ "chunk": piece })))?
            }
            Body::RunnableChunk { chunk } => ("stream", json!({ "chunk": self.piece(scope, String::new(), chunk) })),
            Body::RunnableFinished { input, output } => self.finished(scope, input.as_ref(), output),
            Body::RunnableFailed { input, error } => self.failed(scope, input, error),
            Body::ToolStarted { call } => {
                self.run(scope).call = Some(call.id.clone()).filter(|id| !id.is_empty());
                return None;
            }
            Body::Dispatched { name, data } => return self.dispatched(scope, name, data),
            _ => return None,
        };
        self.tell(scope, name, data)
    }

    fn run(&mut self, scope: &Scope) -> &mut Execution {
        self.runs.entry(scope.run_id).or_default()
    }

    fn started(&mut self, scope: &Scope, input: Option<&Payload>) -> (&'static str, Value) {
        let input = input.map(|input| self.input_of(scope, input));
        self.run(scope).input.clone_from(&input);
        ("start", input.map_or_else(|| json!({}), |input| json!({ "input": input })))
    }

    /// An input, in the shape in which runnables of its kind show it.
    fn input_of(&self, scope: &Scope, input: &Payload) -> Value {
        let shown = Shown { form: &self.form, sums: [self.sums_around(scope), None] };
        match scope.kind {
            Kind::ChatModel => json!({ "messages": [shown.conversation(&input.json()).unwrap_or_default()] }),
            Kind::Retriever => json!({ "query": input.json() }),
            _ => shown.value(&input.json()),
        }
    }

    /// The sums of messages that the steps before an execution have given.
    fn sums_around(&self, scope: &Scope) -> Option<&HashMap<String, Value>> {
        if scope.invoked {
            return None;
        }
        Some(&self.runs.get(scope.parent_ids.last()?)?.sums)
    }

    /// A piece of the output, each message in it followed on its own.
    fn piece(&mut self, scope: &Scope, place: String, piece: &Piece) -> Value {
        match piece {
            Piece::Text(text) => Value::from(&**text),
            Piece::Message(chunk) => {
                let pieces = self.runs.entry(scope.run_id).or_default().pieces.entry(place).or_default();
                pieces.json(&self.form, chunk)
            }
            Piece::Entries(entries) => {
                let pieces = entries
                    .iter()
                    .map(|(name, piece)| (name.to_string(), self.piece(scope, format!("{place}/{name}"), piece)));
                Value::Object(pieces.collect())
            }
            Piece::Items(value) | Piece::Whole(value) => {
                let own = self.runs.get(&scope.run_id).map(|run| &run.sums);
                let shown = Shown { form: &self.form, sums: [own, self.sums_around(scope)] };
                // What a prompt gives is a conversation wherever it is; a list of messages inside an object is a list.
                let is_conversation = place.is_empty() || value.downcast::<Messages>().is_some();
                if is_conversation { shown.value(&value.json()) } else { shown.field(&value.json()) }
            }
        }
    }

    fn finished(&mut self, scope: &Scope, input: Option<&Payload>, output: &Payload) -> (&'static str, Value) {
        let mut run = self.runs.remove(&scope.run_id).unwrap_or_default();
        let ends_with_words = run.pieces.values().any(Pieces::ends_with_words);
        for pieces in run.pieces.values_mut() {
            run.sums.extend(pieces.take_sum().filter(|_| !scope.invoked));
        }
        let mut input = run.input.take().or_else(|| Some(self.input_of(scope, input?)));
        if let (Kind::Chain | Kind::Parser | Kind::Prompt, Some(input)) = (scope.kind, &mut input) {
            nothing_as_object(input);
        }
        let is_conversation = scope.kind == Kind::Prompt;
        let text = output.downcast::<Messages>().and_then(Messages::as_text).filter(|_| is_conversation);
        let shown = Shown { form: &self.form, sums: [Some(&run.sums), self.sums_around(scope)] };
        let mut output = match shown.conversation(&output.json()).filter(|_| is_conversation) {
            Some(_) if text.is_some() => json!({ "text": text }),
            Some(messages) => json!({ "messages": messages }),
            None => shown.value(&output.json()),
        };
        if !scope.invoked
            && let Some(outer) = scope.parent_ids.last().and_then(|parent| self.runs.get_mut(parent))
        {
            outer.sums.extend(run.sums);
        }
        if let (Kind::ChatModel, false, Some(fields)) = (scope.kind, ends_with_words, output.as_object_mut()) {
            fields.remove("chunk_position");
        }
        let mut data = json!({ "output": output });
        if let Some(input) = input.filter(|_| !scope.parent_ids.is_empty()) {
            data["input"] = input;
        }
        ("end", data)
    }

    /// Told of tools alone.
    fn failed(&mut self, scope: &Scope, input: &Payload, error: &TaskError) -> (&'static str, Value) {
        let run = self.runs.remove(&scope.run_id).unwrap_or_default();
        let input = run.input.unwrap_or_else(|| self.input_of(scope, input));
        ("error", json!({ "error": self.form.error(error), "input": input, "tool_call_id": run.call }))
    }

    /// A custom event is the word of whatever dispatched it, under a name of its own, which is its type too.
    fn dispatched(&mut self, scope: &Scope, name: &str, data: &Value) -> Option<EventV2> {
        let tags: Vec<String> = scope.inherited_tags().cloned().collect();
        if !self.filter.allows(name, name, &tags) {
            return None;
        }
        let mut data = data.clone();
        if self.first.is_none() {
            self.first = Some(scope.run_id);
            if let Some(fields) = data.as_object_mut() {
                fields.insert("input".to_owned(), self.input.clone());
            }
        }
        Some(EventV2 {
            event: "on_custom_event".to_owned(),
            name: name.into(),
            run_id: scope.run_id,
            parent_ids: scope.parent_ids.clone(),
            tags,
            metadata: scope.metadata.clone(),
            data,
        })
    }

    fn tell(&mut self, scope: &Scope, name: &str, mut data: Value) -> Option<EventV2> {
        if !self.filter.allows_scope(scope) {
            return None;
        }
        if self.first.is_none() {
            self.first = Some(scope.run_id);
            data["input"] = self.input.clone();
        } else if let (true, "end", Some(fields)) = (self.first == Some(scope.run_id), name, data.as_object_mut()) {
            fields.remove("input");
        }
        Some(EventV2 {
            event: format!("on_{}_{name}", scope.kind.name()),
            name: scope.name.clone(),
            run_id: scope.run_id,
            parent_ids: scope.parent_ids.clone(),
            tags: scope.tags.clone(),
            metadata: scope.metadata.clone(),
            data,
        })
    }
}

fn is_cut(chunk: &Chunk) -> bool {
    let is_over =
        |part: &Part| matches!(part, Part::End { finish: Finish::Failed | Finish::Cancelled | Finish::Truncated, .. });
    chunk.iter().any(is_over) && !chunk.is_visible()
}

/// LangChain shows an input that is empty, null, false or zero as an empty object when a chain has ended.
fn nothing_as_object(input: &mut Value) {
    let is_nothing = match &*input {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(true) | Value::Object(_) => false,
    };
    if is_nothing {
        *input = json!({});
    }
}
