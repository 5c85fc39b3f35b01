//! From a name to a model: what `openai:gpt-4o-mini` means, and what is there when nobody says.

use std::time::Duration;

use futures_util::future::join_all;
use millstream_core::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::limits::Limits;
use crate::openai::{OPENAI, OpenAi, below, parse_base_url};
use crate::transport::look;

/// The model at OpenAI where no other is named.
const DEFAULT_MODEL: &str = "gpt-4o-mini";

/// A configured server may be far away.
const REMOTE_PATIENCE: Duration = Duration::from_secs(10);

/// What is known about model providers without asking anybody: keys, addresses, and where local servers usually are.
///
/// ```
/// use millstream_models::Environment;
///
/// let here = Environment { key: Some("key".into()), ..Environment::default() };
/// let model = here.model("openai:gpt-4o-mini")?;
/// assert_eq!((model.model(), model.base_url()), ("gpt-4o-mini", "https://api.openai.com/v1"));
/// let local = here.model("ollama:llama3.2:3b")?;
/// assert_eq!((local.model(), local.base_url()), ("llama3.2:3b", "http://127.0.0.1:11434/v1"));
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Environment {
    /// The key for `base_url`, or for OpenAI where there is none.
    pub key: Option<String>,
    /// Where an OpenAI-shaped provider is.
    pub base_url: Option<String>,
    /// Local servers to look for, the preferred one first.
    pub local: Vec<LocalServer>,
    /// How long a local server may take to list its models: it answers at once or is not there. 300 ms unless set.
    pub local_patience: Duration,
    /// How long to wait for what, for every model made here.
    pub limits: Limits,
}

/// A kind of model server that runs on the user's own machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalServer {
    /// Its name, as in `ollama:llama3.2`.
    pub name: String,
    /// Its base URL.
    pub base_url: String,
}

/// A model that was found.
#[derive(Clone, Debug)]
pub struct Detected {
    /// The model, ready to use.
    pub model: OpenAi,
    /// What led to it: `OPENAI_API_KEY`, `OPENAI_BASE_URL`, or the name of the local server.
    pub by: String,
}

impl LocalServer {
    /// A server called `name` at `base_url`.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self { name: name.into(), base_url: base_url.into() }
    }
}

/// No key, no address, and the local servers in their usual places.
impl Default for Environment {
    fn default() -> Self {
        let local = vec![
            LocalServer::new("ollama", "http://127.0.0.1:11434/v1"),
            LocalServer::new("llama.cpp", "http://127.0.0.1:8080/v1"),
        ];
        Self { key: None, base_url: None, local, local_patience: Duration::from_millis(300), limits: Limits::default() }
    }
}

impl Environment {
    /// What the environment variables `OPENAI_API_KEY` and `OPENAI_BASE_URL` say. An empty variable says nothing.
    pub fn from_process() -> Self {
        let variable =
            |name| std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        Self { key: variable("OPENAI_API_KEY"), base_url: variable("OPENAI_BASE_URL"), ..Self::default() }
    }

    /// The model that `name` means: `openai:gpt-4o-mini`, `ollama:llama3.2:3b`, `llama.cpp:any`, or without a provider `gpt-4o-mini`,
    /// which is asked for at the configured base URL. Nothing is sent.
    ///
    /// # Errors
    /// `invalid_input` for a provider that is not supported, a name without a model, or OpenAI without a key; and as [`OpenAiBuilder::build`].
    ///
    /// [`OpenAiBuilder::build`]: crate::OpenAiBuilder::build
    pub fn model(&self, name: &str) -> Result<OpenAi> {
        let (provider, model) = self.split(name.trim())?;
        if let Some(server) = self.local.iter().find(|server| server.name == provider) {
            return OpenAi::builder(model).base_url(&server.base_url).provider(provider).limits(self.limits).build();
        }
        self.configured(model)
    }

    /// Looks for a model that nobody had to name: the configured provider, else the first local server that has a model.
    ///
    /// A configured provider other than OpenAI, and each local server, is asked for its models (`GET /models`), and the first one listed is
    /// taken that is not for embeddings only. Nothing is found where nothing is configured and no local server answers in time.
    ///
    /// # Errors
    /// As [`Environment::model`]; and `provider_unreachable` if the configured base URL lists no model: then the model must be named.
    pub async fn detect(&self) -> Result<Option<Detected>> {
        if self.base_url.is_some() || self.key.is_some() {
            return self.detect_configured().await.map(Some);
        }
        let looks = self.local.iter().map(|server| async move {
            let model = first_model(&server.base_url, None, self.local_patience).await?;
            let built = OpenAi::builder(model).base_url(&server.base_url).provider(&server.name).limits(self.limits);
            Some(Detected { model: built.build().ok()?, by: server.name.clone() })
        });
        Ok(join_all(looks).await.into_iter().flatten().next())
    }

    async fn detect_configured(&self) -> Result<Detected> {
        let Some(base_url) = &self.base_url else {
            return Ok(Detected { model: self.configured(DEFAULT_MODEL)?, by: "OPENAI_API_KEY".to_owned() });
        };
        parse_base_url(base_url)?;
        let by = "OPENAI_BASE_URL".to_owned();
        if base_url.trim().trim_end_matches('/') == OPENAI {
            return Ok(Detected { model: self.configured(DEFAULT_MODEL)?, by });
        }
        match first_model(base_url, self.key.as_deref(), REMOTE_PATIENCE).await {
            Some(model) => Ok(Detected { model: self.configured(&model)?, by }),
            None => Err(Error::new(
                ErrorKind::ProviderUnreachable,
                "the configured base URL does not list its models; is it right? If it is, name the model",
            )),
        }
    }

    fn configured(&self, model: &str) -> Result<OpenAi> {
        let mut builder = OpenAi::builder(model).limits(self.limits);
        match (&self.base_url, &self.key) {
            (Some(base_url), _) => builder = builder.base_url(base_url),
            (None, Some(_)) => {}
            (None, None) => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!(
                        "the model {model:?} is asked for at OpenAI, which needs a key in OPENAI_API_KEY; for another server set OPENAI_BASE_URL"
                    ),
                ));
            }
        }
        if let Some(key) = &self.key {
            builder = builder.key(key);
        }
        builder.build()
    }

    /// The provider and the model of a name. Models have colons of their own (`llama3.2:3b`): only what is a provider is one.
    fn split<'a>(&self, name: &'a str) -> Result<(&'a str, &'a str)> {
        /// Providers that people may expect here.
        const NOT_YET: [&str; 12] = [
            "anthropic",
            "google",
            "google_genai",
            "google_vertexai",
            "gemini",
            "bedrock",
            "bedrock_converse",
            "azure_openai",
            "cohere",
            "fireworks",
            "huggingface",
            "vertexai",
        ];
        let (provider, model) = name.split_once(':').unwrap_or(("", name));
        let is_known = provider == "openai" || self.local.iter().any(|server| server.name == provider);
        if NOT_YET.contains(&provider) {
            let known: Vec<&str> = self.local.iter().map(|server| server.name.as_str()).collect();
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "there is no provider {provider:?} here; there are openai, {} (an OpenAI-shaped address of it can be used with a base URL)",
                    known.join(", ")
                ),
            ));
        }
        let (provider, model) = if is_known { (provider, model) } else { ("openai", name) };
        if model.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "the model has no name; it looks like openai:gpt-4o-mini"));
        }
        Ok((provider, model))
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, local, limits, .. } = self;
        let mut shown = f.debug_struct("Environment");
        shown.field("has_key", &key.is_some()).field("local", local).field("limits", limits).finish_non_exhaustive()
    }
}

/// The first model that can chat in the list of an OpenAI-shaped server. Whatever else answers there is none.
async fn first_model(base_url: &str, key: Option<&str>, patience: Duration) -> Option<String> {
    let url = below(&parse_base_url(base_url).ok()?, "models");
    let list: Value = serde_json::from_slice(&look(url, key, patience).await?).ok()?;
    if list["object"] != "list" {
        return None;
    }
    let ids = list["data"].as_array()?.iter().filter_map(|model| model["id"].as_str());
    let mut ids = ids.filter(|id| !id.is_empty() && !id.to_ascii_lowercase().contains("embed"));
    ids.next().map(str::to_owned)
}
