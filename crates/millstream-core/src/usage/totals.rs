//! What each model has cost.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::Usage;
use crate::event::{Body, Event, Scope};
use crate::part::{Chunk, Part};

/// Adds up what models cost, by their names: LangChain's `UsageMetadataCallbackHandler`. It takes the events of any number of runs.
///
/// A model's name is the one that the provider gives in its answer (`model_name` in the `response_metadata`), else the one by which it was asked
/// (`ls_model_name` in its metadata), else the name of the step. Messages that were stopped or cut count as what they had cost by then; answers of a cache count as nothing.
///
/// ```
/// use futures_util::TryStreamExt;
/// use millstream_core::{Channels, Demo, Model, Runnable, UsageTotals};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let mut totals = UsageTotals::default();
/// let mut events = Model::from(Demo::instant()).run("What is RAG?").channels(Channels::MESSAGES).events();
/// while let Some(event) = events.try_next().await? {
///     totals.observe(&event);
/// }
/// assert!(totals.by_model().values().all(|usage| usage.output_tokens > 0));
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct UsageTotals {
    by_model: BTreeMap<String, Usage>,
    open: HashMap<Uuid, Open>,
}

/// A message that is being told.
#[derive(Clone, Debug, Default)]
struct Open {
    model: Option<String>,
    usage: Option<Usage>,
}

impl UsageTotals {
    /// Takes note of an event. Only those of [`Channels::MESSAGES`](crate::Channels::MESSAGES) say what something costs.
    pub fn observe(&mut self, event: &Event) {
        if let Body::Message { chunk } = &event.body {
            self.observe_message(&event.scope, chunk);
        }
    }

    /// What each model has cost so far, by its name.
    pub fn by_model(&self) -> &BTreeMap<String, Usage> {
        &self.by_model
    }

    /// What all of them have cost; nothing if none has answered.
    pub fn total(&self) -> Option<Usage> {
        self.by_model.values().cloned().reduce(|mut total, usage| {
            total += usage;
            total
        })
    }

    fn observe_message(&mut self, scope: &Arc<Scope>, chunk: &Chunk) {
        for part in chunk {
            match part {
                Part::Usage { usage } => self.open(scope).usage = Some((**usage).clone()),
                Part::Note { note } => {
                    if let Some(name) = note.response_metadata.get("model_name").and_then(|name| name.as_str()) {
                        self.open(scope).model = Some(name.to_owned());
                    }
                }
                Part::End { .. } => {
                    let Open { model, usage } = self.open.remove(&scope.run_id).unwrap_or_default();
                    let Some(usage) = usage else { continue };
                    let name = model.unwrap_or_else(|| asked_as(scope));
                    match self.by_model.get_mut(&name) {
                        Some(total) => *total += usage,
                        None => drop(self.by_model.insert(name, usage)),
                    }
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, scope: &Scope) -> &mut Open {
        self.open.entry(scope.run_id).or_default()
    }
}

fn asked_as(scope: &Scope) -> String {
    let name = scope.metadata.get("ls_model_name").and_then(|name| name.as_str());
    name.unwrap_or(&scope.name).to_owned()
}
