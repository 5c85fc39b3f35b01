//! Who speaks in a session: one at a time, in the order of asking.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// The sessions in which somebody speaks or waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Mutex<HashMap<Arc<str>, Line>>>);

#[derive(Debug, Default)]
struct Line {
    /// Given on in the order of asking.
    turn: Arc<tokio::sync::Mutex<()>>,
    people: usize,
}

/// A place in the line of a session, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lines: Lines,
    session: Arc<str>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Lines {
    /// Comes back when it is the caller's turn to speak in `session`.
    pub(super) async fn turn(&self, session: &Arc<str>) -> Place {
        let turn = {
            let mut lines = self.lock();
            let line = lines.entry(session.clone()).or_default();
            line.people += 1;
            line.turn.clone()
        };
        let mut place = Place { lines: self.clone(), session: session.clone(), turn: None };
        place.turn = Some(turn.lock_owned().await);
        place
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.turn.take());
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get_mut(&self.session) {
            line.people -= 1;
            if line.people == 0 {
                lines.remove(&self.session);
            }
        }
    }
}
