//! A run: described once, then awaited, streamed or watched.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use uuid::Uuid;

use crate::cx::{Choices, Cx, Label, RunContext};
use crate::error::{Error, Result};
use crate::event::Channels;
use crate::execute::execute;
use crate::filter::EventFilter;
use crate::input::Input;
use crate::queue::Queue;
use crate::runnable::{Runnable, fold};
use crate::streamed::{Chunks, Streamed};

mod blocking;
mod events;

pub use blocking::Blocking;
pub use events::Events;

/// A run that has been described and not yet started.
///
/// `.await` gives the whole output, [`stream`](Run::stream) its pieces, [`events`](Run::events) everything that happens inside. There is one
/// execution path: awaiting folds the same pieces, and each step waits for the whole of the one before. The run is polled by its reader, whose pace is the run's pace; dropping it at any
/// point cancels everything inside.
#[must_use = "a run does nothing until it is awaited, streamed or watched"]
pub struct Run<O: Streamed> {
    label: Label,
    id: Uuid,
    cancel: Option<CancellationToken>,
    channels: Channels,
    filter: EventFilter,
    choices: Choices,
    start: Box<dyn FnOnce(Cx) -> Chunks<O> + Send>,
}

impl<O: Streamed> Run<O> {
    pub(crate) fn new<R: Runnable<Output = O>>(runnable: R, input: R::Input) -> Self {
        Self::of(runnable.label(), move |cx| execute(&runnable, Input::from_whole(input), cx).into_chunks())
    }

    /// A run of something that is not a [`Runnable`] value: `start` gives the pieces of its output, executed as the given context.
    pub fn of(label: Label, start: impl FnOnce(Cx) -> Chunks<O> + Send + 'static) -> Self {
        Self {
            label,
            id: Uuid::new_v4(),
            cancel: None,
            channels: Channels::ALL,
            filter: EventFilter::new(),
            choices: Choices::default(),
            start: Box::new(start),
        }
    }

    /// Another name for this run.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.label.name = name.into();
        self
    }

    /// The run's id, which is also the id of its outermost runnable; random unless set.
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = id;
        self
    }

    /// A tag more, for this run.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.label.tags.push(tag.into());
        self
    }

    /// A metadata value more, for this run.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.label.metadata.insert(key.into(), value.into());
        self
    }

    /// Stops the run when `token` is cancelled: the model call is dropped at once and the run ends `cancelled`.
    pub fn cancel_with(mut self, token: CancellationToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// Which events [`Run::events`] gives, besides the start and the end. What is left out is not made, and costs nothing.
    pub fn channels(mut self, channels: Channels) -> Self {
        self.channels = channels;
        self
    }

    /// Which runnables [`Run::events`] tells of: by name, kind and tag.
    pub fn only(mut self, filter: EventFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Chooses `value` for what is named `name` in this run: see [`Configurable`](crate::Configurable).
    pub fn configure(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.choices.configured.insert(name.into(), value.into());
        self
    }

    /// How many things of this run may happen at the same time, where several could: branches of a map, elements of a list. All unless set.
    pub fn max_concurrency(mut self, things: usize) -> Self {
        self.choices.at_once = Some(things.max(1));
        self
    }

    /// The output, piece by piece.
    pub fn stream(self) -> ChunkStream<O> {
        self.read(false)
    }

    /// The output, read piece by piece or `invoked`: then the pieces may wait for each other.
    fn read(self, invoked: bool) -> ChunkStream<O> {
        let run = Arc::new(RunContext::new(self.cancel.clone().unwrap_or_default(), self.choices));
        let chunks = (self.start)(Cx::root(run.clone(), self.id, self.label, invoked));
        let stopped = self.cancel.map(|token| Box::pin(token.cancelled_owned()));
        ChunkStream { run, chunks: Some(chunks), stopped }
    }

    /// Everything that happens, in order: first [`Started`](crate::Body::Started), last [`Finished`](crate::Body::Finished). A run that did
    /// not complete says so in that last event, and then as the stream's error, so that `?` cannot miss it.
    pub fn events(self) -> Events {
        let queue = Arc::new(Queue::default());
        let quiet = RunContext::new(self.cancel.unwrap_or_default(), self.choices);
        let run = RunContext { channels: self.channels, filter: self.filter, events: Some(queue.clone()), ..quiet };
        let run = Arc::new(run);
        let cx = Cx::root(run.clone(), self.id, self.label, false);
        let scope = cx.scope().clone();
        // Started when first polled, so that whatever user code does there counts as part of the run.
        let (mut start, mut chunks) = (Some((self.start, cx)), None);
        let execution = move |task: &mut Context<'_>| {
            if let Some((start, cx)) = start.take() {
                chunks = Some(start(cx));
            }
            match &mut chunks {
                Some(chunks) => chunks.poll_next_unpin(task).map(|chunk| chunk.map(|chunk| chunk.map(drop))),
                None => Poll::Ready(None),
            }
        };
        Events::new(run, scope, Box::new(execution), queue)
    }
}

/// The whole output.
impl<O: Streamed> IntoFuture for Run<O> {
    type Output = Result<O>;
    type IntoFuture = BoxFuture<'static, Result<O>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(fold::<O>(self.read(true).boxed()))
    }
}

/// The output of a run, piece by piece. Stop polling to pause; drop to cancel. Ends after its first error.
#[must_use = "a stream does nothing until it is polled"]
pub struct ChunkStream<O: Streamed> {
    run: Arc<RunContext>,
    chunks: Option<Chunks<O>>,
    stopped: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl<O: Streamed> ChunkStream<O> {
    /// The same pieces as an iterator, for code that is not asynchronous.
    pub fn blocking(self) -> Blocking<O> {
        Blocking::new(self)
    }

    fn end(&mut self) {
        self.chunks = None;
        self.run.end();
    }
}

impl<O: Streamed> Stream for ChunkStream<O> {
    type Item = Result<O::Chunk>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(chunks) = &mut this.chunks else { return Poll::Ready(None) };
        if let Some(stopped) = &mut this.stopped
            && Future::poll(stopped.as_mut(), task).is_ready()
        {
            this.end();
            return Poll::Ready(Some(Err(Error::cancelled())));
        }
        let item = std::task::ready!(chunks.as_mut().poll_next(task));
        if !matches!(item, Some(Ok(_))) {
            this.end();
        }
        Poll::Ready(item)
    }
}

impl<O: Streamed> Drop for ChunkStream<O> {
    fn drop(&mut self) {
        self.end();
    }
}
