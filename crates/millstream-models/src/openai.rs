//! Everything that speaks OpenAI's chat completions.

mod calls;
mod complete;
mod decode;
mod request;
mod wire;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt, TryStreamExt};
use millstream_core::{ChatModel, Cx, Error, ErrorKind, Kind, Label, Parts, Request, Result};
use reqwest::Url;

use crate::frames::{Broken, Frames, LARGEST_EVENT};
use crate::limits::{Clock, Limits};
use crate::transport::Transport;
use request::Dialect;

/// Where OpenAI itself is.
pub(crate) const OPENAI: &str = "https://api.openai.com/v1";

/// A model behind an OpenAI-shaped address: OpenAI, Azure, vLLM, llama.cpp, Ollama, Groq, DeepSeek, Mistral, OpenRouter and others.
///
/// Clones share their connections; a program with several runtimes builds one per runtime, so that a connection is always driven by
/// the runtime that reads it.
///
/// ```
/// use millstream_core::{Model, Runnable};
/// use millstream_models::OpenAi;
///
/// # async fn ask() -> millstream_core::Result<()> {
/// let model = Model::from(OpenAi::builder("llama3.2").base_url("http://127.0.0.1:11434/v1").build()?);
/// println!("{}", model.run("Why streams?").await?);
/// # Ok(()) }
/// ```
///
/// # Errors
/// Of a call, before anything was said: `unauthorized` (401, 403), `model_not_found` (404), `rate_limited` (429, with the provider's
/// delay), `provider_rejected` (other 4xx, and an exhausted quota), `provider_failed` (408, 409, 5xx, or a connection closed without
/// an answer), `provider_unreachable` (DNS, refused, TLS), `connect_timeout`, `first_token_timeout`, `total_timeout`,
/// `provider_protocol` (not HTTP, a web page, a redirect), `invalid_input` (a request that this form cannot say).
///
/// Of an answer that had begun: `truncated` (cut or reset before the answer was complete), `token_timeout`, `first_token_timeout`,
/// `total_timeout`, `provider_protocol` (bytes that are no chunk, a tool call that is not clear), and the kind of an error object
/// in the stream.
#[derive(Clone)]
pub struct OpenAi {
    model: Arc<str>,
    provider: Arc<str>,
    base_url: Arc<str>,
    transport: Transport,
    dialect: Dialect,
    takes_response_format: bool,
}

/// What an [`OpenAi`] is made from.
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct OpenAiBuilder {
    model: String,
    provider: Option<String>,
    base_url: String,
    key: Option<String>,
    limits: Limits,
    asks_usage: bool,
    takes_response_format: bool,
    largest_event: usize,
}

impl OpenAi {
    /// The model `model` at OpenAI, without a key and with default limits, to be changed before it is built.
    pub fn builder(model: impl Into<String>) -> OpenAiBuilder {
        OpenAiBuilder {
            model: model.into(),
            provider: None,
            base_url: OPENAI.to_owned(),
            key: None,
            limits: Limits::default(),
            asks_usage: true,
            takes_response_format: true,
            largest_event: LARGEST_EVENT,
        }
    }

    /// Reads a recorded answer: `bytes` is what such a provider sends as the body of a streamed chat completion.
    ///
    /// ```
    /// use futures_util::stream;
    /// use millstream_core::{Cx, Fold, MessageFold};
    /// use millstream_models::OpenAi;
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let recorded: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n";
    /// let mut parts = OpenAi::replay(&Cx::detached(), stream::iter([Ok(recorded.into())]));
    /// let mut fold = MessageFold::default();
    /// while let Some(part) = futures_util::TryStreamExt::try_next(&mut parts).await? {
    ///     fold.push(&part)?;
    /// }
    /// assert_eq!(fold.finish()?.text(), "Hi");
    /// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
    /// ```
    pub fn replay(cx: &Cx, bytes: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Parts {
        let body = bytes.map_err(|error| Broken::Transport(Box::new(error))).boxed();
        answer(cx, Frames::new("recording".into(), body, Clock::new(Limits::NONE)))
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The provider's address, without anything secret.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }
}

impl OpenAiBuilder {
    /// Another provider: `http://host:port/v1`, with or without a slash at the end. Nothing is added but `/chat/completions`; a query
    /// stays (Azure's `?api-version=...`).
    pub fn base_url(self, base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), ..self }
    }

    /// The API key; local servers need none.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// How long to wait for what.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The provider's name in events and metadata; `openai` unless set.
    pub fn provider(self, name: impl Into<String>) -> Self {
        Self { provider: Some(name.into()), ..self }
    }

    /// Does not ask for the usage: for servers that refuse `stream_options`.
    pub fn without_usage(self) -> Self {
        Self { asks_usage: false, ..self }
    }

    /// Does not send the form of an answer as `response_format`: for servers that refuse `json_schema`. The model is told the schema instead.
    pub fn without_response_format(self) -> Self {
        Self { takes_response_format: false, ..self }
    }

    /// The largest single event that is read, in bytes; 16 MiB unless set.
    pub fn largest_event(self, bytes: usize) -> Self {
        Self { largest_event: bytes, ..self }
    }

    /// The model. Nothing is sent yet.
    ///
    /// # Errors
    /// `invalid_input` for an address that is none, an empty model name or a key that cannot be sent; `provider_unreachable` if this
    /// machine has no certificates to check an `https` address with.
    pub fn build(self) -> Result<OpenAi> {
        if self.model.trim().is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "the model has no name"));
        }
        let base = parse_base_url(&self.base_url)?;
        let url = chat_completions(&base);
        let host = base.host_str().unwrap_or_default();
        let says_completion_tokens = host == "api.openai.com" || host.ends_with(".openai.azure.com");
        let transport = Transport::new(url, self.key.as_deref(), self.limits, self.largest_event)?;
        Ok(OpenAi {
            model: self.model.trim().into(),
            provider: self.provider.as_deref().unwrap_or("openai").into(),
            base_url: crate::transport::place(&base).trim_end_matches('/').into(),
            transport,
            dialect: Dialect { asks_usage: self.asks_usage, says_completion_tokens },
            takes_response_format: self.takes_response_format,
        })
    }
}

impl ChatModel for OpenAi {
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        Box::pin(async move {
            let body = request::encode(&self.model, &request, self.dialect)?;
            let frames = self.transport.open(body).await?;
            Ok(answer(cx, frames))
        })
    }

    fn label(&self) -> Label {
        Label::new(Kind::ChatModel, "ChatOpenAI")
            .with_metadata("ls_provider", &*self.provider)
            .with_metadata("ls_model_name", &*self.model)
            .with_metadata("ls_model_type", "chat")
    }

    fn takes_response_format(&self) -> bool {
        self.takes_response_format
    }

    /// The same name at another address is another model.
    fn identity(&self) -> String {
        format!("{} at {}", self.model, self.base_url)
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("model", &self.model).field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl fmt::Debug for OpenAiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiBuilder").field("model", &self.model).finish_non_exhaustive()
    }
}

fn answer(cx: &Cx, frames: Frames) -> Parts {
    let call_prefix = format!("call_{}", cx.scope().run_id.simple());
    Parts::new(cx, decode::Answer::new(frames, call_prefix))
}

/// Reads the address of a provider.
pub(crate) fn parse_base_url(text: &str) -> Result<Url> {
    let invalid = |what: &str| {
        // The address itself is left out: it may hold a password, and this text is shown to everybody.
        let what = format!("the base URL {what}; it looks like http://127.0.0.1:11434/v1");
        Error::new(ErrorKind::InvalidInput, what)
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid("is empty"));
    }
    if !text.contains("://") {
        return Err(invalid("does not begin with http:// or https://"));
    }
    let url = Url::parse(text).map_err(|error| invalid(&format!("is not a URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("does not begin with http:// or https://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("names no host"));
    }
    Ok(url)
}

fn chat_completions(base: &Url) -> Url {
    match base.path().trim_end_matches('/').ends_with("/chat/completions") {
        // Copied whole from a provider's documentation.
        true => base.clone(),
        false => below(base, "chat/completions"),
    }
}

/// The address `path` below `base`, with its query.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_fragment(None);
    url
}
