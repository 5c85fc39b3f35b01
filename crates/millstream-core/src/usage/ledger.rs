//! What the model calls of a run have cost, whether or not anybody reads their messages.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::Usage;

/// The account of a run. Each call is noted once, when its answer has ended or is given up.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    total: Option<Usage>,
    /// Messages that were told and not ended, by their executions.
    partial: HashMap<Uuid, Usage>,
}

impl Ledger {
    /// Notes an answer that has ended.
    pub(crate) fn add(&self, usage: Usage) {
        self.entries().add(usage);
    }

    /// Notes an answer that was given up; `message` is its execution, if it is told.
    pub(crate) fn add_partial(&self, message: Option<Uuid>, usage: Usage) {
        let mut entries = self.entries();
        if let Some(message) = message {
            entries.partial.insert(message, usage.clone());
        }
        entries.add(usage);
    }

    /// What the message cost that was given up. One that somebody still holds is noted here, as `so_far`.
    pub(crate) fn partial(&self, message: Uuid, so_far: impl FnOnce() -> Usage) -> Usage {
        let mut entries = self.entries();
        if let Some(usage) = entries.partial.remove(&message) {
            return usage;
        }
        let usage = so_far();
        entries.add(usage.clone());
        usage
    }

    /// All of it; nothing if no model has answered.
    pub(crate) fn total(&self) -> Option<Usage> {
        self.entries().total.clone()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn add(&mut self, usage: Usage) {
        match &mut self.total {
            Some(total) => *total += usage,
            None => self.total = Some(usage),
        }
    }
}
