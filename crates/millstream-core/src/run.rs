//! A run: described once, then awaited, streamed or watched.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use uuid::Uuid;

use crate::cx::{Cx, Label, RunContext};
use crate::error::{Error, Result};
use crate::event::Channels;
use crate::runnable::{Input, Runnable, execute, fold};
use crate::streamed::{Chunks, Streamed};

mod blocking;
mod events;

pub use blocking::Blocking;
pub use events::Events;

/// How many events may wait for the reader of [`Run::events`]. It is read in the same task, so this only bounds one burst.
const EVENT_QUEUE: usize = 64;

/// A run that has been described and not yet started.
///
/// `.await` gives the whole output, [`stream`](Run::stream) its pieces, [`events`](Run::events) everything that happens inside. There is one
/// execution path: awaiting folds the stream. The run is polled by its reader, whose pace is the run's pace; dropping it at any
/// point cancels everything inside.
#[must_use = "a run does nothing until it is awaited, streamed or watched"]
pub struct Run<O: Streamed> {
    label: Label,
    id: Uuid,
    cancel: Option<CancellationToken>,
    channels: Channels,
    start: Box<dyn FnOnce(Cx) -> Chunks<O> + Send>,
}

impl<O: Streamed> Run<O> {
    pub(crate) fn new<R: Runnable<Output = O>>(runnable: R, input: R::Input) -> Self {
        Self::of(runnable.label(), move |cx| execute(&runnable, Input::from_whole(input), cx))
    }

    /// A run of something that is not a [`Runnable`] value: `start` gives the pieces of its output, executed as the given context.
    pub fn of(label: Label, start: impl FnOnce(Cx) -> Chunks<O> + Send + 'static) -> Self {
        Self { label, id: Uuid::new_v4(), cancel: None, channels: Channels::ALL, start: Box::new(start) }
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

    /// The output, piece by piece.
    pub fn stream(self) -> ChunkStream<O> {
        let run = RunContext::new(self.cancel.clone().unwrap_or_default(), Channels::NONE, None);
        let chunks = (self.start)(Cx::root(run.clone(), self.id, self.label));
        let stopped = self.cancel.map(|token| Box::pin(token.cancelled_owned()));
        ChunkStream { run, chunks: Some(chunks), stopped }
    }

    /// Everything that happens, in order: first [`Started`](crate::Body::Started), last [`Finished`](crate::Body::Finished). A run that did
    /// not complete says so in that last event, and then as the stream's error, so that `?` cannot miss it.
    pub fn events(self) -> Events {
        let (sender, receiver) = mpsc::channel(EVENT_QUEUE);
        let cancel = self.cancel.unwrap_or_default();
        let run = RunContext::new(cancel, self.channels, Some(sender));
        let cx = Cx::root(run.clone(), self.id, self.label);
        let scope = cx.scope().clone();
        // Started when first polled, so that whatever user code does there counts as part of the run.
        let start = self.start;
        let chunks = stream::once(async move { start(cx) }).flatten().map(|chunk| chunk.map(drop));
        Events::new(run, scope, chunks.boxed(), receiver)
    }
}

/// The whole output.
impl<O: Streamed> IntoFuture for Run<O> {
    type Output = Result<O>;
    type IntoFuture = BoxFuture<'static, Result<O>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(fold::<O>(self.stream().boxed()))
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
