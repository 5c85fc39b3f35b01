//! Chains of the cases, built from Millstream's own steps and run.

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::case::{ChainCase, ChainStep, Config, Filter};
use crate::outcome::{Skip, StepOutcome, failure_of, unsupported};

mod build;
mod value;

pub(crate) use build::{Builder, Built, Runs};

/// Runs a chain case.
///
/// # Errors
/// Why the case is skipped.
pub async fn run(case: ChainCase) -> Result<Vec<StepOutcome>, Skip> {
    let builder = Builder::new(&case.parts)?;
    let chain = builder.build(&case.chain)?.runs();
    let mut outcomes = Vec::with_capacity(case.steps.len());
    for step in case.steps {
        outcomes.push(match step {
            ChainStep::Invoke { input, config } => StepOutcome::of(chain.invoke(&input, &config).await?),
            ChainStep::Stream { input, config } => chain.stream(&input, &config).await?,
            ChainStep::Batch { inputs, config, return_exceptions } => {
                batch(&*chain, inputs, &config, return_exceptions).await?
            }
            ChainStep::Events { input, config, filter, version } => {
                if !matches!(version, None | Some(crate::case::Version::V2)) {
                    return Err(unsupported("events of a chain in another form than v2"));
                }
                events(&*chain, &input, &config, filter).await?
            }
        });
    }
    Ok(outcomes)
}

async fn events(chain: &dyn Runs, input: &Value, config: &Config, filter: Filter) -> Result<StepOutcome, Skip> {
    chain.events(input, config, filter).await
}

async fn batch(chain: &dyn Runs, inputs: Vec<Value>, config: &Config, failures_too: bool) -> Result<StepOutcome, Skip> {
    let at_once = config.max_concurrency.unwrap_or(inputs.len()).max(1);
    let runs = inputs.iter().map(|input| chain.invoke(input, config));
    let results: Vec<_> = stream::iter(runs).buffered(at_once).collect().await;
    let mut outputs = Vec::with_capacity(results.len());
    for result in results {
        match result? {
            Ok(output) => outputs.push(output),
            Err(error) if failures_too => outputs.push(json!({ "error": failure_of(&error) })),
            Err(error) => return Ok(StepOutcome::of(Err(error))),
        }
    }
    Ok(StepOutcome::of(Ok(Value::Array(outputs))))
}
