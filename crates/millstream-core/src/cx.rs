//! The context of an execution: cancellation, identity, and the way out for events. It is passed, never ambient.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Body, Channels, Event, Kind, Metadata, Scope};

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
    channels: Channels,
    events: Option<mpsc::Sender<Event>>,
    ended: AtomicBool,
}

impl RunContext {
    pub(crate) fn new(cancel: CancellationToken, channels: Channels, events: Option<mpsc::Sender<Event>>) -> Arc<Self> {
        Arc::new(Self { cancel, channels, events, ended: AtomicBool::new(false) })
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
}

impl Label {
    /// A label without tags and metadata.
    pub fn new(kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Self { kind, name: name.into(), tags: Vec::new(), metadata: Metadata::new() }
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
        let run = RunContext::new(CancellationToken::new(), Channels::NONE, None);
        Self::root(run, Uuid::new_v4(), Label::new(Kind::Chain, "detached"))
    }

    pub(crate) fn root(run: Arc<RunContext>, run_id: Uuid, label: Label) -> Self {
        let Label { kind, name, tags, metadata } = label;
        let parent_ids = Arc::default();
        let scope =
            Scope { run_id, parent_ids, kind, name, tags, metadata, namespace: Vec::new(), node: None, task: None };
        Self { run, scope: Arc::new(scope), graphs: Arc::default(), host: None }
    }

    /// The context of an execution inside this one. Its tags and metadata are added to what it inherits.
    #[must_use]
    pub fn child(&self, label: Label) -> Self {
        let outer = &self.scope;
        let mut metadata = outer.metadata.clone();
        metadata.extend(label.metadata);
        let mut tags: Vec<String> = outer.tags.iter().filter(|tag| !is_place(tag)).cloned().collect();
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
        };
        let (run, graphs, host) = (self.run.clone(), self.graphs.clone(), self.host.clone());
        Self { run, scope: Arc::new(scope), graphs, host }
    }

    /// The context of a task of a graph, inside this one: a node's turn.
    #[must_use]
    pub fn task(&self, label: Label, task: Uuid, host: Arc<dyn TaskHost>) -> Self {
        let node = label.name.clone();
        let child = self.child(label).edit(|scope| (scope.node, scope.task) = (Some(node), Some(task)));
        Self { graphs: Arc::default(), host: Some(host), ..child }
    }

    /// The context of a graph that runs inside this one: inside a task its namespace is one segment deeper, and one more with a number for
    /// each graph but the first that the task runs. The namespace of a graph that keeps one state for all its runs has no task ids.
    #[must_use]
    pub fn graph(&self, label: Label, one_state: bool) -> Self {
        self.child(label).edit(|scope| {
            if let (Some(node), Some(task)) = (scope.node.take(), scope.task.take()) {
                scope.namespace.push(format!("{node}:{task}"));
                let before = self.graphs.fetch_add(1, Ordering::Relaxed);
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
        if !self.wants(Channels::RUNNABLES) {
            return self.check_open();
        }
        self.emit(Body::Dispatched { name: name.into(), data: json(data)? }).await
    }

    /// [`Cx::write`] for a thread that may block. Must not be called in asynchronous code.
    ///
    /// # Errors
    /// As [`Cx::write`].
    pub fn write_blocking(&self, value: impl Serialize) -> Result<()> {
        self.check_open()?;
        match (self.custom(value)?, &self.run.events) {
            (Some(body), Some(events)) => events.blocking_send(self.event(body)).map_err(|_| run_ended()),
            _ => Ok(()),
        }
    }

    /// Emits an event of this execution. Waits while the reader is behind.
    ///
    /// # Errors
    /// `run_ended` after the end of the run.
    pub async fn emit(&self, body: Body) -> Result<()> {
        match self.offer(body)? {
            Some(place) => place.await,
            None => Ok(()),
        }
    }

    /// [`emit`](Self::emit) for streams that are written by hand: nothing if the event has gone out, as it nearly always has; else the wait for its place,
    /// boxed so that the future of whoever emits is small.
    pub(crate) fn offer(&self, body: Body) -> Result<Option<BoxFuture<'static, Result<()>>>> {
        self.check_open()?;
        let Some(events) = &self.run.events else { return Ok(None) };
        match events.try_send(self.event(body)) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(event)) => {
                let events = events.clone();
                Ok(Some(async move { events.send(event).await.map_err(|_| run_ended()) }.boxed()))
            }
            Err(TrySendError::Closed(_)) => Err(run_ended()),
        }
    }

    fn custom(&self, value: impl Serialize) -> Result<Option<Body>> {
        if !self.wants(Channels::CUSTOM) {
            return Ok(None);
        }
        Ok(Some(Body::Custom { value: json(value)? }))
    }

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

/// Whether a tag says where in a sequence or a graph an execution is, which is not where what it runs is.
fn is_place(tag: &str) -> bool {
    tag.starts_with("seq:step:") || tag.starts_with("graph:step:")
}

fn run_ended() -> Error {
    Error::new(ErrorKind::RunEnded, "the run has ended, so nobody can read what is emitted now")
}
