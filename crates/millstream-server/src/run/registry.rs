//! All runs of the server: under way, finished and still readable, or gone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream::{Chain, Channels, Message, Messages, Runnable, Vars};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::task::{Attached, ServerRun};
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
    pub(crate) chain: &'a Chain<Vars, Message>,
    pub(crate) tasks: &'a TaskTracker,
    pub(crate) history: Messages,
    pub(crate) question: String,
    pub(crate) linger: Option<Duration>,
}

impl Runs {
    pub(crate) fn new(limits: Limits, stop: CancellationToken) -> Self {
        Self { limits, stop, state: Mutex::default() }
    }

    /// Starts a run on the calling worker, with its first reader; `None` if too many runs are under way.
    pub(crate) fn start(self: &Arc<Self>, start: Start<'_>) -> Option<Attached> {
        let Start { chain, tasks, history, question, linger } = start;
        let mut conversation = history.clone();
        conversation.push(Message::human(question.clone()));
        let id = Uuid::new_v4();
        let cancel = self.stop.child_token();
        let run = ServerRun::new(id, conversation, cancel.clone());
        {
            let mut state = self.state();
            if state.running >= self.limits.running || self.stop.is_cancelled() {
                return None;
            }
            state.running += 1;
            state.runs.insert(id, run.clone());
        }
        let vars = Vars::new().with("question", question).with("history", history);
        let channels = Channels::MESSAGES | Channels::CUSTOM;
        let events = chain.run(vars).id(id).cancel_with(cancel).channels(channels).events();
        let attached = run.attach();
        let (runs, limits) = (self.clone(), self.limits.clone());
        tasks.spawn(async move {
            run.clone().drive(events, linger, limits.log).await;
            runs.finished(&run);
        });
        Some(attached)
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

    fn finished(&self, run: &ServerRun) {
        let mut state = self.state();
        state.running -= 1;
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
