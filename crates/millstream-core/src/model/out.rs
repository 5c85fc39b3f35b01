//! Writing an answer from an asynchronous function.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use super::PartSource;
use crate::error::Result;
use crate::message::{Block, Finish};
use crate::part::{CallIndex, PartWriter};
use crate::usage::Usage;

/// The pen of a model that is an asynchronous function: see [`Parts::write`](super::Parts::write).
///
/// Each call comes back when the reader has taken what was written, so that a slow reader slows the writer.
#[derive(Debug)]
pub struct Out {
    writer: Arc<Mutex<Option<PartWriter>>>,
}

impl Out {
    /// Adds visible text.
    pub async fn text(&self, text: &str) {
        self.with(|writer| writer.text(text));
        self.taken().await;
    }

    /// Adds reasoning.
    pub async fn reasoning(&self, text: &str) {
        self.with(|writer| writer.reasoning(text));
        self.taken().await;
    }

    /// Begins a tool call.
    pub async fn tool_call(&self, id: &str, name: &str) -> Option<CallIndex> {
        let call = self.with(|writer| writer.tool_call(id, name));
        self.taken().await;
        call
    }

    /// Adds a piece of a tool call's JSON arguments.
    ///
    /// # Errors
    /// `provider_protocol` if the call has already ended.
    pub async fn arguments(&self, call: Option<CallIndex>, json: &str) -> Result<()> {
        if let Some(call) = call {
            self.with(|writer| writer.arguments(call, json)).transpose()?;
            self.taken().await;
        }
        Ok(())
    }

    /// Adds a block that is whole.
    pub async fn block(&self, block: Block) {
        self.with(|writer| writer.block(block));
        self.taken().await;
    }

    /// Notes what the answer costs.
    pub fn usage(&self, usage: Usage) {
        self.with(|writer| writer.usage(usage));
    }

    /// The writer is only here while the answer's reader polls, which is also the only time that the function runs.
    fn with<T>(&self, write: impl FnOnce(&mut PartWriter) -> T) -> Option<T> {
        lock(&self.writer).as_mut().map(write)
    }

    async fn taken(&self) {
        std::future::poll_fn(|_| {
            // No waker is kept: the reader polls again as soon as it has taken the parts.
            let waiting = lock(&self.writer).as_ref().is_some_and(PartWriter::has_parts);
            if waiting { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

fn lock(writer: &Mutex<Option<PartWriter>>) -> MutexGuard<'_, Option<PartWriter>> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A function that writes, as a source of parts.
pub(super) struct Written<W> {
    future: Pin<Box<W>>,
    writer: Arc<Mutex<Option<PartWriter>>>,
}

impl<W> Written<W> {
    pub(super) fn new(write: impl FnOnce(Out) -> W) -> Self {
        let writer = Arc::new(Mutex::new(None));
        Self { future: Box::pin(write(Out { writer: writer.clone() })), writer }
    }
}

impl<W: Future<Output = Result<Finish>> + Send + 'static> PartSource for Written<W> {
    fn poll_fill(&mut self, task: &mut Context<'_>, out: &mut PartWriter) -> Poll<Result<bool>> {
        // The function borrows the writer for the time of one poll.
        let own = std::mem::replace(out, PartWriter::new(""));
        *lock(&self.writer) = Some(own);
        let poll = self.future.as_mut().poll(task);
        if let Some(own) = lock(&self.writer).take() {
            *out = own;
        }
        poll.map(|finish| {
            out.end(finish?);
            Ok(true)
        })
    }
}
