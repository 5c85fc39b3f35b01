//! How the runs of a case end, for whoever awaits them and for whoever folds their events: it has to be the same.

use std::sync::Arc;

use futures_util::StreamExt;
use millstream::graph::{GraphRun as Running, Json, Outcome};
use millstream::{Body, Error};
use serde_json::{Value, json};

use super::{Built, EVENTS_LIMIT, STREAM_LIMIT, World, perform, start};
use crate::case::{GraphCase, GraphStep, Version};
use crate::outcome::{Skip, StepOutcome};

/// Runs a graph case and awaits its runs: for each the state at its end, and what it asks if it waits for a person. Steps that are no runs produce what
/// they produce in [`run`](super::run).
///
/// # Errors
/// Why the case is skipped.
pub async fn awaited(case: GraphCase) -> Result<Vec<StepOutcome>, Skip> {
    ends(case, async |_, running| {
        let Outcome { state, interrupts, .. } = running.outcome().await?;
        Ok(json!({ "state": state, "asked": interrupts }))
    })
    .await
}

/// [`awaited`] for whoever only reads events: the state is what the outermost graph gives of the last that it told, null if it
/// told none.
///
/// # Errors
/// Why the case is skipped.
pub async fn folded(case: GraphCase) -> Result<Vec<StepOutcome>, Skip> {
    ends(case, async |main, running| {
        let (mut last, mut asked) = (None, None::<Vec<_>>);
        let mut events = running.events();
        while let Some(event) = events.next().await {
            let event = event?;
            if !event.scope.namespace.is_empty() {
                continue;
            }
            match event.body {
                Body::Values { state } => last = Some(main.given(state.json())),
                Body::Interrupted { interrupts, .. } => asked.get_or_insert_default().extend(interrupts),
                _ => {}
            }
        }
        Ok(json!({ "state": last, "asked": asked }))
    })
    .await
}

async fn ends(
    case: GraphCase,
    end: impl AsyncFn(&Built, Running<Json>) -> Result<Value, Error>,
) -> Result<Vec<StepOutcome>, Skip> {
    let world = Arc::new(World::new(case.parts));
    let main = Built::new(&world, "main")?;
    let mut outcomes = Vec::with_capacity(case.steps.len());
    for step in case.steps {
        let (run, limit) = match &step {
            GraphStep::Events { run, version, .. } if *version != Some(Version::V3) => (run, EVENTS_LIMIT),
            GraphStep::Events { run, .. } | GraphStep::Stream { run, .. } | GraphStep::Invoke { run } => {
                (run, STREAM_LIMIT)
            }
            _ => {
                outcomes.push(perform(&main, &world, step).await?);
                continue;
            }
        };
        outcomes.push(StepOutcome::of(match start(&main, &world, run, limit).await {
            Ok(running) => end(&main, running).await,
            Err(error) => Err(error),
        }));
        if let Some(missing) = world.missing() {
            return Err(missing);
        }
    }
    Ok(outcomes)
}
