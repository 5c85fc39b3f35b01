//! The law of all steps, for whoever watches: events are whole, every run lies inside its parent, and what the run says at its end that it gave is what is
//! awaited.

use std::fmt::Debug;
use std::future::IntoFuture;

use futures_util::TryStreamExt;
use millstream_core::{Body, Error, Event, Fold, Result, Run, Runnable, Streamed};
use millstream_testkit::{Validator, watch_with};
use proptest::prelude::*;
use serde_json::Value;

use super::rechunk::Source;

/// What the readers of the same step were given: one that awaits what becomes of the whole input, and of the cut one; one that folds the pieces; one that folds
/// them without knowing their type; and one that listens to the events.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) whole: Outcome,
    pub(crate) erased: Outcome,
    pub(crate) awaited: Outcome,
    pub(crate) streamed: Outcome,
    pub(crate) told: Outcome,
}

/// An output as JSON without the ids that are random, or the code and the text of an error.
pub(crate) type Outcome = std::result::Result<Value, Failure>;

/// Why a run failed. The text may show how far it had come.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) is_partial: bool,
}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { code: error.code(), message: error.to_string(), is_partial: error.is_partial() }
    }
}

/// Runs `step` on an input that is `whole` or comes in `pieces`, for all readers, in virtual time.
pub(crate) fn heard<S: Runnable + Clone>(step: &S, whole: S::Input, pieces: Vec<<S::Input as Streamed>::Chunk>) -> Heard
where
    <S::Input as Streamed>::Chunk: Sync,
{
    heard_by(step, whole, pieces, Validator::new())
}

/// [`heard`] where something may be given up on the way.
pub(crate) fn heard_with_attempts<S: Runnable + Clone>(
    step: &S,
    whole: S::Input,
    pieces: Vec<<S::Input as Streamed>::Chunk>,
) -> Heard
where
    <S::Input as Streamed>::Chunk: Sync,
{
    heard_by(step, whole, pieces, Validator::new().where_things_are_given_up())
}

fn heard_by<S: Runnable + Clone>(
    step: &S,
    whole: S::Input,
    pieces: Vec<<S::Input as Streamed>::Chunk>,
    validator: Validator,
) -> Heard
where
    <S::Input as Streamed>::Chunk: Sync,
{
    let cut = Source::<S::Input>(pieces).pipe(step.clone());
    in_virtual_time(async {
        let awaited = outcome(cut.run("go").into_future().await);
        let streamed = outcome(folded(cut.run("go")).await);
        let (events, failed) = watch_with(validator, cut.run("go").events()).await;
        let told = failed.map_or_else(|| Ok(plain(root_output(&events))), |error| Err(error.into()));
        let whole = outcome(step.run(whole).into_future().await);
        let erased = outcome(folded(cut.dynamic().run(Value::from("go"))).await);
        Heard { whole, awaited, streamed, erased, told }
    })
}

impl Heard {
    /// That all have heard the same.
    pub(crate) fn agrees(self) -> std::result::Result<Outcome, TestCaseError> {
        prop_assert_eq!(&self.whole, &self.awaited, "whole, cut");
        prop_assert_eq!(&self.streamed, &self.awaited, "streamed, awaited");
        prop_assert_eq!(&self.erased, &self.awaited, "erased, awaited");
        prop_assert_eq!(&self.told, &self.awaited, "told, awaited");
        Ok(self.awaited)
    }

    /// That all have heard the same, but for a stream that fails after a part of the answer had been seen: what is awaited can still be made good then. What
    /// fails may fail elsewhere first.
    pub(crate) fn agrees_where_attempts_are_made(self) -> std::result::Result<Outcome, TestCaseError> {
        prop_assert_eq!(&self.whole, &self.awaited, "whole, cut");
        for read in [&self.streamed, &self.erased, &self.told] {
            match (read, &self.awaited) {
                (Err(failure), Ok(_)) => prop_assert!(failure.is_partial, "{:?}", self),
                (Err(failure), Err(awaited)) => prop_assert_eq!(failure.code, awaited.code, "{:?}", self),
                _ => prop_assert_eq!(read, &self.awaited, "{:?}", self),
            }
        }
        prop_assert_eq!(&self.streamed, &self.told, "streamed, told");
        Ok(self.awaited)
    }
}

async fn folded<T: Streamed>(run: Run<T>) -> Result<T> {
    let (mut fold, mut chunks) = (T::Fold::default(), run.stream());
    while let Some(chunk) = chunks.try_next().await? {
        fold.push(chunk)?;
    }
    fold.finish()
}

fn outcome<T: Streamed>(result: Result<T>) -> Outcome {
    Ok(plain(result?.into_payload().json()))
}

/// What the run itself said that it gave.
fn root_output(events: &[Event]) -> Value {
    let ends = events.iter().filter(|event| event.scope.parent_ids.is_empty());
    let mut outputs = ends.filter_map(|event| match &event.body {
        Body::RunnableFinished { output, .. } => Some(output.json()),
        _ => None,
    });
    outputs.next_back().expect("a run that completed says what it gave")
}

/// The same without the ids that models and their messages get from the executions in which they speak.
fn plain(value: Value) -> Value {
    const MARK: &str = "lc_run--";
    match value {
        Value::String(text) => {
            let mut parts = text.split(MARK);
            let first = parts.next().unwrap_or_default().to_owned();
            let rest = parts.map(|part| part.get(36..).unwrap_or_default());
            Value::String(rest.fold(first, |text, part| text + "<id>" + part))
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        other => other,
    }
}

/// Runs `future` to its end on a clock that jumps over every wait.
pub(crate) fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}
