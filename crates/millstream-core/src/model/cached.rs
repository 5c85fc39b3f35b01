//! A model whose answers are kept.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde::Serialize;

use super::{ChatModel, Options, PartSource, Parts, Request};
use crate::cache::ResponseCache;
use crate::cx::{Cx, Label};
use crate::error::{Error, Result};
use crate::fold::MessageFold;
use crate::message::{Fields, Finish, Message};
use crate::part::{Chunk, Part, PartWriter};

pub(super) struct Cached {
    pub(super) provider: Arc<dyn ChatModel>,
    pub(super) cache: Arc<dyn ResponseCache>,
}

/// All that an answer depends on.
#[derive(Serialize)]
struct Key<'a> {
    model: String,
    messages: Vec<Message>,
    options: &'a Options,
}

/// What a provider is not told: who said a message under which id, and what it had cost.
fn as_asked(message: &Message) -> Message {
    let response_metadata = Fields::default();
    Message { id: None, finish: None, usage: None, artifact: None, response_metadata, ..message.clone() }
}

impl Cached {
    fn key(&self, request: &Request) -> Result<Arc<str>> {
        let messages = request.messages.iter().map(as_asked).collect();
        let key = Key { model: self.provider.identity(), messages, options: &request.options };
        Ok(serde_json::to_string(&key).map_err(Error::failed)?.into())
    }

    /// A cache that cannot be read costs a call and no more.
    async fn known(&self, key: &Arc<str>) -> Option<Arc<[Chunk]>> {
        let found = self.cache.get(key.clone()).await.and_then(|found| match found {
            Some(chunks) => whole(&chunks).map(|()| Some(chunks)),
            None => Ok(None),
        });
        found.unwrap_or_else(|error| {
            tracing::warn!(code = error.code(), "the cache of answers cannot be read: {error}");
            None
        })
    }
}

/// What comes out of a file may be anything.
fn whole(chunks: &[Chunk]) -> Result<()> {
    let mut fold = MessageFold::default();
    chunks.iter().try_for_each(|chunk| fold.push(chunk))?;
    fold.finish().map(drop)
}

impl ChatModel for Cached {
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        Box::pin(async move {
            let key = self.key(&request)?;
            if let Some(chunks) = self.known(&key).await {
                return Ok(Parts::new(cx, Replay { chunks, next: 0 }));
            }
            let parts = self.provider.open(request, cx).await?;
            let cache = self.cache.clone();
            Ok(Parts::new(cx, Recording { parts, chunks: Vec::new(), key, cache, keeping: None }))
        })
    }

    fn label(&self) -> Label {
        self.provider.label()
    }

    fn takes_response_format(&self) -> bool {
        self.provider.takes_response_format()
    }

    fn identity(&self) -> String {
        self.provider.identity()
    }
}

/// A kept answer, chunk by chunk.
struct Replay {
    chunks: Arc<[Chunk]>,
    next: usize,
}

impl PartSource for Replay {
    fn poll_fill(&mut self, _: &mut Context<'_>, out: &mut PartWriter) -> Poll<Result<bool>> {
        let Some(chunk) = self.chunks.get(self.next) else { return Poll::Ready(Ok(false)) };
        self.next += 1;
        out.tell_again(chunk);
        Poll::Ready(Ok(true))
    }
}

/// An answer that is read, and kept if it turns out to be whole.
struct Recording {
    parts: Parts,
    chunks: Vec<Chunk>,
    key: Arc<str>,
    cache: Arc<dyn ResponseCache>,
    /// The last chunk, which is told when the answer has been kept: whoever has heard the end finds it in the cache.
    keeping: Option<(Chunk, BoxFuture<'static, ()>)>,
}

impl Recording {
    fn keep(&mut self) -> BoxFuture<'static, ()> {
        let (cache, key) = (self.cache.clone(), self.key.clone());
        let answer: Arc<[Chunk]> = std::mem::take(&mut self.chunks).into();
        async move {
            if let Err(error) = cache.put(key, answer).await {
                tracing::warn!(code = error.code(), "the answer cannot be kept: {error}");
            }
        }
        .boxed()
    }
}

impl PartSource for Recording {
    fn poll_fill(&mut self, task: &mut Context<'_>, out: &mut PartWriter) -> Poll<Result<bool>> {
        if self.keeping.is_none() {
            let Some(chunk) = ready!(self.parts.poll_next_unpin(task)).transpose()? else {
                return Poll::Ready(Ok(false));
            };
            self.chunks.push(chunk.clone());
            if !chunk.iter().any(is_good_end) {
                out.pass(chunk);
                return Poll::Ready(Ok(true));
            }
            self.keeping = Some((chunk, self.keep()));
        }
        if let Some((_, keeping)) = &mut self.keeping {
            ready!(keeping.as_mut().poll(task));
        }
        if let Some((last, _)) = self.keeping.take() {
            out.pass(last);
        }
        Poll::Ready(Ok(true))
    }
}

/// Whether the model had said what it wanted to say.
fn is_good_end(part: &Part) -> bool {
    matches!(part, Part::End { finish: Finish::Stop | Finish::ToolCalls })
}
