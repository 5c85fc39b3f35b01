//! What tasks did after the checkpoint that a run goes on from.

use std::collections::HashMap;

use millstream_core::{Error, Interrupt, Result, TaskError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::ahead::SavedOutput;
use crate::checkpoint::{TaskWrite, WriteKind};

/// What a task did.
#[derive(Default)]
pub(crate) struct Deeds {
    /// What it gave, if it has returned.
    pub(crate) output: Option<SavedOutput>,
    /// What it asked last.
    pub(crate) interrupts: Vec<Interrupt>,
    /// What it was answered.
    pub(crate) answers: Vec<Value>,
    /// Why it failed.
    pub(crate) error: Option<TaskError>,
}

/// What all tasks did, and what came from outside.
#[derive(Default)]
pub(crate) struct Past {
    tasks: HashMap<Uuid, Deeds>,
    /// The tasks, in the order in which something of theirs was first saved.
    order: Vec<Uuid>,
    /// Updates and targets that came with an earlier run that has not got past the checkpoint.
    pub(crate) outside: Option<SavedOutput>,
    /// Whether the thread has gone on from the checkpoint, so that the start has run if it was due.
    pub(crate) superseded: bool,
    /// Answers that came with such runs, by the ids of their questions.
    pub(crate) answers: HashMap<String, Value>,
}

impl Past {
    pub(crate) fn read(writes: &[TaskWrite]) -> Result<Self> {
        let mut past = Self::default();
        for write in writes {
            if write.task.is_nil() {
                match write.kind {
                    WriteKind::Output => past.outside = Some(read(&write.value)?),
                    _ => past.answers = read(&write.value)?,
                }
                continue;
            }
            let deeds = past.tasks.entry(write.task).or_insert_with(|| {
                past.order.push(write.task);
                Deeds::default()
            });
            match write.kind {
                WriteKind::Output => deeds.output = Some(read(&write.value)?),
                WriteKind::Interrupt => deeds.interrupts = read(&write.value)?,
                WriteKind::Resume => deeds.answers = read(&write.value)?,
                WriteKind::Error => deeds.error = Some(read(&write.value)?),
            }
        }
        Ok(past)
    }

    pub(crate) fn of(&self, task: Uuid) -> Option<&Deeds> {
        self.tasks.get(&task)
    }

    pub(crate) fn of_mut(&mut self, task: Uuid) -> Option<&mut Deeds> {
        self.tasks.get_mut(&task)
    }

    /// The questions that wait for an answer, with the tasks that asked them, in the order in which they asked.
    pub(crate) fn pending(&self) -> impl Iterator<Item = (Uuid, &Interrupt)> {
        let tasks = self.order.iter().filter_map(|task| Some((*task, self.tasks.get(task)?)));
        let waiting = tasks.filter(|(_, deeds)| deeds.output.is_none());
        waiting.flat_map(|(task, deeds)| deeds.interrupts.iter().map(move |asked| (task, asked)))
    }

    /// Forgets the answers: the questions are asked again.
    pub(crate) fn forget_answers(&mut self) {
        self.tasks.values_mut().for_each(|deeds| deeds.answers.clear());
        self.answers.clear();
    }

    /// Forgets what tasks did: they run again.
    pub(crate) fn forget_tasks(&mut self) {
        self.tasks.clear();
        self.order.clear();
        self.superseded = false;
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::failed)
}
