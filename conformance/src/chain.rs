//! Chains of the cases, built from Millstream's own steps and run.

use std::sync::Arc;

use futures_util::StreamExt;
use millstream::{Batch, Chain, EventFilter, Payload, Run, Runnable};
use millstream_protocol::events_v2::EventsV2;
use serde_json::{Value, json};

use crate::case::{ChainCase, ChainStep, Config, Version};
use crate::graph::World;
use crate::message::ReferenceForm;
use crate::outcome::{Skip, StepOutcome, failure_of, unsupported};

mod build;
mod prompt;
mod retriever;
mod value;

pub(crate) use build::Builder;
pub(crate) use value::whole;

use value::Written;

/// A chain of a case: what it takes and gives is known when it runs.
pub(crate) type AnyChain = Chain<Payload, Payload>;

/// Runs a chain case.
///
/// # Errors
/// Why the case is skipped.
pub async fn run(case: ChainCase) -> Result<Vec<StepOutcome>, Skip> {
    let world = Arc::new(World::new(case.parts));
    let chain = Builder::new(&world).build(&case.chain)?;
    let mut outcomes = Vec::with_capacity(case.steps.len());
    for step in case.steps {
        outcomes.push(match step {
            ChainStep::Invoke { input, config } => {
                StepOutcome::of(run_of(&chain, &input, &config).await.map(|output| whole(&output)))
            }
            ChainStep::Stream { input, config } => stream(run_of(&chain, &input, &config)).await,
            ChainStep::Batch { inputs, config, return_exceptions } => {
                batch(&chain, inputs, &config, return_exceptions).await
            }
            ChainStep::Events { input, config, filter, version } => {
                if !matches!(version, None | Some(Version::V2)) {
                    return Err(unsupported("events of a chain in another form than v2"));
                }
                events(run_of(&chain, &input, &config), input, filter).await
            }
        });
        if let Some(missing) = world.missing() {
            return Err(missing);
        }
    }
    Ok(outcomes)
}

fn run_of(chain: &AnyChain, input: &Value, config: &Config) -> Run<Payload> {
    configured(chain.run(input.clone()), config)
}

fn configured(mut run: Run<Payload>, config: &Config) -> Run<Payload> {
    if let Some(name) = &config.run_name {
        run = run.named(name.as_str());
    }
    if let Some(things) = config.max_concurrency {
        run = run.max_concurrency(things);
    }
    let run = config.tags.iter().fold(run, |run, tag| run.tag(tag.as_str()));
    config.metadata.iter().fold(run, |run, (key, value)| run.metadata(key.as_str(), value.clone()))
}

async fn stream(run: Run<Payload>) -> StepOutcome {
    let mut chunks = run.stream();
    let (mut written, mut outcome) = (Written::default(), StepOutcome::streamed());
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(piece) => outcome.push(json!({"mode": "chunk", "data": written.piece(&piece)})),
            Err(error) => outcome.fail(failure_of(&error)),
        }
    }
    outcome
}

async fn events(run: Run<Payload>, input: Value, filter: EventFilter) -> StepOutcome {
    let mut view = EventsV2::with_form(input, ReferenceForm).only(filter);
    let mut events = run.events();
    let mut outcome = StepOutcome::streamed();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => view.push(&event).into_iter().for_each(|event| outcome.push(json!(event))),
            Err(error) => outcome.fail(failure_of(&error)),
        }
    }
    outcome
}

async fn batch(chain: &AnyChain, inputs: Vec<Value>, config: &Config, failures_too: bool) -> StepOutcome {
    let config = config.clone();
    let at_once = config.max_concurrency.unwrap_or(usize::MAX);
    let batch: Batch<AnyChain> = chain.batch(inputs).at_most(at_once).each(move |_, run| configured(run, &config));
    let mut outputs = Vec::new();
    for result in batch.await {
        match result {
            Ok(output) => outputs.push(whole(&output)),
            Err(error) if failures_too => outputs.push(json!({ "error": failure_of(&error) })),
            Err(error) => return StepOutcome::of(Err(error)),
        }
    }
    StepOutcome::of(Ok(Value::Array(outputs)))
}
