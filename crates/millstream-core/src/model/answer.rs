//! A model's answer as it is read: counted, and told to whoever watches.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};

use super::Parts;
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::event::{Body, Channels};
use crate::message::Finish;
use crate::part::{Chunk, OpenMessage, Part};

/// The chunks of an answer, each told before it is given. Written by hand: a chunk is moved once, and most of what a run does is this.
pub(super) struct Answer {
    /// Nothing once it has failed.
    parts: Option<Parts>,
    account: OpenMessage,
    input_tokens: u64,
    cx: Cx,
    is_watched: bool,
    /// Whether the message has ended, and what it cost is noted.
    is_noted: bool,
    /// The chunk that is being told, or the error before which the end is told, while the event waits for a place.
    waiting: Option<(Result<Chunk>, BoxFuture<'static, Result<()>>)>,
}

impl Answer {
    pub(super) fn new(parts: Parts, input_tokens: u64, cx: Cx) -> Self {
        let is_watched = cx.wants(Channels::MESSAGES);
        let account = OpenMessage::default();
        Self { parts: Some(parts), account, input_tokens, cx, is_watched, is_noted: false, waiting: None }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Chunk>>> {
        self.parts = None;
        Poll::Ready(Some(Err(error)))
    }

    /// The provider has failed: a message that has begun ends here, whatever becomes of its run.
    fn give_up(&mut self, error: Error, task: &mut Context<'_>) -> Poll<Option<Result<Chunk>>> {
        self.parts = None;
        // A provider that fails before it says anything wants nothing for it.
        if !self.account.has_begun() {
            self.is_noted = true;
            return Poll::Ready(Some(Err(error)));
        }
        if !self.is_watched {
            return Poll::Ready(Some(Err(error)));
        }
        let usage = self.account.partial_usage(self.input_tokens);
        self.is_noted = true;
        self.cx.ledger().add(usage.clone());
        let chunk = self.account.close(Finish::of(&error), usage);
        match self.cx.offer(|| Body::Message { chunk }) {
            Ok(Some(place)) => {
                self.waiting = Some((Err(error), place));
                self.poll_next_unpin(task)
            }
            _ => Poll::Ready(Some(Err(error))),
        }
    }

    fn complete(&mut self, chunk: Chunk) -> Chunk {
        let chunk = self.account.complete(chunk, self.input_tokens);
        if !self.is_noted && matches!(chunk.last(), Some(Part::End { .. })) {
            self.is_noted = true;
            self.cx.ledger().add(self.account.usage(self.input_tokens));
        }
        chunk
    }
}

/// What was asked and not heard to its end has a price too.
impl Drop for Answer {
    fn drop(&mut self) {
        if !self.is_noted {
            let message = self.is_watched.then(|| self.cx.scope().run_id);
            self.cx.ledger().add_partial(message, self.account.partial_usage(self.input_tokens));
        }
    }
}

impl Stream for Answer {
    type Item = Result<Chunk>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some((_, place)) = &mut this.waiting {
            let placed = ready!(place.as_mut().poll(task));
            let told = this.waiting.take().map(|(told, _)| told);
            return match placed {
                Ok(()) => Poll::Ready(told),
                Err(error) => this.fail(error),
            };
        }
        let Some(parts) = &mut this.parts else { return Poll::Ready(None) };
        let chunk = match ready!(parts.poll_next_unpin(task)) {
            Some(Ok(chunk)) => this.complete(chunk),
            Some(Err(error)) => return this.give_up(error, task),
            None => return Poll::Ready(None),
        };
        if !this.is_watched {
            return Poll::Ready(Some(Ok(chunk)));
        }
        match this.cx.offer(|| Body::Message { chunk: chunk.clone() }) {
            Ok(None) => Poll::Ready(Some(Ok(chunk))),
            Ok(Some(place)) => {
                this.waiting = Some((Ok(chunk), place));
                self.poll_next(task)
            }
            Err(error) => this.fail(error),
        }
    }
}
