//! The context of an execution: cancellation, identity, and the way out for events. It is passed, never ambient.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Body, Channels, Event, Kind, Metadata, Scope};
use crate::filter::EventFilter;
use crate::queue::{Queue, Refused};
use crate::usage::Ledger;

/// The name of the error of an answer to a question that asked for something else: no tool can mend it, and no model.
pub(crate) const INVALID_ANSWER: &str = "InvalidAnswer";

/// Who executes, whether to stop, and where events go.
///
/// A `Cx` is handed to everything that runs. Cloning is three increments; clones may go to spawned tasks and blocking threads, and emit
/// from there (R20). Emitting after the run has ended is an error, so that nothing is lost in silence.
///
/// ```
/// use millstream_core::{Cx, Result};
///
/// async fn look_around(cx: &Cx) -> Result<()> {
///     cx.write("looking out of the window").await?;
///     if cx.is_cancelled() {
///         return Ok(());
///     }
///     cx.write(serde_json::json!({ "sky": "blue" })).await
/// }
/// # futures_util::FutureExt::now_or_never(look_around(&Cx::detached())).unwrap().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Cx {
    run: Arc<RunContext>,
    scope: Arc<Scope>,
    /// How many graphs have run in the task so far.
    graphs: Arc<AtomicUsize>,
    /// The task of a graph that this is a part of.
    host: Option<Arc<dyn TaskHost>>,
}

/// What the task of a graph is for everything that runs inside it: whom [`Cx::interrupt`] asks, and where graphs inside find the graph around
/// them.
pub trait TaskHost: Any + fmt::Debug + Send + Sync {
    /// The answer to the next question of this task.
    ///
    /// # Errors
    /// [`Interrupt::error`](crate::Interrupt::error) if there is no answer yet.
    fn ask(&self, question: Value) -> Result<Value>;
}

/// What all executions inside one run share.
#[derive(Debug)]
pub(crate) struct RunContext {
    pub(crate) cancel: CancellationToken,
    pub(crate) channels: Channels,
    pub(crate) filter: EventFilter,
    pub(crate) choices: Choices,
    pub(crate) events: Option<Arc<Queue>>,
    pub(crate) ended: AtomicBool,
    pub(crate) ledger: Ledger,
}

/// What a run was told to do otherwise than the things in it were built to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices {
    /// By the names of what can be chosen.
    pub(crate) configured: Metadata,
    /// How many things that could run at the same time do.
    pub(crate) at_once: Option<usize>,
}

impl RunContext {
    /// A run that nobody watches.
    pub(crate) fn new(cancel: CancellationToken, choices: Choices) -> Self {
        let (channels, filter) = (Channels::NONE, EventFilter::new());
        let (ended, ledger) = Default::default();
        Self { cancel, channels, filter, choices, events: None, ended, ledger }
    }

    /// From here on, emitting is an error.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// How a runnable presents itself: the part of its [`Scope`] that it brings along.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Label {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: Arc<str>,
    /// Labels to filter by.
    pub tags: Vec<String>,
    /// What else is known of it.
    pub metadata: Metadata,
    /// How it is told what it does.
    pub(crate) telling: Telling,
}

/// How it is told what a runnable does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Telling {
    /// That it begins, each piece, that it ends.
    #[default]
    Pieces,
    /// No pieces where it is a step of something else.
    Whole,
    /// The same, and that it ends before anybody has what it gives.
    AtOnce,
    /// By itself.
    Itself,
}

impl Label {
    /// A label without tags and metadata.
    pub fn new(kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Self { kind, name: name.into(), tags: Vec::new(), metadata: Metadata::new(), telling: Telling::default() }
    }

    /// Of a runnable whose output is told whole where it is a step of something else, however it comes.
    pub(crate) fn whole(self) -> Self {
        Self { telling: Telling::Whole, ..self }
    }

    /// Of a runnable whose output is there at once, when it has ended: a model that does not stream.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { telling: Telling::AtOnce, ..self }
    }

    /// Of a runnable that tells itself that it begins and ends.
    #[must_use]
    pub fn telling_itself(self) -> Self {
        Self { telling: Telling::Itself, ..self }
    }

    /// Adds what else is known.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}

impl Cx {
    /// A context of its own: never cancelled, with nobody to read its events.
    pub fn detached() -> Self {
        let run = RunContext::new(CancellationToken::new(), Choices::default());
        Self::root(run.into(), Uuid::new_v4(), Label::new(Kind::Chain, "detached"), true)
    }

    pub(crate) fn root(run: Arc<RunContext>, run_id: Uuid, label: Label, invoked: bool) -> Self {
        let Label { kind, name, mut tags, metadata, .. } = label;
        let mut known = HashSet::new();
        tags.retain(|tag| known.insert(tag.clone()));
        let parent_ids = Arc::default();
        let scope = Scope {
            run_id,
            parent_ids,
            kind,
            name,
            tags,
            metadata,
            namespace: Vec::new(),
            node: None,
            task: None,
            invoked,
        };
        Self { run, scope: Arc::new(scope), graphs: Arc::default(), host: None }
    }

    /// The context of an execution inside this one. Its tags and metadata are added to what it inherits.
    #[must_use]
    pub fn child(&self, label: Label) -> Self {
        let outer = &self.scope;
        let mut metadata = outer.metadata.clone();
        metadata.extend(label.metadata);
        let mut tags: Vec<String> = outer.inherited_tags().cloned().collect();
        for tag in label.tags {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        let parent_ids = outer.parent_ids.iter().copied().chain([outer.run_id]).collect();
        let scope = Scope {
            run_id: Uuid::new_v4(),
            parent_ids,
            kind: label.kind,
            name: label.name,
            tags,
            metadata,
            namespace: outer.namespace.clone(),
            node: outer.node.clone(),
            task: outer.task,
            invoked: outer.invoked,
        };
        let (run, graphs, host) = (self.run.clone(), self.graphs.clone(), self.host.clone());
        Self { run, scope: Arc::new(scope), graphs, host }
    }

    /// The context of a task of a graph, inside this one: a node's turn.
    #[must_use]
    pub fn task(&self, label: Label, task: Uuid, host: Arc<dyn TaskHost>) -> Self {
        let node = label.name.clone();
        let child = self.child(label).edit(|scope| {
            (scope.node, scope.task) = (Some(node), Some(task));
            // A node tells what it gives, also in a graph that is waited for.
            scope.invoked = false;
        });
        Self { graphs: Arc::default(), host: Some(host), ..child }
    }

    /// The same, of an execution that is that of a graph: inside a task its namespace is one segment deeper, and one more with a number for
    /// each graph but the first that the task runs. The namespace of a graph that keeps one state for all its runs has no task ids.
    #[must_use]
    pub fn into_graph(self, one_state: bool) -> Self {
        let graphs = self.graphs.clone();
        self.edit(|scope| {
            if let (Some(node), Some(task)) = (scope.node.take(), scope.task.take()) {
                scope.namespace.push(format!("{node}:{task}"));
                let before = graphs.fetch_add(1, Ordering::Relaxed);
                scope.namespace.extend((before > 0).then(|| before.to_string()));
                if one_state {
                    for segment in &mut scope.namespace {
                        segment.truncate(segment.find(':').unwrap_or(segment.len()));
                    }
                }
            }
        })
    }

    /// The task of a graph that this is a part of, if it is an `H`.
    pub fn host<H: TaskHost>(&self) -> Option<Arc<H>> {
        let host: Arc<dyn Any + Send + Sync> = self.host.clone()?;
        host.downcast().ok()
    }

    /// Asks a person. The first time, the error that comes back ends the node, and the graph waits; when the answer is there the node runs again from its
    /// beginning, and this gives the answer. A node that asks several times gets the answers in their order.
    ///
    /// ```
    /// use millstream_core::{Cx, Result};
    /// use serde_json::json;
    ///
    /// async fn send(draft: &str, cx: &Cx) -> Result<&'static str> {
    ///     let agreed: bool = cx.interrupt(json!({ "send": draft })).await?;
    ///     Ok(if agreed { "sent" } else { "thrown away" })
    /// }
    /// ```
    ///
    /// # Errors
    /// `interrupted`, to be passed on with `?`; `invalid_input` outside of a graph, and for an answer that is no `T`.
    pub async fn interrupt<T: DeserializeOwned>(&self, question: impl Serialize) -> Result<T> {
        let Some(host) = &self.host else {
            let message = "only a node of a graph, or what it calls, can ask a person; there is no graph here";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        };
        let answer = host.ask(json(question)?)?;
        serde_json::from_value(answer.clone()).map_err(|error| {
            let message = format!("the answer {answer} is not what the node asked for: {error}");
            Error::new(ErrorKind::InvalidInput, message).with_name(INVALID_ANSWER).with_source(error)
        })
    }

    /// The same, of an execution whose output is waited for.
    #[must_use]
    pub fn waited_for(self) -> Self {
        self.edit(|scope| scope.invoked = true)
    }

    /// The context of an execution inside this one whose output is waited for, or else read piece by piece.
    pub(crate) fn inside(&self, label: Label, invoked: bool) -> Self {
        self.child(label).edit(|scope| scope.invoked = invoked)
    }

    /// What this run was told to choose, by [`Run::configure`](crate::Run::configure).
    pub fn configured(&self, name: &str) -> Option<&Value> {
        self.run.choices.configured.get(name)
    }

    /// How many things of this run may happen at the same time where several could; `None` if nobody has said.
    pub fn max_concurrency(&self) -> Option<usize> {
        self.run.choices.at_once
    }

    fn edit(mut self, change: impl FnOnce(&mut Scope)) -> Self {
        change(Arc::make_mut(&mut self.scope));
        self
    }

    /// Who executes.
    pub fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    /// The id of the message that a model gives in this execution.
    pub fn message_id(&self) -> String {
        format!("lc_run--{}", self.scope.run_id)
    }

    /// Whether somebody may read events of `channels`.
    pub fn wants(&self, channels: Channels) -> bool {
        self.run.events.is_some() && self.run.channels.contains(channels)
    }

    /// Whether somebody may read what this execution says of itself as a runnable.
    pub fn tells(&self) -> bool {
        self.wants(Channels::RUNNABLES) && self.run.filter.allows_scope(&self.scope)
    }

    /// Whether its first word has its input: that of a run has, and that of what is waited for; what is read piece by piece may begin
    /// before its input is whole.
    pub(crate) fn begins_with_input(&self) -> bool {
        self.scope.invoked || self.scope.parent_ids.is_empty()
    }

    /// Where what model calls of the run cost is noted.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.run.ledger
    }

    /// Whether the run was stopped.
    pub fn is_cancelled(&self) -> bool {
        self.run.cancel.is_cancelled()
    }

    /// Comes back when the run is stopped. Model calls need not wait for it: they are dropped.
    pub async fn cancelled(&self) {
        self.run.cancel.cancelled().await;
    }

    /// A token that is cancelled with the run, for code that starts something of its own.
    pub fn cancellation(&self) -> CancellationToken {
        self.run.cancel.child_token()
    }

    /// Says something to whoever watches the run: a custom event. Waits while the reader is behind.
    ///
    /// # Errors
    /// `run_ended` after the end of the run; `invalid_input` if the value cannot be JSON.
    pub async fn write(&self, value: impl Serialize) -> Result<()> {
        match self.custom(value)? {
            Some(body) => self.emit(body).await,
            None => self.check_open(),
        }
    }

    /// Says something under a name to whoever watches all runnables: LangChain's `dispatch_custom_event`.
    ///
    /// # Errors
    /// As [`Cx::write`].
    pub async fn dispatch(&self, name: impl Into<String>, data: impl Serialize) -> Result<()> {
        let name = name.into();
        let is_let_through = self.run.filter.allows(&name, &name, &self.scope.tags);
        if !is_let_through || !self.wants(Channels::RUNNABLES) {
            return self.check_open();
        }
        self.emit(Body::Dispatched { name, data: json(data)? }).await
    }

    /// [`Cx::write`] for a thread that may block. Must not be called in asynchronous code.
    ///
    /// # Errors
    /// As [`Cx::write`].
    pub fn write_blocking(&self, value: impl Serialize) -> Result<()> {
        self.check_open()?;
        match (self.custom(value)?, &self.run.events) {
            (Some(body), Some(events)) => {
                if events.send_blocking(self.event(body)) {
                    Ok(())
                } else {
                    Err(run_ended())
                }
            }
            _ => Ok(()),
        }
    }

    /// Emits an event of this execution. Waits while the reader is behind.
    ///
    /// # Errors
    /// `run_ended` after the end of the run.
    pub async fn emit(&self, body: Body) -> Result<()> {
        match self.offer(|| body)? {
            Some(place) => place.await,
            None => Ok(()),
        }
    }

    /// [`emit`](Self::emit) for streams that are written by hand: nothing if the event has gone out, as it nearly always has; else the wait for its place,
    /// boxed so that the future of whoever emits is small.
    #[inline]
    pub(crate) fn offer(&self, body: impl FnOnce() -> Body) -> Result<Option<BoxFuture<'static, Result<()>>>> {
        let Some(events) = &self.run.events else {
            self.check_open()?;
            return Ok(None);
        };
        match events.push(|| self.event(body())) {
            Ok(()) => Ok(None),
            Err(Refused::Full(event)) => {
                let placed = events.clone().send(event);
                Ok(Some(placed.map(|is_placed| if is_placed { Ok(()) } else { Err(run_ended()) }).boxed()))
            }
            Err(Refused::Closed) => Err(run_ended()),
        }
    }

    fn custom(&self, value: impl Serialize) -> Result<Option<Body>> {
        if !self.wants(Channels::CUSTOM) {
            return Ok(None);
        }
        Ok(Some(Body::Custom { value: json(value)? }))
    }

    #[inline]
    fn event(&self, body: Body) -> Event {
        Event::new(self.scope.clone(), body)
    }

    fn check_open(&self) -> Result<()> {
        if self.run.ended.load(Ordering::Acquire) { Err(run_ended()) } else { Ok(()) }
    }
}

fn json(value: impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("what was written cannot be JSON: {error}")).with_source(error)
    })
}

fn run_ended() -> Error {
    Error::new(ErrorKind::RunEnded, "the run has ended, so nobody can read what is emitted now")
}
