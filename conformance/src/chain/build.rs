//! From the specification of a chain to the chain.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use millstream::{
    AnyJson, Assign, Branch, Chunks, CommaList, Dynamic, Each, Error, Fallbacks, Lambda, Model, Parallel, Passthrough,
    Payload, Pick, PickSome, Prompt, Retry, Runnable, Text, ToolStep, Vars,
};
use serde_json::{Map, Value};

use super::value::{GivenPieces, Written, whole};
use super::{AnyChain, prompt, retriever};
use crate::case::{Config, OneOrMany, Op, Spec};
use crate::expression::Expression;
use crate::graph::{InputOnly, Script, World, graph_step, tool_of};
use crate::outcome::{Skip, unsupported};

/// Builds chains of the things of a case.
pub(crate) struct Builder<'a> {
    world: &'a Arc<World>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(world: &'a Arc<World>) -> Self {
        Self { world }
    }

    pub(crate) fn build(&self, spec: &Spec) -> Result<AnyChain, Skip> {
        Ok(match spec {
            Spec::Seq { steps, name } => {
                let chain = self.sequence(steps)?;
                match name {
                    Some(name) => chain.named(name.as_str()),
                    None => chain,
                }
            }
            Spec::Prompt { messages, partial, format } => {
                prompt::messages(messages, partial.as_ref(), format.as_deref())?.dynamic()
            }
            Spec::StringPrompt { template } => Prompt::text(template.as_str()).dynamic(),
            Spec::Model { model } => self.model(model)?.dynamic(),
            Spec::Str => Text.dynamic(),
            Spec::Json => AnyJson.dynamic(),
            Spec::List => CommaList.dynamic(),
            Spec::Parallel { steps } => {
                let mut map = Parallel::new();
                for (key, step) in steps {
                    map = map.with(key.as_str(), self.build(step)?);
                }
                map.dynamic()
            }
            Spec::Passthrough => Passthrough::<Payload>::new().dynamic(),
            Spec::Assign { steps } => {
                let mut assign = Assign::new();
                for (key, step) in steps {
                    assign = assign.with(key.as_str(), self.build(step)?.taking::<Vars>());
                }
                assign.dynamic()
            }
            Spec::Pick { keys: OneOrMany::One(key) } => Pick::<Payload>::new(key.as_str()).dynamic(),
            Spec::Pick { keys: OneOrMany::Many(keys) } => PickSome::new(keys.iter().map(String::as_str)).dynamic(),
            Spec::Lambda { body, ops, name } => self.lambda(body, ops, name.as_deref().unwrap_or("RunnableLambda")),
            Spec::Gen { body, name } => generator(body, name.as_deref().unwrap_or("RunnableGenerator")),
            Spec::Branch { branches, default } => {
                let mut branch = Branch::new();
                for (condition, spec) in branches {
                    let condition = condition.clone();
                    let holds = move |input: Payload| {
                        let holds = condition.evaluate(&InputOnly(whole(&input)))?;
                        Ok(!matches!(holds, Value::Null | Value::Bool(false)))
                    };
                    branch = branch.when_step(Lambda::new(holds).named("cond"), self.build(spec)?);
                }
                branch.otherwise(self.build(default)?)
            }
            Spec::Fallbacks { main, fallbacks, on, exception_key } => {
                let mut chain = Fallbacks::of(self.build(main)?);
                for fallback in fallbacks {
                    chain = chain.with_fallback(self.build(fallback)?);
                }
                if let Some(kinds) = on.clone() {
                    chain = chain.only_for(move |error| is_one_of(error, &kinds));
                }
                if let Some(key) = exception_key.clone() {
                    chain = chain.telling(move |input, error| told(&input, &key, error));
                }
                chain.dynamic()
            }
            Spec::Retry { main, attempts, on } => {
                let kinds = on.clone();
                let retry = Retry {
                    attempts: attempts.unwrap_or(3),
                    initial: Duration::ZERO,
                    when: Arc::new(move |error| kinds.as_ref().is_none_or(|kinds| is_one_of(error, kinds))),
                    ..Retry::default()
                };
                self.build(main)?.with_retry(retry).only_when_waited_for().dynamic()
            }
            Spec::Bind { main, kwargs } => self.bound(main, kwargs)?,
            Spec::Config { main, config } => self.configured(main, config)?,
            Spec::Tool { tool } => {
                ToolStep::from(tool_of(self.world, tool).map_err(|error| unsupported(error.to_string()))?).dynamic()
            }
            Spec::Each { main } => Each::new(self.build(main)?).dynamic(),
            Spec::Retriever(documents) => retriever::retriever(documents)?,
            Spec::Graph { graph } => graph_step(self.world, graph)?,
        })
    }

    fn sequence(&self, steps: &[Spec]) -> Result<AnyChain, Skip> {
        let mut chain: Option<AnyChain> = None;
        for step in flat(steps) {
            let step = self.build(step)?;
            chain = Some(match chain {
                None => step,
                Some(before) => before.pipe(step),
            });
        }
        chain.ok_or_else(|| unsupported("a sequence without steps"))
    }

    fn model(&self, name: &str) -> Result<Model, Skip> {
        Ok(Model::from(self.world.model(name).map_err(|error| unsupported(error.to_string()))?))
    }

    /// A runnable with a configuration; what the runnable has of its own already is replaced, key by key.
    fn configured(&self, main: &Spec, config: &Config) -> Result<AnyChain, Skip> {
        let Spec::Config { main, config: inner } = main else { return Ok(configured(self.build(main)?, config)) };
        let mut config = config.clone();
        config.run_name = config.run_name.or_else(|| inner.run_name.clone());
        if config.tags.is_empty() {
            config.tags.clone_from(&inner.tags);
        }
        if config.metadata.is_empty() {
            config.metadata.clone_from(&inner.metadata);
        }
        self.configured(main, &config)
    }

    fn bound(&self, main: &Spec, kwargs: &Map<String, Value>) -> Result<AnyChain, Skip> {
        if let Spec::Config { main, config } = main {
            return Ok(configured(self.bound(main, kwargs)?, config));
        }
        let Spec::Model { model } = main else { return Err(unsupported("bind on something that is not a model")) };
        let mut model = self.world.model(model).map_err(|error| unsupported(error.to_string()))?;
        for (name, value) in kwargs {
            model = match (name.as_str(), serde_json::from_value(value.clone())) {
                ("stop", Ok(stop)) => model.with_stop(stop),
                _ => return Err(unsupported(format!("bind with {name}"))),
            };
        }
        Ok(Model::from(model).dynamic())
    }

    fn lambda(&self, body: &Expression, ops: &[Op], name: &str) -> AnyChain {
        let (world, body, ops) = (self.world.clone(), body.clone(), Arc::<[Op]>::from(ops));
        let function = move |input: Payload, cx| {
            let (world, body, ops) = (world.clone(), body.clone(), ops.clone());
            async move { Ok(Payload::new(Script::of_lambda(&world, &cx, whole(&input)).run_lambda(&ops, &body).await?)) }
        };
        Lambda::future(function).named(name)
    }
}

/// The steps of a sequence; those of one inside it are its own, and the inner name is gone.
fn flat(steps: &[Spec]) -> Vec<&Spec> {
    let mut own = Vec::new();
    for step in steps {
        match step {
            Spec::Seq { steps, .. } => own.extend(flat(steps)),
            step => own.push(step),
        }
    }
    own
}

fn generator(body: &Expression, name: &str) -> AnyChain {
    let body = Arc::new(body.clone());
    let mapped = move |pieces: Chunks<Payload>, _| {
        let (body, mut written, mut given) = (body.clone(), Written::default(), GivenPieces::default());
        let pieces = pieces.map(move |piece| {
            let input = InputOnly(written.piece(&piece?));
            given.piece(body.evaluate(&input)?)
        });
        pieces.boxed()
    };
    Lambda::stream::<Payload, Payload, _>(mapped).named(name)
}

fn configured(chain: AnyChain, config: &Config) -> AnyChain {
    let chain = match &config.run_name {
        Some(name) => chain.named(name.as_str()),
        None => chain,
    };
    let tagged = config.tags.iter().fold(chain, |chain, tag| chain.tag(tag.as_str()));
    config.metadata.iter().fold(tagged, |chain, (key, value)| chain.metadata(key.as_str(), value.clone()))
}

/// Whether an error has one of the names.
fn is_one_of(error: &Error, names: &[String]) -> bool {
    let name = crate::outcome::failure_of(error)["type"].clone();
    names.iter().any(|known| name == known.as_str())
}

/// The input with what went wrong.
fn told(input: &Payload, key: &str, error: &Error) -> Payload {
    let mut vars = Vars::read(input).unwrap_or_default();
    vars.insert(key, crate::outcome::failure_of(error).into());
    Payload::new(vars)
}
