//! One stream for several readers in the same task.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures_util::{StreamExt, stream};

use crate::error::Result;
use crate::streamed::{Chunks, Streamed};

/// `count` streams of the same chunks. A chunk is kept until every reader has read it or is gone, so what waits is at most the whole value, which
/// its readers keep anyway. Whoever reads first reads the source; the others are woken.
pub(crate) fn tee<T: Streamed>(chunks: Chunks<T>, count: usize) -> Vec<Chunks<T>> {
    let shared = Arc::new(Mutex::new(Shared::<T> {
        source: Some(chunks),
        waiting: (0..count).map(|_| Some(VecDeque::new())).collect(),
        wakers: vec![None; count],
    }));
    let reader = |place| {
        let reader = Reader { shared: shared.clone(), place };
        stream::poll_fn(move |task| reader.poll(task)).boxed()
    };
    (0..count).map(reader).collect()
}

struct Shared<T: Streamed> {
    /// Nothing once it has ended.
    source: Option<Chunks<T>>,
    /// What each reader has not read; nothing for readers that are gone.
    waiting: Vec<Option<VecDeque<Result<T::Chunk>>>>,
    wakers: Vec<Option<Waker>>,
}

struct Reader<T: Streamed> {
    shared: Arc<Mutex<Shared<T>>>,
    place: usize,
}

impl<T: Streamed> Reader<T> {
    fn lock(&self) -> MutexGuard<'_, Shared<T>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self, task: &mut Context<'_>) -> Poll<Option<Result<T::Chunk>>> {
        let mut shared = self.lock();
        let Shared { source, waiting, wakers } = &mut *shared;
        if let Some(chunk) = waiting[self.place].as_mut().and_then(VecDeque::pop_front) {
            return Poll::Ready(Some(chunk));
        }
        let Some(chunks) = source else { return Poll::Ready(None) };
        wakers[self.place] = Some(task.waker().clone());
        let chunk = ready!(chunks.poll_next_unpin(task));
        match &chunk {
            Some(chunk) => {
                let others = waiting.iter_mut().enumerate().filter(|(place, _)| *place != self.place);
                others.flat_map(|(_, waiting)| waiting).for_each(|waiting| waiting.push_back(chunk.clone()));
            }
            None => *source = None,
        }
        wakers[self.place] = None;
        wakers.iter_mut().filter_map(Option::take).for_each(Waker::wake);
        Poll::Ready(chunk)
    }
}

impl<T: Streamed> Drop for Reader<T> {
    fn drop(&mut self) {
        let mut shared = self.lock();
        shared.waiting[self.place] = None;
        shared.wakers[self.place] = None;
        // The source was read for this reader, perhaps; another must go on with it.
        shared.wakers.iter_mut().filter_map(Option::take).for_each(Waker::wake);
        if shared.waiting.iter().all(Option::is_none) {
            shared.source = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, TryStreamExt};

    use super::*;
    use crate::error::Error;

    fn source(texts: &[&str]) -> Chunks<String> {
        let chunks: Vec<Result<Arc<str>>> = texts.iter().map(|text| Ok(Arc::from(*text))).collect();
        stream::iter(chunks).boxed()
    }

    #[test]
    fn every_reader_gets_every_chunk_at_its_own_pace() {
        let mut readers = tee::<String>(source(&["a", "b", "c"]), 2);
        let mut second = readers.pop().unwrap();
        let mut first = readers.pop().unwrap();
        assert_eq!(first.try_next().now_or_never().unwrap().unwrap().as_deref(), Some("a"));
        let all: Vec<Arc<str>> = second.by_ref().try_collect().now_or_never().unwrap().unwrap();
        assert_eq!(all.join(""), "abc");
        let rest: Vec<Arc<str>> = first.try_collect().now_or_never().unwrap().unwrap();
        assert_eq!(rest.join(""), "bc");
    }

    #[test]
    fn a_failure_reaches_every_reader() {
        let chunks = stream::iter([Ok(Arc::from("a")), Err(Error::cancelled())]).boxed();
        for reader in tee::<String>(chunks, 3) {
            let end = reader.try_collect::<Vec<Arc<str>>>().now_or_never().unwrap();
            assert_eq!(end.unwrap_err().code(), "cancelled");
        }
    }

    #[test]
    fn a_reader_that_left_keeps_nothing_and_stops_nobody() {
        let mut readers = tee::<String>(source(&["a", "b"]), 2);
        drop(readers.pop());
        let all: Vec<Arc<str>> = readers.remove(0).try_collect().now_or_never().unwrap().unwrap();
        assert_eq!(all.join(""), "ab");
    }
}
