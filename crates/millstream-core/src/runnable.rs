//! What can run: one method that turns a stream of input into a stream of output. Everything else follows from it.

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;

use crate::chain::Chain;
use crate::cx::{Cx, Label};
use crate::error::Result;
use crate::event::{Body, Channels, Kind};
use crate::run::Run;
use crate::streamed::{Chunks, Fold, Streamed};

/// A step: something that turns an input into an output, piece by piece where it can.
///
/// Prompts, models, parsers and chains are runnables. A caller may assume that nothing happens before the output is polled, that
/// dropping the output cancels everything inside, and that the output ends after its first error.
///
/// ```
/// use futures_util::StreamExt;
/// use millstream_core::{Chunks, Cx, Input, Kind, Label, Runnable};
///
/// #[derive(Clone)]
/// struct Shout;
///
/// impl Runnable for Shout {
///     type Input = String;
///     type Output = String;
///
///     fn label(&self) -> Label {
///         Label::new(Kind::Parser, "Shout")
///     }
///
///     fn transform(&self, input: Input<String>, cx: Cx) -> Chunks<String> {
///         input.chunks(&cx).map(|chunk| Ok(chunk?.to_uppercase().into())).boxed()
///     }
/// }
///
/// # futures_util::FutureExt::now_or_never(async {
/// assert_eq!(Shout.run("hello".to_owned()).await?, "HELLO");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a step of a chain",
    note = "steps are prompts, models, parsers, chains, and types that implement `Runnable`"
)]
pub trait Runnable: Send + Sync + 'static {
    /// What it takes.
    type Input: Streamed;
    /// What it gives.
    type Output: Streamed;

    /// The output for `input`, executed as `cx`.
    fn transform(&self, input: Input<Self::Input>, cx: Cx) -> Chunks<Self::Output>;

    /// How it presents itself in events.
    fn label(&self) -> Label {
        Label::new(Kind::Chain, short_type_name::<Self>())
    }

    /// Describes a run: nothing starts until it is awaited, streamed or watched.
    fn run(&self, input: impl Into<Self::Input>) -> Run<Self::Output>
    where
        Self: Sized + Clone,
    {
        Run::new(self.clone(), input.into())
    }

    /// Executes this inside something that is being executed as `cx`: a model inside a node, a chain inside a tool. Its events are part of
    /// that run's.
    fn invoke(&self, input: impl Into<Self::Input>, cx: &Cx) -> BoxFuture<'static, Result<Self::Output>>
    where
        Self: Sized,
    {
        let chunks = execute(self, Input::from_whole(input.into()), cx.child(self.label()));
        Box::pin(fold::<Self::Output>(chunks))
    }

    /// This step, then `next`.
    fn pipe<N: Runnable<Input = Self::Output>>(self, next: N) -> Chain<Self::Input, N::Output>
    where
        Self: Sized,
    {
        Chain::sequence_of(self).pipe(next)
    }

    /// This step under another name.
    fn named(self, name: impl Into<std::sync::Arc<str>>) -> Chain<Self::Input, Self::Output>
    where
        Self: Sized,
    {
        Chain::from_step(self).named(name)
    }
}

fn short_type_name<T: ?Sized>() -> &'static str {
    let full = std::any::type_name::<T>();
    let path = full.split('<').next().unwrap_or(full);
    path.rsplit("::").next().unwrap_or(path)
}

/// What a step is given: a whole value, or the pieces of one that is still being made.
pub struct Input<T: Streamed> {
    form: Form<T>,
    announced: bool,
}

enum Form<T: Streamed> {
    Whole(T),
    Chunks(Chunks<T>),
}

impl<T: Streamed> Input<T> {
    /// A value that is already there.
    pub fn from_whole(value: T) -> Self {
        Self { form: Form::Whole(value), announced: false }
    }

    /// A value that is still being made.
    pub fn from_chunks(chunks: Chunks<T>) -> Self {
        Self { form: Form::Chunks(chunks), announced: false }
    }

    /// The whole value, for a step that needs all of it before it can begin.
    ///
    /// # Errors
    /// What the steps before failed with.
    pub async fn whole(self, cx: &Cx) -> Result<T> {
        let value = match self.form {
            Form::Whole(value) => value,
            Form::Chunks(chunks) => fold::<T>(chunks).await?,
        };
        if !self.announced && cx.wants(Channels::RUNNABLES) {
            let input = Some(json(&value)?);
            cx.emit(Body::RunnableStarted { input }).await?;
        }
        Ok(value)
    }

    /// The pieces, for a step that can work on them as they come.
    pub fn chunks(self, cx: &Cx) -> Chunks<T> {
        let mut chunks = match self.form {
            Form::Whole(value) => stream::iter(value.into_chunks()).map(Ok).boxed(),
            Form::Chunks(chunks) => chunks,
        };
        if self.announced || !cx.wants(Channels::RUNNABLES) {
            return chunks;
        }
        let cx = cx.clone();
        let announced = async_stream::try_stream! {
            // Not before there is something to work on: a step behind one that fails never starts.
            let first = chunks.try_next().await?;
            cx.emit(Body::RunnableStarted { input: None }).await?;
            if let Some(first) = first {
                yield first;
            }
            while let Some(chunk) = chunks.try_next().await? {
                yield chunk;
            }
        };
        announced.boxed()
    }
}

/// Adds the pieces up.
pub(crate) async fn fold<T: Streamed>(mut chunks: Chunks<T>) -> Result<T> {
    let mut fold = T::Fold::default();
    while let Some(chunk) = chunks.try_next().await? {
        fold.push(chunk)?;
    }
    fold.finish()
}

fn json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(crate::Error::failed)
}

/// Executes `runnable` as `cx` and says so in events, if anybody listens.
pub(crate) fn execute<R: Runnable + ?Sized>(runnable: &R, mut input: Input<R::Input>, cx: Cx) -> Chunks<R::Output> {
    if !cx.wants(Channels::RUNNABLES) {
        return runnable.transform(input, cx);
    }
    let whole = match &input.form {
        Form::Whole(value) => Some(json(value)),
        Form::Chunks(_) => None,
    };
    let kind = runnable.label().kind;
    // A sequence does not look at its input itself, so it is announced here also when the input is still being made.
    let announce_here = whole.is_some() || kind == Kind::Chain;
    input.announced = announce_here;
    let says_chunks = kind != Kind::ChatModel;
    let mut chunks = runnable.transform(input, cx.clone());
    let observed = async_stream::try_stream! {
        if announce_here {
            cx.emit(Body::RunnableStarted { input: whole.transpose()? }).await?;
        }
        let mut fold = <R::Output as Streamed>::Fold::default();
        while let Some(chunk) = chunks.try_next().await? {
            if says_chunks {
                cx.emit(Body::RunnableChunk { chunk: json(&chunk)? }).await?;
            }
            fold.push(chunk.clone())?;
            yield chunk;
        }
        let output = json(&fold.finish()?)?;
        cx.emit(Body::RunnableFinished { output }).await?;
    };
    observed.boxed()
}
