//! From the specification of a chain to the chain.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use millstream::{Chain, Cx, Message, Messages, Model, Prompt, Run, Runnable, Streamed, Text, Vars};
use serde_json::{Map, Value};

use super::value::{Given, Shown};
use crate::case::{Config, Filter, Parts, PromptItem, Spec};
use crate::events::EventsView;
use crate::message::read_message;
use crate::model::ScriptedModel;
use crate::outcome::{Skip, StepOutcome, failure_of, unsupported};

/// Builds chains from the models of a case.
pub(crate) struct Builder {
    models: BTreeMap<String, ScriptedModel>,
}

/// A chain by what it takes and gives.
pub(crate) enum Built {
    Prompt(Chain<Vars, Messages>),
    Model(Chain<Messages, Message>),
    Parser(Chain<Message, String>),
    PromptModel(Chain<Vars, Message>),
    ModelParser(Chain<Messages, String>),
    Whole(Chain<Vars, String>),
}

impl Builder {
    pub(crate) fn new(parts: &Parts) -> Result<Self, Skip> {
        let models = parts.models.iter().map(|(name, script)| (name.clone(), ScriptedModel::new(script.clone())));
        Ok(Self { models: models.collect() })
    }

    /// A builder whose chains go on with models that others speak to as well.
    pub(crate) fn with_models(models: BTreeMap<String, ScriptedModel>) -> Self {
        Self { models }
    }

    pub(crate) fn build(&self, spec: &Spec) -> Result<Built, Skip> {
        match spec {
            Spec::Seq { name, .. } => self.sequence(spec, name.as_deref()),
            Spec::Prompt { messages, partial, format } => {
                if partial.as_ref().is_some_and(|partial| !partial.is_empty()) {
                    return Err(unsupported("a prompt with partial variables"));
                }
                if let Some(format) = format {
                    return Err(unsupported(format!("a prompt in the format {format}")));
                }
                Ok(Built::Prompt(prompt(messages)?.named("ChatPromptTemplate")))
            }
            Spec::Model { model } => Ok(Built::Model(step(self.model(model)?))),
            Spec::Str => Ok(Built::Parser(Text.named("StrOutputParser"))),
            Spec::Config { main, config } => Ok(self.build(main)?.configured(config)),
            Spec::Bind { main, kwargs } => self.bound(main, kwargs),
            other => {
                let name = format!("{other:?}");
                let name = name.split([' ', '(']).next().unwrap_or_default().to_lowercase();
                Err(unsupported(format!("the step {name}")))
            }
        }
    }

    fn model(&self, name: &str) -> Result<ScriptedModel, Skip> {
        match self.models.get(name) {
            Some(model) => Ok(model.clone()),
            None => Err(unsupported(format!("the model {name:?}, which the case does not have"))),
        }
    }

    fn bound(&self, main: &Spec, kwargs: &Map<String, Value>) -> Result<Built, Skip> {
        let Spec::Model { model } = main else { return Err(unsupported("bind on something that is not a model")) };
        let mut model = self.model(model)?;
        for (name, value) in kwargs {
            model = match (name.as_str(), serde_json::from_value(value.clone())) {
                ("stop", Ok(stop)) => model.with_stop(stop),
                _ => return Err(unsupported(format!("bind with {name}"))),
            };
        }
        Ok(Built::Model(step(model)))
    }

    fn sequence(&self, spec: &Spec, name: Option<&str>) -> Result<Built, Skip> {
        let mut steps = Vec::new();
        flatten(spec, &mut steps);
        let mut built: Option<Built> = None;
        for step in steps {
            let next = self.build(step)?;
            built = Some(match built {
                None => next,
                Some(before) => before.pipe(next)?,
            });
        }
        let built = built.ok_or_else(|| unsupported("a sequence without steps"))?;
        Ok(match name {
            Some(name) => built.configured(&Config { run_name: Some(name.to_owned()), ..Config::default() }),
            None => built,
        })
    }
}

/// The steps of a sequence; a sequence inside a sequence is its steps.
fn flatten<'a>(spec: &'a Spec, steps: &mut Vec<&'a Spec>) {
    match spec {
        Spec::Seq { steps: inner, .. } => inner.iter().for_each(|step| flatten(step, steps)),
        other => steps.push(other),
    }
}

/// A step with its own name, so that it is no sequence of its own.
fn step(model: ScriptedModel) -> Chain<Messages, Message> {
    let model = Model::from(model);
    let name = model.label().name;
    model.named(name)
}

fn prompt(items: &[PromptItem]) -> Result<Prompt, Skip> {
    let mut prompt = Prompt::new();
    for item in items {
        prompt = match item {
            PromptItem::Template(role, Value::String(template)) => match role.as_str() {
                "system" => prompt.system(template),
                "human" | "user" => prompt.human(template),
                "ai" | "assistant" => prompt.ai(template),
                "placeholder" => prompt.optional_placeholder(template.trim_matches(['{', '}'])),
                other => return Err(unsupported(format!("a prompt's role {other:?}"))),
            },
            PromptItem::Template(..) => return Err(unsupported("a template that is not a text")),
            PromptItem::Placeholder { placeholder, optional: true } => prompt.optional_placeholder(placeholder),
            PromptItem::Placeholder { placeholder, optional: false } => prompt.placeholder(placeholder),
            PromptItem::Message(message) => {
                prompt.message(read_message(&Value::Object(message.clone())).map_err(unsupported)?)
            }
        };
    }
    Ok(prompt)
}

impl Built {
    fn pipe(self, next: Self) -> Result<Self, Skip> {
        Ok(match (self, next) {
            (Self::Prompt(before), Self::Model(next)) => Self::PromptModel(before.pipe(next)),
            (Self::Model(before), Self::Parser(next)) => Self::ModelParser(before.pipe(next)),
            (Self::PromptModel(before), Self::Parser(next)) => Self::Whole(before.pipe(next)),
            _ => return Err(unsupported("this order of steps")),
        })
    }

    fn configured(self, config: &Config) -> Self {
        match self {
            Self::Prompt(chain) => Self::Prompt(configured(chain, config)),
            Self::Model(chain) => Self::Model(configured(chain, config)),
            Self::Parser(chain) => Self::Parser(configured(chain, config)),
            Self::PromptModel(chain) => Self::PromptModel(configured(chain, config)),
            Self::ModelParser(chain) => Self::ModelParser(configured(chain, config)),
            Self::Whole(chain) => Self::Whole(configured(chain, config)),
        }
    }

    pub(crate) fn runs(self) -> Box<dyn Runs> {
        match self {
            Self::Prompt(chain) => Box::new(chain),
            Self::Model(chain) => Box::new(chain),
            Self::Parser(chain) => Box::new(chain),
            Self::PromptModel(chain) => Box::new(chain),
            Self::ModelParser(chain) => Box::new(chain),
            Self::Whole(chain) => Box::new(chain),
        }
    }
}

fn configured<I: Streamed, O: Streamed>(chain: Chain<I, O>, config: &Config) -> Chain<I, O> {
    let name = config.run_name.as_deref().map_or_else(|| chain.label().name, Into::into);
    let tagged = config.tags.iter().fold(chain.named(name), |chain, tag| chain.tag(tag.as_str()));
    config.metadata.iter().fold(tagged, |chain, (key, value)| chain.metadata(key.as_str(), value.clone()))
}

/// What can be done with a chain, whatever it takes and gives.
pub(crate) trait Runs: Send + Sync {
    /// The whole output.
    fn invoke<'a>(
        &'a self,
        input: &'a Value,
        config: &'a Config,
    ) -> BoxFuture<'a, Result<millstream::Result<Value>, Skip>>;

    /// The whole output, as a part of what is executed as `cx`.
    fn invoke_inside<'a>(
        &'a self,
        input: &'a Value,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<millstream::Result<Value>, Skip>>;

    /// The output, piece by piece.
    fn stream<'a>(&'a self, input: &'a Value, config: &'a Config) -> BoxFuture<'a, Result<StepOutcome, Skip>>;

    /// Everything that happens.
    fn events<'a>(
        &'a self,
        input: &'a Value,
        config: &'a Config,
        filter: Filter,
    ) -> BoxFuture<'a, Result<StepOutcome, Skip>>;
}

impl<I: Given, O: Shown> Runs for Chain<I, O> {
    fn invoke<'a>(
        &'a self,
        input: &'a Value,
        config: &'a Config,
    ) -> BoxFuture<'a, Result<millstream::Result<Value>, Skip>> {
        Box::pin(async move { Ok(run(self, input, config)?.await.map(O::whole)) })
    }

    fn invoke_inside<'a>(
        &'a self,
        input: &'a Value,
        cx: &'a Cx,
    ) -> BoxFuture<'a, Result<millstream::Result<Value>, Skip>> {
        Box::pin(async move { Ok(Runnable::invoke(self, I::read(input)?, cx).await.map(O::whole)) })
    }

    fn stream<'a>(&'a self, input: &'a Value, config: &'a Config) -> BoxFuture<'a, Result<StepOutcome, Skip>> {
        Box::pin(async move {
            let mut chunks = run(self, input, config)?.stream();
            let (mut before, mut outcome) = (O::Before::default(), StepOutcome::streamed());
            while let Some(chunk) = chunks.next().await {
                match chunk {
                    Ok(chunk) => {
                        outcome.push(serde_json::json!({"mode": "chunk", "data": O::piece(&mut before, &chunk)}))
                    }
                    Err(error) => outcome.fail(failure_of(&error)),
                }
            }
            Ok(outcome)
        })
    }

    fn events<'a>(
        &'a self,
        input: &'a Value,
        config: &'a Config,
        filter: Filter,
    ) -> BoxFuture<'a, Result<StepOutcome, Skip>> {
        Box::pin(async move {
            let mut view = EventsView::new(input, filter);
            let mut events = run(self, input, config)?.events();
            let mut outcome = StepOutcome::streamed();
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => view.push(&event).into_iter().for_each(|event| outcome.push(event)),
                    Err(error) => outcome.fail(failure_of(&error)),
                }
            }
            Ok(outcome)
        })
    }
}

fn run<I: Given, O: Streamed>(chain: &Chain<I, O>, input: &Value, config: &Config) -> Result<Run<O>, Skip> {
    let input = I::read(input)?;
    let run = match &config.run_name {
        Some(name) => chain.clone().named(name.as_str()).run(input),
        None => chain.run(input),
    };
    let run = config.tags.iter().fold(run, |run, tag| run.tag(tag.as_str()));
    Ok(config.metadata.iter().fold(run, |run, (key, value)| run.metadata(key.as_str(), value.clone())))
}
