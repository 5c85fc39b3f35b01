//! From the bytes of a body to frames: server-sent events, or one whole JSON document where a server does not stream.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use millstream_core::{Error, ErrorKind, Result};
use sse_stream::{Sse, SseByteStream};

use crate::limits::Clock;

/// An event larger than this is not an answer: 16 MiB.
pub(crate) const LARGEST_EVENT: usize = 16 << 20;

/// Why no more bytes come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the connection broke: {0}")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("one event has more than {0} bytes")]
    TooLarge(usize),
}

pub(crate) type Body = BoxStream<'static, Result<Bytes, Broken>>;

/// One thing that a provider says.
#[derive(Debug)]
pub(crate) enum Frame {
    /// A server-sent event with data.
    Event { name: Option<String>, data: String },
    /// A body that is one JSON document instead of a stream.
    Whole(BytesMut),
}

/// The frames of one answer, and the clock that waits for them. Dropping it closes the connection.
pub(crate) struct Frames {
    place: Arc<str>,
    request_id: Option<String>,
    source: Source,
    largest_event: usize,
    pub(crate) clock: Clock,
}

enum Source {
    /// Nothing but white space has come; the first other byte shows what the body is.
    Unknown(Body, BytesMut),
    Events(Events),
    Whole(Body, BytesMut),
    Ended,
}

impl Frames {
    /// The frames of `body`. `place` names the provider in errors.
    pub(crate) fn new(place: Arc<str>, body: Body, clock: Clock) -> Self {
        Self {
            place,
            request_id: None,
            source: Source::Unknown(body, BytesMut::new()),
            largest_event: LARGEST_EVENT,
            clock,
        }
    }

    pub(crate) fn with_request_id(self, request_id: Option<String>) -> Self {
        Self { request_id, ..self }
    }

    pub(crate) fn with_largest_event(self, largest_event: usize) -> Self {
        Self { largest_event, ..self }
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// An error of this answer.
    pub(crate) fn error(&self, kind: ErrorKind, what: &str) -> Error {
        self.own(Error::new(kind, format!("{}: {what}", self.place)))
    }

    /// Puts the request's id on an error.
    pub(crate) fn own(&self, error: Error) -> Error {
        error.with_request_id(self.request_id.clone())
    }

    /// The next frame; nothing at the end of the body, which is not the end of the answer.
    pub(crate) fn poll_next(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Frame>>> {
        match self.poll_source(task) {
            Poll::Ready(item) => {
                self.clock.came();
                Poll::Ready(item)
            }
            Poll::Pending => {
                let kind = ready!(self.clock.poll_wait(task));
                let what = match kind {
                    ErrorKind::FirstTokenTimeout => "no first token came in time",
                    ErrorKind::TotalTimeout => "the answer took longer than allowed",
                    _ => "the next token did not come in time",
                };
                Poll::Ready(Some(Err(self.error(kind, what))))
            }
        }
    }

    fn poll_source(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Frame>>> {
        loop {
            match &mut self.source {
                Source::Unknown(body, seen) => match ready!(body.as_mut().poll_next(task)) {
                    Some(Ok(bytes)) => {
                        seen.extend_from_slice(&bytes);
                        if let Err(error) = self.recognise() {
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                    Some(Err(broken)) => return Poll::Ready(Some(Err(self.broken(broken)))),
                    None => return self.end(),
                },
                Source::Events(events) => match ready!(events.poll_next(task)) {
                    Some(Ok(Sse { data: Some(data), event, .. })) => {
                        return Poll::Ready(Some(Ok(Frame::Event { name: event, data })));
                    }
                    // A block without data says nothing, but it must not keep this task from others.
                    Some(Ok(_)) => {}
                    Some(Err(broken)) => return Poll::Ready(Some(Err(self.broken_event(broken)))),
                    None => return self.end(),
                },
                Source::Whole(body, seen) => match ready!(body.as_mut().poll_next(task)) {
                    Some(Ok(bytes)) => {
                        seen.extend_from_slice(&bytes);
                        if seen.len() > self.largest_event {
                            return Poll::Ready(Some(Err(self.broken(Broken::TooLarge(self.largest_event)))));
                        }
                    }
                    Some(Err(broken @ Broken::TooLarge(_))) => return Poll::Ready(Some(Err(self.broken(broken)))),
                    // Whether the document is whole shows in the document, not in how the connection ended.
                    Some(Err(Broken::Transport(_))) | None => {
                        let whole = std::mem::take(seen);
                        self.source = Source::Ended;
                        return Poll::Ready(Some(Ok(Frame::Whole(whole))));
                    }
                },
                Source::Ended => return Poll::Ready(None),
            }
        }
    }

    /// Decides by the first byte: no line of an event stream that means anything begins like JSON or like a page.
    fn recognise(&mut self) -> Result<()> {
        let Source::Unknown(body, seen) = &mut self.source else { return Ok(()) };
        let Some(first) = seen.iter().find(|byte| !byte.is_ascii_whitespace()) else {
            return if seen.len() > self.largest_event {
                Err(self.broken(Broken::TooLarge(self.largest_event)))
            } else {
                Ok(())
            };
        };
        match first {
            b'<' => {
                self.source = Source::Ended;
                return Err(self.error(ErrorKind::ProviderProtocol, "the answer is a page, not a stream of tokens"));
            }
            b'{' | b'[' => {
                let (body, seen) = (std::mem::replace(body, stream::empty().boxed()), std::mem::take(seen));
                self.source = Source::Whole(body, seen);
            }
            _ => {
                let rest = std::mem::replace(body, stream::empty().boxed());
                let seen = std::mem::take(seen).freeze();
                let body = stream::iter([Ok(seen)]).chain(rest).boxed();
                self.source = Source::Events(Events::new(body, self.largest_event));
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Poll<Option<Result<Frame>>> {
        self.source = Source::Ended;
        Poll::Ready(None)
    }

    fn broken(&mut self, broken: Broken) -> Error {
        self.source = Source::Ended;
        match broken {
            Broken::TooLarge(largest) => {
                let what = format!("one event has more than {largest} bytes");
                self.error(ErrorKind::ProviderProtocol, &what)
            }
            // Whatever broke it: what matters to the reader is that the answer is not whole.
            Broken::Transport(_) => self
                .error(ErrorKind::Truncated, "the connection broke before the answer was complete")
                .with_source(broken),
        }
    }

    fn broken_event(&mut self, error: sse_stream::Error) -> Error {
        match error {
            sse_stream::Error::Body(error) => match error.downcast::<Broken>() {
                Ok(broken) => self.broken(*broken),
                Err(other) => self.broken(Broken::Transport(other)),
            },
            other => {
                self.source = Source::Ended;
                self.error(ErrorKind::ProviderProtocol, "the stream is not UTF-8").with_source(other)
            }
        }
    }
}

/// The decoder of server-sent events, with a bound on what one event may take.
struct Events {
    decoder: Pin<Box<SseByteStream<Counted>>>,
    since_event: Arc<AtomicUsize>,
}

impl Events {
    fn new(body: Body, largest_event: usize) -> Self {
        let since_event = Arc::new(AtomicUsize::new(0));
        let counted = Counted { body, since_event: since_event.clone(), largest_event };
        Self { decoder: Box::pin(SseByteStream::new(counted)), since_event }
    }

    fn poll_next(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Sse, sse_stream::Error>>> {
        let event = ready!(self.decoder.as_mut().poll_next(task));
        self.since_event.store(0, Ordering::Relaxed);
        Poll::Ready(event)
    }
}

/// Counts the bytes since the last event and ends the stream where they are too many: the decoder itself has no bound.
struct Counted {
    body: Body,
    since_event: Arc<AtomicUsize>,
    largest_event: usize,
}

impl Stream for Counted {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.body.as_mut().poll_next(task));
        if let Some(Ok(bytes)) = &item {
            let before = self.since_event.fetch_add(bytes.len(), Ordering::Relaxed);
            if before + bytes.len() > self.largest_event {
                return Poll::Ready(Some(Err(Broken::TooLarge(self.largest_event))));
            }
        }
        Poll::Ready(item)
    }
}
