//! Which model a program uses when nobody writes one down: what is configured, else what is found on this machine, else the demo model.

use std::fmt;
use std::time::Duration;

use millstream_core::{Demo, Error, ErrorKind, Model, Result};
use millstream_models::{Environment, OpenAi};

/// The name that asks for the demo model.
const DEMO: &str = "demo";

/// What is said about the model to use; what is not said is looked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelChoice {
    /// The model's name at its provider, as `gpt-4o-mini`, `openai:gpt-4o-mini` or `ollama:llama3.2`; `demo` for the demo model.
    pub model: Option<String>,
    /// The key, the address, and the local servers to look for.
    pub environment: Environment,
    /// How long the demo model takes for a token.
    pub demo_delay: Duration,
}

/// The model that was found, and how to make it again: each worker of a server has its own, with connections of its own.
#[derive(Clone, Debug)]
pub struct FoundModel {
    which: Which,
    by: String,
}

#[derive(Clone, Debug)]
enum Which {
    Demo { delay: Duration },
    Provider(Box<Provider>),
}

#[derive(Clone, Debug)]
struct Provider {
    environment: Environment,
    name: String,
    model: OpenAi,
}

/// Nothing said: an OpenAI-shaped server on this machine if there is one, else the demo model.
impl Default for ModelChoice {
    fn default() -> Self {
        Self { model: None, environment: Environment::default(), demo_delay: Duration::from_millis(25) }
    }
}

impl ModelChoice {
    /// What the environment variables say: `MILLSTREAM_MODEL`, `OPENAI_API_KEY`, `OPENAI_BASE_URL`, and `MILLSTREAM_DEMO_DELAY` in milliseconds.
    pub fn from_env() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.trim().is_empty());
        let delay = variable("MILLSTREAM_DEMO_DELAY").and_then(|text| text.trim().parse().ok()).unwrap_or(25);
        Self {
            model: variable("MILLSTREAM_MODEL"),
            environment: Environment::from_process(),
            demo_delay: Duration::from_millis(delay),
        }
    }

    /// Finds the model. Where nothing is configured, local servers are asked whether they are there, which blocks for 300 ms at most; a
    /// configured address is asked for its models if none is named, for 10 seconds at most.
    ///
    /// # Errors
    /// `invalid_input` if what is said cannot be; `provider_unreachable` if a configured address lists no models and none is named.
    pub fn find(self) -> Result<FoundModel> {
        // A thread of its own, so that this can be called from asynchronous code as well.
        let looking = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(self.look())
        });
        looking.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "looking for a model panicked")))
    }

    async fn look(self) -> Result<FoundModel> {
        let Self { model, mut environment, demo_delay } = self;
        let demo = |by: &str| FoundModel { which: Which::Demo { delay: demo_delay }, by: by.to_owned() };
        let configured = environment.key.is_some() || environment.base_url.is_some();
        match model.as_deref().map(str::trim) {
            Some(DEMO) => Ok(demo("asked for")),
            Some(name) => {
                let named = environment.model(name);
                if named.is_err()
                    && !configured
                    && !name.starts_with("openai:")
                    && let Some(local) = environment.detect().await?
                {
                    // Somebody who names a model and runs a local server means that server.
                    environment.base_url = Some(local.model.base_url().to_owned());
                    let model = environment.model(name)?;
                    return Ok(provider(environment, name.to_owned(), model, local.by));
                }
                Ok(provider(environment, name.to_owned(), named?, "named".to_owned()))
            }
            None => match environment.detect().await? {
                Some(found) => {
                    let local = environment.local.iter().any(|server| server.name == found.by);
                    let provided_by = if local { &found.by } else { "openai" };
                    let name = format!("{provided_by}:{}", found.model.model());
                    Ok(provider(environment, name, found.model, found.by))
                }
                None => Ok(demo("no OPENAI_API_KEY, and no model server found on this machine")),
            },
        }
    }
}

fn provider(environment: Environment, name: String, model: OpenAi, by: String) -> FoundModel {
    FoundModel { which: Which::Provider(Box::new(Provider { environment, name, model })), by }
}

impl FoundModel {
    /// The model, with connections of its own.
    pub fn model(&self) -> Model {
        match &self.which {
            Which::Demo { delay } => Demo::default().with_delay(*delay).into(),
            // It could be made before, so it can be made again; sharing connections is only slower.
            Which::Provider(provider) => {
                let Provider { environment, name, model } = &**provider;
                environment.model(name).unwrap_or_else(|_| model.clone()).into()
            }
        }
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        match &self.which {
            Which::Demo { .. } => DEMO,
            Which::Provider(provider) => provider.model.model(),
        }
    }

    /// Where it is; `None` for the demo model, which is in this process.
    pub fn base_url(&self) -> Option<&str> {
        match &self.which {
            Which::Demo { .. } => None,
            Which::Provider(provider) => Some(provider.model.base_url()),
        }
    }
}

/// Which model, where, and why that one.
impl fmt::Display for FoundModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.base_url() {
            None => write!(f, "demo, without weights: it answers from a short guide ({})", self.by),
            Some(base_url) => write!(f, "{} at {base_url} ({})", self.name(), self.by),
        }
    }
}

/// The model that the environment names, or that is found: [`ModelChoice::from_env`], made at once.
///
/// # Errors
/// As [`ModelChoice::find`].
pub fn model_from_env() -> Result<Model> {
    Ok(ModelChoice::from_env().find()?.model())
}
