//! One execution of one runnable: what it gives, told to whoever watches.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt, stream};

use crate::cx::{Cx, Telling};
use crate::error::{Error, Result};
use crate::event::{Body, Channels, Kind};
use crate::input::{Input, Seen};
use crate::runnable::Runnable;
use crate::streamed::{Chunks, Fold, Streamed};

/// Executes `runnable` as `cx` and says so in events, if anybody listens. What it gives is the input of the next step.
pub(crate) fn execute<R: Runnable + ?Sized>(runnable: &R, mut input: Input<R::Input>, cx: Cx) -> Input<R::Output> {
    let is_invoked = cx.scope().invoked;
    let output = if cx.wants(Channels::RUNNABLES) {
        let (telling, kind) = (runnable.label().telling, cx.scope().kind);
        let given = input.seen();
        let inside = runnable.output(input, cx.clone());
        // Of a sequence the last step has put it together.
        let made = inside.made();
        let gives = made.clone().unwrap_or_default();
        let observed = Observed::<R::Output> {
            chunks: Some(inside.into_chunks()),
            fold: made.is_none().then(Default::default),
            is_over: false,
            tells: cx.tells() && telling != Telling::Itself,
            tells_chunks: !is_invoked && comes_in_pieces(telling, &cx),
            cx,
            given,
            gives: gives.clone(),
            waiting: None,
        };
        let is_at_once = telling == Telling::AtOnce || matches!(kind, Kind::Prompt | Kind::Retriever);
        let chunks = if is_at_once { at_once::<R::Output>(observed) } else { observed.boxed() };
        Input::<R::Output>::from_chunks(chunks).with_seen(Some(gives))
    } else {
        runnable.output(input, cx)
    };
    if is_invoked { output.waited_for() } else { output }
}

/// Whether what a runnable gives is told piece by piece: that of others comes whole, or is told as a message.
fn comes_in_pieces(telling: Telling, cx: &Cx) -> bool {
    let is_run = cx.scope().parent_ids.is_empty();
    matches!(cx.scope().kind, Kind::Chain | Kind::Parser)
        && (is_run || !matches!(telling, Telling::Whole | Telling::AtOnce))
}

/// The output, once it has ended and its end was told.
fn at_once<T: Streamed>(mut observed: Observed<T>) -> Chunks<T> {
    let whole = async move {
        let (mut chunks, mut failure) = (Vec::new(), None);
        while let Some(chunk) = observed.next().await {
            match chunk {
                Ok(chunk) => chunks.push(Ok(chunk)),
                Err(error) => failure = Some(Err(error)),
            }
        }
        stream::iter(chunks.into_iter().chain(failure))
    };
    stream::once(whole).flatten().boxed()
}

/// The output of a runnable, each piece told before it is given.
struct Observed<T: Streamed> {
    /// Nothing once it has ended.
    chunks: Option<Chunks<T>>,
    /// Puts together what nobody inside does.
    fold: Option<T::Fold>,
    is_over: bool,
    tells: bool,
    tells_chunks: bool,
    cx: Cx,
    given: Seen,
    gives: Seen,
    waiting: Option<Waiting<T>>,
}

/// What is being told, a chunk or the end, while its event waits for a place.
struct Waiting<T: Streamed> {
    chunk: Option<T::Chunk>,
    place: BoxFuture<'static, Result<()>>,
}

impl<T: Streamed> Observed<T> {
    fn fail(&mut self, error: Error) -> Poll<Option<Result<T::Chunk>>> {
        self.chunks = None;
        Poll::Ready(Some(Err(error)))
    }

    /// Tells of a chunk.
    fn tell(&mut self, chunk: &T::Chunk) -> Result<Option<BoxFuture<'static, Result<()>>>> {
        if let Some(fold) = &mut self.fold {
            fold.push(chunk.clone())?;
        }
        if !self.tells || !self.tells_chunks {
            return Ok(None);
        }
        self.cx.offer(|| Body::RunnableChunk { chunk: T::piece(chunk) })
    }

    /// Tells of the end.
    fn end(&mut self) -> Result<Option<BoxFuture<'static, Result<()>>>> {
        if std::mem::replace(&mut self.is_over, true) {
            return Ok(None);
        }
        if let Some(fold) = self.fold.take() {
            let _ = self.gives.set(fold.finish()?.into_payload());
        }
        let Some(output) = self.gives.get().cloned() else { return Ok(None) };
        if !self.tells {
            return Ok(None);
        }
        self.cx.offer(|| Body::RunnableFinished { input: self.given.get().cloned(), output })
    }
}

impl<T: Streamed> Stream for Observed<T> {
    type Item = Result<T::Chunk>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(Waiting { place, .. }) = &mut this.waiting {
                let placed = ready!(place.as_mut().poll(task));
                let told = this.waiting.take().and_then(|waiting| waiting.chunk);
                return match placed {
                    Ok(()) => Poll::Ready(told.map(Ok)),
                    Err(error) => this.fail(error),
                };
            }
            let Some(chunks) = &mut this.chunks else { return Poll::Ready(None) };
            let chunk = ready!(chunks.poll_next_unpin(task)).transpose();
            let place = match &chunk {
                Ok(Some(chunk)) => this.tell(chunk),
                Ok(None) => {
                    this.chunks = None;
                    this.end()
                }
                Err(_) => Ok(None),
            };
            match (chunk, place) {
                (Ok(chunk), Ok(None)) => return Poll::Ready(chunk.map(Ok)),
                (Ok(chunk), Ok(Some(place))) => this.waiting = Some(Waiting { chunk, place }),
                (Err(error), _) | (_, Err(error)) => return this.fail(error),
            }
        }
    }
}

// Nothing in it is pinned.
impl<T: Streamed> Unpin for Observed<T> {}
