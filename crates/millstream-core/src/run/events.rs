//! The events of a run, in order, ending exactly once however the run ends.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use uuid::Uuid;

use crate::cx::RunContext;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Body, Event, Finished, Outcome, Scope};
use crate::filter::EventFilter;
use crate::message::Finish;
use crate::part::{OpenMessage, Part};
use crate::queue::Queue;

/// Goes on with a run, by one piece of its output.
type Execution = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<()>>> + Send>;

/// What happens in a run. Stop polling to pause; drop to cancel.
///
/// Whatever the run does, the events are whole: each message that started is finished (as `cancelled`, `failed` or `truncated` where the
/// run did not get there), and the last event is the only [`Body::Finished`].
#[must_use = "a run does nothing until its events are polled"]
pub struct Events {
    run: Arc<RunContext>,
    scope: Arc<Scope>,
    execution: Option<Execution>,
    queue: Arc<Queue>,
    /// What was taken out of the queue and not read yet.
    emitted: VecDeque<Result<Event>>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whether nothing is filtered out.
    tells_all: bool,
    open: Vec<(Arc<Scope>, OpenMessage)>,
    /// Whether a message was seen that did not come to its end.
    cut: bool,
    last: VecDeque<Result<Event>>,
    error: Option<Error>,
    done: bool,
}

impl Events {
    pub(super) fn new(run: Arc<RunContext>, scope: Arc<Scope>, execution: Execution, queue: Arc<Queue>) -> Self {
        let stopped = Box::pin(run.cancel.clone().cancelled_owned());
        let tells_all = run.filter == EventFilter::new();
        let started = Event { scope: scope.clone(), body: Body::Started };
        Self {
            run,
            scope,
            execution: Some(execution),
            queue,
            emitted: VecDeque::new(),
            stopped,
            tells_all,
            open: Vec::new(),
            cut: false,
            last: VecDeque::from([Ok(started)]),
            error: None,
            done: false,
        }
    }

    /// The run's id.
    pub fn run_id(&self) -> Uuid {
        self.scope.run_id
    }

    /// Ends the run with `error`: what is open is closed, and `Finished` follows. A run that has ended stays as it ended.
    pub fn abort(&mut self, error: Error) {
        if self.execution.is_some() {
            self.end(Some(error));
        }
    }

    /// Ends the execution; what it has already emitted still counts.
    fn end(&mut self, error: Option<Error>) {
        self.execution = None;
        self.error = error;
        self.run.end();
        self.queue.close();
    }

    /// The last words: open messages are closed, then the run is.
    fn finish(&mut self) {
        let outcome = self.error.as_ref().map_or(Outcome::Completed, Outcome::of);
        // Of a run that completed: nobody wanted the rest, or another attempt took its place.
        let finish = self.error.as_ref().map_or(Finish::Cancelled, Finish::of);
        let is_partial = self.cut || self.open.iter().any(|(_, message)| message.is_seen());
        for (scope, message) in std::mem::take(&mut self.open) {
            let usage = self.run.ledger.partial(scope.run_id, || message.partial_usage(0));
            let event = Event { scope, body: Body::Message { chunk: message.close(finish, usage) } };
            if self.run.filter.allows_event(&event) {
                self.last.push_back(Ok(event));
            }
        }
        let error = self.error.take();
        // Waiting for a person is no failure.
        let failure = error.filter(|_| outcome != Outcome::Interrupted).map(|error| error.seen_in_part(is_partial));
        let finished = Finished { outcome, ..Finished::new(failure.as_ref(), self.run.ledger.total()) };
        self.last.push_back(Ok(Event::new(self.scope.clone(), Body::Finished(Box::new(finished)))));
        self.last.extend(failure.map(Err));
        self.done = true;
    }
}

impl Stream for Events {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(item) = this.last.pop_front() {
                return Poll::Ready(Some(item));
            }
            if this.done {
                return Poll::Ready(None);
            }
            // What was emitted goes out before the execution goes on: the reader's pace is the run's.
            if this.emitted.is_empty() {
                this.queue.take(&mut this.emitted);
            }
            if let Some(Ok(event)) = this.emitted.front() {
                this.cut |= observe(&mut this.open, event);
                if this.tells_all || this.run.filter.allows_event(event) {
                    return Poll::Ready(this.emitted.pop_front());
                }
                this.emitted.pop_front();
                continue;
            }
            let Some(execution) = &mut this.execution else {
                this.finish();
                continue;
            };
            if this.run.cancel.is_cancelled() {
                this.end(Some(Error::cancelled()));
                continue;
            }
            match guarded(|| execution(task)) {
                Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(Some(Err(error))) => this.end(Some(error)),
                Poll::Ready(None) => this.end(None),
                // Whoever emits or cancels wakes the reader.
                Poll::Pending => {
                    let is_stopped = Future::poll(this.stopped.as_mut(), task).is_ready();
                    if !is_stopped && this.queue.waits(task.waker()) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

/// Keeps account of what must be closed at the end; says whether a message was given up of which something was seen.
fn observe(open: &mut Vec<(Arc<Scope>, OpenMessage)>, event: &Event) -> bool {
    let Body::Message { chunk } = &event.body else { return false };
    let mut cut = false;
    for part in chunk {
        let at = open.iter().position(|(scope, _)| Arc::ptr_eq(scope, &event.scope));
        match (part, at) {
            (Part::Start { .. }, _) => open.push((event.scope.clone(), OpenMessage::default())),
            (Part::End { finish }, Some(at)) => {
                let (_, message) = open.swap_remove(at);
                cut |= message.is_seen() && matches!(finish, Finish::Failed | Finish::Truncated);
            }
            (part, Some(at)) => open[at].1.observe(part),
            (_, None) => {}
        }
    }
    cut
}

/// A panic of user code ends its run, not its server. What it said may hold secrets, so it is left to the panic hook.
fn guarded(poll: impl FnOnce() -> Poll<Option<Result<()>>>) -> Poll<Option<Result<()>>> {
    catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|_| {
        let error = Error::new(ErrorKind::Failed, "the run panicked; the panic was written to standard error");
        Poll::Ready(Some(Err(error)))
    })
}

impl Drop for Events {
    fn drop(&mut self) {
        self.run.end();
        self.queue.close();
    }
}
