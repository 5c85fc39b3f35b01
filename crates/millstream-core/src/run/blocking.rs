//! A stream as an iterator.

use futures_util::StreamExt;
use tokio::runtime::{Builder, Handle, Runtime};

use super::ChunkStream;
use crate::error::{Error, ErrorKind, Result};
use crate::streamed::Streamed;

/// The pieces of a run's output as an iterator that blocks until the next piece comes. Dropping it cancels the run.
///
/// It drives the run on a small runtime of its own, in the calling thread.
pub struct Blocking<O: Streamed> {
    stream: ChunkStream<O>,
    runtime: Option<Runtime>,
    ended: bool,
}

impl<O: Streamed> Blocking<O> {
    pub(super) fn new(stream: ChunkStream<O>) -> Self {
        Self { stream, runtime: None, ended: false }
    }

    fn runtime(&mut self) -> Result<&Runtime> {
        if Handle::try_current().is_ok() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "blocking() was used inside asynchronous code, where it would stop the whole thread; use the stream itself there",
            ));
        }
        match &mut self.runtime {
            Some(runtime) => Ok(runtime),
            none => Ok(none.insert(Builder::new_current_thread().enable_all().build()?)),
        }
    }
}

impl<O: Streamed> Iterator for Blocking<O> {
    type Item = Result<O::Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if let Err(error) = self.runtime() {
            self.ended = true;
            return Some(Err(error));
        }
        let next = self.runtime.as_ref()?.block_on(self.stream.next());
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
