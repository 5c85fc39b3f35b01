//! Events on their way from whoever emits them to the reader of the run.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::error::Result;
use crate::event::Event;

/// How many events may wait for the reader of a run. It is read in the same task, so this only bounds one burst.
const CAPACITY: usize = 64;

/// A bounded queue for any number of writers and one reader.
///
/// Nearly always the writers run inside the reader's poll: so a place costs one lock that nobody else holds, and the reader takes all that is there with
/// another one.
#[derive(Debug, Default)]
pub(crate) struct Queue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// In the form in which the reader gives them on: an event is moved as few times as can be.
    events: VecDeque<Result<Event>>,
    /// The reader, while it waits.
    reader: Option<Waker>,
    /// Writers that wait for a place.
    writers: Vec<Waker>,
    is_closed: bool,
}

/// Why an event did not get a place.
pub(crate) enum Refused {
    /// There is none now.
    Full(Event),
    /// There will be none.
    Closed,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event behind the others, made where it will stand.
    #[inline]
    pub(crate) fn push(&self, event: impl FnOnce() -> Event) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        if state.events.len() >= CAPACITY {
            return Err(Refused::Full(event()));
        }
        state.events.push_back(Ok(event()));
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// [`push`](Self::push); if there is no place, `waker` is woken when there may be one.
    fn push_or_wait(&self, event: Event, waker: &Waker) -> Result<(), Refused> {
        let mut event = event;
        loop {
            event = match self.push(|| event) {
                Err(Refused::Full(event)) => event,
                done => return done,
            };
            let mut state = self.lock();
            if state.events.len() >= CAPACITY && !state.is_closed {
                if !state.writers.iter().any(|waiting| waiting.will_wake(waker)) {
                    state.writers.push(waker.clone());
                }
                return Err(Refused::Full(event));
            }
        }
    }

    /// Puts an event behind the others as soon as there is a place; whether there was one.
    pub(crate) async fn send(self: Arc<Self>, event: Event) -> bool {
        let mut event = Some(event);
        poll_fn(|task| {
            let Some(waiting) = event.take() else { return Poll::Ready(false) };
            match self.push_or_wait(waiting, task.waker()) {
                Ok(()) => Poll::Ready(true),
                Err(Refused::Closed) => Poll::Ready(false),
                Err(Refused::Full(again)) => {
                    event = Some(again);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// [`send`](Self::send) for a thread that may block.
    pub(crate) fn send_blocking(&self, event: Event) -> bool {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut event = event;
        loop {
            event = match self.push_or_wait(event, &waker) {
                Ok(()) => return true,
                Err(Refused::Closed) => return false,
                Err(Refused::Full(again)) => again,
            };
            thread::park();
        }
    }

    /// Takes all that is there; `taken` is empty before. Whoever waits for a place may have one now.
    pub(crate) fn take(&self, taken: &mut VecDeque<Result<Event>>) {
        let mut state = self.lock();
        std::mem::swap(&mut state.events, taken);
        let writers = std::mem::take(&mut state.writers);
        drop(state);
        writers.into_iter().for_each(Waker::wake);
    }

    /// Whether the reader has to wait; then `waker` is woken by the next event.
    pub(crate) fn waits(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        if !state.events.is_empty() {
            return false;
        }
        if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(waker)) {
            state.reader = Some(waker.clone());
        }
        true
    }

    /// Takes no more events; what is there can still be taken.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let writers = std::mem::take(&mut state.writers);
        drop(state);
        writers.into_iter().for_each(Waker::wake);
    }
}

/// Wakes a thread that waits for a place.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
