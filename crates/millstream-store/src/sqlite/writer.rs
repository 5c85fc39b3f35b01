//! The thread that owns the connection. What waits in its queue goes into one transaction.

use std::thread::JoinHandle;

use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use millstream_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::database::Database;
use super::failure::Failure;

/// How many calls may wait for the thread. A graph has a few under way and awaits them, which is what slows it down; so the end of the queue is
/// met only if tens of thousands of graphs wait for a disk that hangs, or by somebody who awaits nothing. More calls fail then.
const QUEUE: usize = 1 << 16;

/// How many calls go into one transaction: enough that many share its cost, and few enough that the first does not wait long for the last.
const TOGETHER: usize = 256;

/// The way to the thread. Dropping it waits until everything that was queued is done.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// Something to do with the database, and somebody who waits for it.
trait Job: Send {
    /// Whether it changes something.
    fn writes(&self) -> bool;

    /// Does it, inside a transaction. It is done again if the transaction fails.
    fn run(&mut self, database: &mut Database) -> Result<(), Failure>;

    /// Tells who waits: nobody may wait any more.
    fn answer(self: Box<Self>, failure: Option<Error>);
}

struct Call<T, F> {
    writes: bool,
    work: F,
    done: Option<T>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnMut(&mut Database) -> Result<T, Failure> + Send,
{
    fn writes(&self) -> bool {
        self.writes
    }

    fn run(&mut self, database: &mut Database) -> Result<(), Failure> {
        self.done = Some((self.work)(database)?);
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<Error>) {
        let result = match failure {
            Some(error) => Err(error),
            None => self.done.ok_or_else(stopped),
        };
        // A caller that dropped its future does not want to know.
        let _ = self.caller.send(result);
    }
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(mut database: Database) -> Result<Self> {
        let (queue, mut receiver) = mpsc::channel(QUEUE);
        let work = move || {
            let mut jobs = Vec::with_capacity(TOGETHER);
            while receiver.blocking_recv_many(&mut jobs, TOGETHER) > 0 {
                together(&mut database, &mut jobs);
            }
        };
        let thread = std::thread::Builder::new().name("millstream-store".to_owned()).spawn(work).map_err(|error| {
            Error::new(ErrorKind::StoreFailed, "the thread that writes the database cannot be started")
                .with_source(error)
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Reads in the thread, after what is queued.
    pub(super) fn read<T, F>(&self, work: F) -> BoxFuture<'static, Result<T>>
    where
        T: Send + 'static,
        F: FnMut(&mut Database) -> Result<T, Failure> + Send + 'static,
    {
        self.call(false, work)
    }

    /// Writes in the thread. It is queued at once, behind every earlier call, and it is done even if the future is dropped.
    pub(super) fn write<T, F>(&self, work: F) -> BoxFuture<'static, Result<T>>
    where
        T: Send + 'static,
        F: FnMut(&mut Database) -> Result<T, Failure> + Send + 'static,
    {
        self.call(true, work)
    }

    fn call<T, F>(&self, writes: bool, work: F) -> BoxFuture<'static, Result<T>>
    where
        T: Send + 'static,
        F: FnMut(&mut Database) -> Result<T, Failure> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Call { writes, work, done: None, caller });
        // Waiting for room would let a later call pass an earlier one, which it may build on.
        match self.queue.as_ref().map(|queue| queue.try_send(job)) {
            Some(Err(TrySendError::Full(_))) => future::ready(Err(overrun())).boxed(),
            _ => async move { answer.await.unwrap_or_else(|_| Err(stopped())) }.boxed(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // Its panics were told to those who waited.
            let _ = thread.join();
        }
    }
}

/// Does the jobs in one transaction. If one of them fails, each is done in a transaction of its own, so that none fails for another.
fn together(database: &mut Database, jobs: &mut Vec<Box<dyn Job>>) {
    let failure = one_transaction(database, jobs);
    let apart = failure.is_some() && jobs.len() > 1;
    for mut job in jobs.drain(..) {
        let failure = if apart { one_transaction(database, std::slice::from_mut(&mut job)) } else { failure.clone() };
        job.answer(failure);
    }
}

fn one_transaction(database: &mut Database, jobs: &mut [Box<dyn Job>]) -> Option<Error> {
    let writes = jobs.iter().any(|job| job.writes());
    let done = database.transaction(writes, |database| jobs.iter_mut().try_for_each(|job| job.run(database)));
    done.err().map(|failure| failure.into_error(database.name()))
}

fn overrun() -> Error {
    let message =
        format!("{QUEUE} calls wait for the database already; see why its disk is slow, or run less at a time");
    Error::new(ErrorKind::LimitExceeded, message)
}

fn stopped() -> Error {
    Error::new(ErrorKind::Internal, "the thread that writes the database has stopped, which is a mistake in Millstream")
}
