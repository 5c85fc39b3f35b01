//! One run on the server: what drives it, what stops it, who is there to read it.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use millstream::{Error, ErrorKind, Events, Messages};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::log::RunLog;
use super::rendering::ViewKind;
use super::thread::Place;

/// A run of this server.
#[derive(Debug)]
pub(crate) struct ServerRun {
    pub(crate) id: Uuid,
    pub(crate) log: RunLog,
    pub(crate) started: Instant,
    /// How it is read unless the reader asks for something else.
    pub(crate) form: ViewKind,
    /// The conversation that it answers, the question last.
    pub(crate) conversation: Messages,
    cancel: CancellationToken,
    readers: watch::Sender<usize>,
}

impl ServerRun {
    pub(super) fn new(id: Uuid, form: ViewKind, conversation: Messages, cancel: CancellationToken) -> Arc<Self> {
        let log = RunLog::new(id);
        Arc::new(Self { id, log, started: Instant::now(), form, conversation, cancel, readers: watch::Sender::new(0) })
    }

    /// Asks the run to stop; its log then ends with `cancelled`. Stopping twice, or after the end, changes nothing.
    pub(crate) fn stop(&self) {
        self.cancel.cancel();
    }

    /// Takes note of a reader, until the guard is dropped.
    pub(crate) fn attach(self: &Arc<Self>) -> Attached {
        self.readers.send_modify(|readers| *readers += 1);
        Attached(self.clone())
    }

    /// Waits for the run's turn in its conversation, if it has one, and writes its events to its log until it is over. With nobody there to read
    /// for `linger`, the run is stopped.
    pub(super) async fn drive(
        self: Arc<Self>,
        mut events: Events,
        place: Option<Place>,
        linger: Option<Duration>,
        largest_log: usize,
    ) {
        let mut abandoned = pin!(abandoned(self.readers.subscribe(), linger));
        let mut given_up = false;
        let mut turn = pin!(async {
            match place {
                Some(place) => Some(place.turn().await),
                None => None,
            }
        });
        // Kept to the end: the next run of the conversation begins when this one is in its log.
        let mut _turn = None;
        let mut waits = true;
        loop {
            let next = tokio::select! {
                turn = &mut turn, if waits => {
                    (_turn, waits) = (turn, false);
                    continue;
                }
                // A run that is stopped before its turn ends without having begun.
                () = self.cancel.cancelled(), if waits => {
                    waits = false;
                    continue;
                }
                next = events.next(), if !waits => next,
                () = &mut abandoned, if !given_up => {
                    tracing::debug!(run = %self.id, "nobody reads the run any more; it is stopped");
                    given_up = true;
                    self.cancel.cancel();
                    continue;
                }
            };
            match next {
                Some(Ok(event)) => {
                    if self.log.append(event) > largest_log {
                        events.abort(too_long(largest_log));
                    }
                }
                Some(Err(error)) if error.kind() == ErrorKind::Cancelled => {}
                Some(Err(error)) => tracing::warn!(run = %self.id, code = error.code(), "the run failed: {error}"),
                None => break,
            }
            // A model that never has to wait must not keep this worker from everybody else.
            tokio::task::coop::consume_budget().await;
        }
    }
}

fn too_long(largest_log: usize) -> Error {
    let message = format!("the answer is longer than this server keeps ({} MiB)", largest_log >> 20);
    Error::new(ErrorKind::LimitExceeded, message)
}

/// Comes back when nobody has read for `linger`.
async fn abandoned(mut readers: watch::Receiver<usize>, linger: Option<Duration>) {
    let Some(linger) = linger else { return std::future::pending().await };
    loop {
        if readers.wait_for(|readers| *readers == 0).await.is_err() {
            return std::future::pending().await;
        }
        tokio::select! {
            () = tokio::time::sleep(linger) => return,
            _ = readers.wait_for(|readers| *readers > 0) => {}
        }
    }
}

/// A reader is there as long as this is.
#[derive(Debug)]
pub(crate) struct Attached(Arc<ServerRun>);

impl Attached {
    pub(crate) fn run(&self) -> &Arc<ServerRun> {
        &self.0
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.readers.send_modify(|readers| *readers -= 1);
    }
}
