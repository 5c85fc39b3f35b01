//! Graphs of the cases, built on the dynamic state of Millstream's graphs and run.

use std::sync::Arc;

use futures_util::StreamExt;
use millstream::graph::{GraphRun as Running, Json};
use millstream::{Error, ErrorKind, Event};
use serde_json::Value;

use crate::case::{Filter, GraphCase, GraphRun, GraphStep, NodeNames, Version};
use crate::events::EventsView;
use crate::outcome::{Skip, StepOutcome, failure_of, unsupported};

mod answer;
mod build;
mod script;
mod tool;
mod view;
mod world;

use build::Built;
use view::StreamView;
use world::World;

/// Runs a graph case.
///
/// # Errors
/// Why the case is skipped.
pub async fn run(case: GraphCase) -> Result<Vec<StepOutcome>, Skip> {
    let world = Arc::new(World::new(case.parts));
    let main = Built::new(&world, "main")?;
    let mut outcomes = Vec::with_capacity(case.steps.len());
    for step in case.steps {
        outcomes.push(match step {
            GraphStep::Stream { modes, subgraphs, version, run } => {
                stream(&main, modes.as_slice(), subgraphs, version, &run).await?
            }
            GraphStep::Events { filter, version, run } => events(&main, filter, version, &run).await?,
            GraphStep::Invoke { run } => invoke(&main, &run).await?,
            GraphStep::State { .. } => return Err(unsupported("the state of a thread")),
            GraphStep::History { .. } => return Err(unsupported("the history of a thread")),
            GraphStep::Update { .. } => return Err(unsupported("updates of a thread's state")),
        });
        // What happened after something was missing means nothing.
        if let Some(missing) = world.missing() {
            return Err(missing);
        }
    }
    Ok(outcomes)
}

async fn stream(
    main: &Built,
    modes: &[String],
    subgraphs: bool,
    version: Option<Version>,
    run: &GraphRun,
) -> Result<StepOutcome, Skip> {
    if version == Some(Version::V3) {
        return Err(unsupported("streams of version v3"));
    }
    let keys = main.keys(run.output_keys.as_ref());
    let mut view = StreamView::new(modes, subgraphs, version == Some(Version::V2), keys, &run.input)?;
    watch(main, run, |event| view.push(event).into_iter().collect()).await
}

async fn events(main: &Built, filter: Filter, version: Option<Version>, run: &GraphRun) -> Result<StepOutcome, Skip> {
    if !matches!(version, None | Some(Version::V2)) {
        return Err(unsupported("events of a graph in another form than v2"));
    }
    let mut view = EventsView::new(run.input.clone(), filter);
    watch(main, run, |event| view.push(event)).await
}

/// Runs, and yields what `view` makes of the events.
async fn watch(main: &Built, run: &GraphRun, mut view: impl FnMut(&Event) -> Vec<Value>) -> Result<StepOutcome, Skip> {
    let mut outcome = StepOutcome::streamed();
    let mut events = match start(main, run)? {
        Ok(running) => running.events(),
        Err(error) => {
            outcome.fail(failure_of(&error));
            return Ok(outcome);
        }
    };
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => view(&event).into_iter().for_each(|told| outcome.push(told)),
            Err(error) => outcome.fail(failure_of(&error)),
        }
    }
    Ok(outcome)
}

async fn invoke(main: &Built, run: &GraphRun) -> Result<StepOutcome, Skip> {
    let ended = match start(main, run)? {
        Ok(running) => running.await,
        Err(error) => Err(error),
    };
    Ok(StepOutcome::of(ended.map(|state| match &run.output_keys {
        Some(keys) => main.keys(Some(keys)).shown(&state.to_value()),
        None => main.output(&state),
    })))
}

/// The run of a step, or why it cannot begin.
fn start(main: &Built, run: &GraphRun) -> Result<Result<Running<Json>, Error>, Skip> {
    let stops = [&run.interrupt_before, &run.interrupt_after].into_iter().flatten();
    if stops.into_iter().any(|nodes| *nodes != NodeNames::default()) {
        return Err(unsupported("breakpoints"));
    }
    if run.command.is_some() || run.at.is_some() || run.durability.is_some() {
        return Err(unsupported("going on from a checkpoint"));
    }
    let limit = run.config.recursion_limit.map(u64::try_from);
    if matches!(limit, Some(Err(_) | Ok(0))) {
        return Ok(Err(Error::new(ErrorKind::InvalidInput, "the limit of steps has to be at least 1")));
    }
    if run.input == Value::Null {
        return Ok(Err(Error::new(ErrorKind::InvalidInput, "there is nothing to run").with_name("EmptyInputError")));
    }
    let input = match main.input(&run.input) {
        Ok(input) => input,
        Err(error) => return Ok(Err(error)),
    };
    let mut running = main.graph.run_with(main.state(), vec![input]);
    if let Some(Ok(limit)) = limit {
        running = running.limit(limit);
    }
    if let Some(nodes) = run.config.max_concurrency {
        running = running.max_concurrency(nodes);
    }
    if let Some(name) = &run.config.run_name {
        running = running.named(name.as_str());
    }
    let tagged = run.config.tags.iter().fold(running, |running, tag| running.tag(tag.as_str()));
    Ok(Ok(run
        .config
        .metadata
        .iter()
        .fold(tagged, |running, (key, value)| running.metadata(key.as_str(), value.clone()))))
}
