//! All runs of the server: under way, finished and still readable, or gone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream::{Events, Messages};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::rendering::ViewKind;
use super::task::{Attached, ServerRun};
use super::thread::{Thread, Threads};
use crate::config::Limits;

/// How many runs that are gone are remembered as such (410 rather than 404).
const REMEMBERED: usize = 65_536;

/// The runs, shared by all workers. Locked to start and to find a run, never per token.
#[derive(Debug)]
pub(crate) struct Runs {
    limits: Limits,
    /// Cancelled when the server stops: every run stops with it, and no more are started.
    stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    runs: HashMap<Uuid, Arc<ServerRun>>,
    running: usize,
    threads: Threads,
    /// Finished runs, oldest first, with when they finished and their size then.
    finished: VecDeque<(Instant, Uuid, usize)>,
    finished_bytes: usize,
    gone: HashSet<Uuid>,
    gone_order: VecDeque<Uuid>,
    /// Unguessable names that clients gave to answers.
    names: HashMap<String, Uuid>,
}

/// What is known of a run's id.
#[derive(Debug)]
pub(crate) enum Found {
    Run(Arc<ServerRun>),
    /// It was here; its log has been given up.
    Gone,
    Unknown,
}

/// A run to start.
pub(crate) struct Start<'a> {
    pub(crate) tasks: &'a TaskTracker,
    /// How it is read unless the reader asks for something else.
    pub(crate) form: ViewKind,
    /// What it answers, for those who remember conversations themselves.
    pub(crate) conversation: Messages,
    /// The conversation whose runs take turns, if it belongs to one.
    pub(crate) thread: Option<Thread>,
    pub(crate) linger: Option<Duration>,
}

/// Why a run was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too many runs are under way.
    Busy,
    /// Too many runs wait in the same conversation.
    ThreadBusy,
}

impl Runs {
    pub(crate) fn new(limits: Limits, stop: CancellationToken) -> Self {
        Self { limits, stop, state: Mutex::default() }
    }

    /// Starts a run on the calling worker, with its first reader. `describe` gives the run of that id, which the token stops.
    pub(crate) fn start(
        self: &Arc<Self>,
        start: Start<'_>,
        describe: impl FnOnce(Uuid, CancellationToken) -> Events,
    ) -> Result<Attached, Refused> {
        let Start { tasks, form, conversation, thread, linger } = start;
        let id = Uuid::new_v4();
        let cancel = self.stop.child_token();
        let run = ServerRun::new(id, form, conversation, cancel.clone());
        let place = {
            let mut state = self.state();
            if state.running >= self.limits.running || self.stop.is_cancelled() {
                return Err(Refused::Busy);
            }
            let place = match &thread {
                Some(thread) => Some(state.threads.join(thread, self.limits.waiting).ok_or(Refused::ThreadBusy)?),
                None => None,
            };
            state.running += 1;
            state.runs.insert(id, run.clone());
            place
        };
        let events = describe(id, cancel);
        let attached = run.attach();
        let (runs, largest_log) = (self.clone(), self.limits.log);
        tasks.spawn(async move {
            run.clone().drive(events, place, linger, largest_log).await;
            runs.finished(&run, thread.as_ref());
        });
        Ok(attached)
    }

    /// Looks a run up.
    pub(crate) fn find(&self, id: Uuid) -> Found {
        let mut state = self.state();
        state.expire(&self.limits);
        match state.runs.get(&id) {
            Some(run) => Found::Run(run.clone()),
            None if state.gone.contains(&id) => Found::Gone,
            None => Found::Unknown,
        }
    }

    /// Lets the run be found by an unguessable name that its client chose.
    pub(crate) fn name(&self, name: String, run: Uuid) {
        self.state().names.insert(name, run);
    }

    /// The run that a client named so.
    pub(crate) fn named(&self, name: &str) -> Option<Uuid> {
        self.state().names.get(name).copied()
    }

    fn finished(&self, run: &ServerRun, thread: Option<&Thread>) {
        let mut state = self.state();
        state.running -= 1;
        thread.iter().for_each(|thread| state.threads.leave(thread));
        let bytes = run.log.bytes();
        state.finished.push_back((Instant::now(), run.id, bytes));
        state.finished_bytes += bytes;
        state.expire(&self.limits);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives up finished runs that are too old or too many. One that is being read stays in memory until its readers have left.
    fn expire(&mut self, limits: &Limits) {
        while let Some((since, id, bytes)) = self.finished.front().copied() {
            let too_many = self.finished.len() > limits.kept || self.finished_bytes > limits.kept_bytes;
            if !too_many && since.elapsed() < limits.keep {
                return;
            }
            self.finished.pop_front();
            self.runs.remove(&id);
            self.finished_bytes -= bytes;
            self.names.retain(|_, named| *named != id);
            self.remember_gone(id);
        }
    }

    fn remember_gone(&mut self, id: Uuid) {
        self.gone.insert(id);
        self.gone_order.push_back(id);
        if self.gone_order.len() > REMEMBERED
            && let Some(oldest) = self.gone_order.pop_front()
        {
            self.gone.remove(&oldest);
        }
    }
}
