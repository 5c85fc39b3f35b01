//! Chat models: what a provider implements, and what a user calls.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cache::ResponseCache;
use crate::chain::Chain;
use crate::cx::{Cx, Label};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Kind;
use crate::input::Input;
use crate::limit::RateLimit;
use crate::message::{Message, Messages};
use crate::parse::{Typed, Valid};
use crate::part::{Chunk, PartWriter};
use crate::runnable::Runnable;
use crate::streamed::Chunks;
use crate::usage::Usage;

mod answer;
mod cached;
mod limited;
mod out;
mod response_format;

pub use out::Out;
pub use response_format::ResponseFormat;

use answer::Answer;
use cached::Cached;
use limited::Limited;

/// A chat model, as a provider implements it.
///
/// Opening is separate from reading: [`open`](ChatModel::open) comes back when the answer has begun (for HTTP: when the headers are in), so that
/// a refused key or a busy provider is an ordinary error, with nothing said yet. The [`Parts`] are then read as they come.
/// Dropping the future or the parts must stop the call and close its connection.
///
/// ```
/// use futures_util::future::BoxFuture;
/// use millstream_core::{ChatModel, Cx, Finish, Model, Out, Parts, Request, Result, Runnable};
///
/// struct Parrot;
///
/// impl ChatModel for Parrot {
///     fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
///         let parts = Parts::write(cx, async move |out: Out| {
///             let heard = request.messages.last().map(|message| message.text()).unwrap_or_default();
///             for word in heard.split_inclusive(' ') {
///                 out.text(word).await;
///             }
///             Ok(Finish::Stop)
///         });
///         Box::pin(async move { Ok(parts) })
///     }
/// }
///
/// # futures_util::FutureExt::now_or_never(async {
/// let answer = Model::from(Parrot).run("Polly wants a cracker").await?;
/// assert_eq!(answer.text(), "Polly wants a cracker");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
pub trait ChatModel: Send + Sync + 'static {
    /// Sends the request; comes back when the answer has begun.
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>>;

    /// How the model presents itself in events.
    fn label(&self) -> Label {
        Label::new(Kind::ChatModel, "ChatModel")
    }

    /// Whether the provider is sent [`Options::response_format`]. If not, no request has it: the model is told in words instead.
    fn takes_response_format(&self) -> bool {
        false
    }

    /// What tells its answers from those of other models, for a cache that several share: its name and metadata, unless it says more.
    fn identity(&self) -> String {
        let label = self.label();
        format!("{} {}", label.name, Value::Object(label.metadata))
    }
}

/// What a model is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// The conversation.
    pub messages: Messages,
    /// How to answer it.
    #[serde(default)]
    pub options: Options,
}

impl Request {
    /// A request with `options`.
    pub fn new(messages: impl Into<Messages>, options: Options) -> Self {
        Self { messages: messages.into(), options }
    }

    /// Roughly how many tokens the request has.
    fn estimated_tokens(&self) -> u64 {
        Usage::estimate(self.messages.iter().map(|message| message.to_string().len()).sum())
    }
}

/// How to answer: what is not set is left to the provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// 0 for the likeliest words, higher for less likely ones.
    pub temperature: Option<f32>,
    /// At most so many tokens of answer.
    pub max_tokens: Option<u32>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Tools that the model may wish to call.
    pub tools: Vec<ToolSpec>,
    /// The form that the answer has to have; [`Model::structured`] sets it.
    pub response_format: Option<ResponseFormat>,
    /// Further fields for the provider, sent as they are.
    pub extra: serde_json::Map<String, Value>,
}

/// A tool, as a model sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// A model to call: any [`ChatModel`], with options of its own. A step that takes messages and gives a message.
#[derive(Clone)]
pub struct Model {
    provider: Arc<dyn ChatModel>,
    options: Arc<Options>,
}

impl Model {
    /// The same model with other options, which replace the ones it had.
    #[must_use]
    pub fn with_options(self, options: Options) -> Self {
        Self { options: Arc::new(options), ..self }
    }

    /// The same model, whose answers end before any of these texts.
    #[must_use]
    pub fn with_stop(mut self, texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Arc::make_mut(&mut self.options).stop = texts.into_iter().map(Into::into).collect();
        self
    }

    /// The same model with tools that it may wish to call.
    #[must_use]
    pub fn with_tools(mut self, tools: impl IntoIterator<Item = ToolSpec>) -> Self {
        Arc::make_mut(&mut self.options).tools.extend(tools);
        self
    }

    /// The same model with answers that are a `T`: LangChain's `with_structured_output`. `T` should be a struct.
    ///
    /// The provider holds the model to the schema of `T` where it can, else the model is told the schema. In either case the answer is
    /// checked: see [`Typed`].
    ///
    /// ```
    /// use millstream_core::{Demo, Model, Runnable};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Country {
    ///     name: String,
    ///     area: u32,
    /// }
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let model = Model::from(Demo::says([r#"{"name": "France", "area": 551}"#]));
    /// let country = model.structured::<Country>().run("A country, please").await?;
    /// assert_eq!((country.name.as_str(), country.area), ("France", 551));
    /// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
    /// ```
    pub fn structured<T>(mut self) -> Chain<Messages, Valid<T>>
    where
        T: DeserializeOwned + JsonSchema + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.options).response_format = Some(ResponseFormat::of::<T>());
        self.pipe(Typed::new())
    }

    /// The same model, which is not asked what `cache` knows the answer to.
    ///
    /// A request is known by the model's [`identity`](ChatModel::identity), its messages without their ids, and its options. A kept answer streams in the same
    /// chunks as it did before, as a new message: with `"cached": true` in its `response_metadata`, and with a usage of 0, since nothing was paid for
    /// it. Kept is what a model said to its end; an answer that was cut, stopped or filtered, that failed or met its limit of tokens, is asked for again. The
    /// end of an answer is told when the answer has been kept. Requests that are made before the first one has been answered all go to the model.
    ///
    /// A cache that fails costs a call to the model and nothing else. With a temperature above 0 the model would have said something else; here it does not.
    #[must_use]
    pub fn cached(self, cache: impl ResponseCache) -> Self {
        Self { provider: Arc::new(Cached { provider: self.provider, cache: Arc::new(cache) }), ..self }
    }

    /// The same model, which is asked no faster than `limit` allows. A request waits for its turn, however long that takes.
    ///
    /// `model.limited(limit).cached(cache)` limits what goes to the model; the other way round, kept answers are limited too.
    #[must_use]
    pub fn limited(self, limit: RateLimit) -> Self {
        Self { provider: Arc::new(Limited { provider: self.provider, limit }), ..self }
    }
}

impl<M: ChatModel> From<M> for Model {
    fn from(model: M) -> Self {
        Self { provider: Arc::new(model), options: Arc::default() }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("label", &self.provider.label()).field("options", &self.options).finish()
    }
}

impl Runnable for Model {
    type Input = Messages;
    type Output = Message;

    fn label(&self) -> Label {
        self.provider.label()
    }

    fn transform(&self, input: Input<Messages>, cx: Cx) -> Chunks<Message> {
        let model = self.clone();
        let opened = async move {
            let messages = input.whole(&cx).await?;
            let mut request = Request::new(messages, (*model.options).clone());
            request.explain_format(model.provider.takes_response_format());
            let input_tokens = request.estimated_tokens();
            let parts = model.provider.open(request, &cx).await?;
            Ok::<_, Error>(Answer::new(parts, input_tokens, cx))
        };
        stream::once(opened).try_flatten().boxed()
    }
}

/// Where parts come from: a provider's decoder, polled by the reader of the answer.
pub trait PartSource: Send + 'static {
    /// Writes one frame to `out`; what is written becomes one chunk. `Ready(true)` if there may be more, `Ready(false)` at the end.
    ///
    /// # Errors
    /// Ends the answer; what was written before is still read.
    fn poll_fill(&mut self, task: &mut Context<'_>, out: &mut PartWriter) -> Poll<Result<bool>>;
}

/// An answer that has begun: a stream of [`Chunk`]s that ends after the message's end, or with an error.
///
/// A source that ends without having ended its message gives `truncated`: an answer is never silently cut (R04).
#[must_use = "an answer is read by polling it"]
pub struct Parts {
    source: Option<Box<dyn PartSource>>,
    writer: PartWriter,
    error: Option<Error>,
}

impl Parts {
    /// The answer that `source` writes, as the message of the execution `cx`.
    pub fn new(cx: &Cx, source: impl PartSource) -> Self {
        Self { source: Some(Box::new(source)), writer: PartWriter::new(cx.message_id()), error: None }
    }

    /// The answer that an asynchronous function writes; what it returns is why the answer ended.
    pub fn write<F, W>(cx: &Cx, write: F) -> Self
    where
        F: FnOnce(Out) -> W,
        W: Future<Output = Result<crate::message::Finish>> + Send + 'static,
    {
        Self::new(cx, out::Written::new(write))
    }
}

impl Stream for Parts {
    type Item = Result<Chunk>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(chunk) = this.writer.take() {
                return Poll::Ready(Some(Ok(chunk)));
            }
            if let Some(error) = this.error.take() {
                return Poll::Ready(Some(Err(error)));
            }
            let Some(source) = &mut this.source else { return Poll::Ready(None) };
            if this.writer.is_ended() {
                this.source = None;
                continue;
            }
            match source.poll_fill(task, &mut this.writer) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => {
                    this.source = None;
                    if !this.writer.is_ended() {
                        this.error = Some(Error::new(
                            ErrorKind::Truncated,
                            "the model's stream ended without the end of the answer; what came before may be incomplete",
                        ));
                    }
                }
                Poll::Ready(Err(error)) => {
                    this.source = None;
                    this.error = Some(error);
                }
                Poll::Pending if this.writer.has_parts() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
