//! The runs of one conversation: one at a time, in the order in which they were asked for (R16).

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// A conversation that the server keeps, by its name. Chats and agents have names of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Thread {
    Chat(Arc<str>),
    Agent(Arc<str>),
}

/// The conversations that have runs under way.
#[derive(Debug, Default)]
pub(super) struct Threads(HashMap<Thread, Line>);

/// The runs of a conversation that are under way or wait.
#[derive(Debug, Default)]
struct Line {
    /// Held by the run whose turn it is; it is given on in the order of asking.
    turn: Arc<Mutex<()>>,
    runs: usize,
}

/// A run's place in the line of its conversation.
#[derive(Debug)]
pub(super) struct Place(Arc<Mutex<()>>);

/// It is this run's turn, as long as this is.
#[derive(Debug)]
pub(super) struct Turn {
    _held: OwnedMutexGuard<()>,
}

impl Threads {
    /// A place in the line of `thread`; `None` if one run is under way there and `waiting` others wait.
    pub(super) fn join(&mut self, thread: &Thread, waiting: usize) -> Option<Place> {
        let line = self.0.entry(thread.clone()).or_default();
        if line.runs > waiting {
            return None;
        }
        line.runs += 1;
        Some(Place(line.turn.clone()))
    }

    /// A run of `thread` is over.
    pub(super) fn leave(&mut self, thread: &Thread) {
        if let Some(line) = self.0.get_mut(thread) {
            line.runs -= 1;
            if line.runs == 0 {
                self.0.remove(thread);
            }
        }
    }
}

impl Place {
    /// Comes back when it is this run's turn.
    pub(super) async fn turn(self) -> Turn {
        Turn { _held: self.0.lock_owned().await }
    }
}
