//! What can run: one method that turns a stream of input into a stream of output. Everything else follows from it.

use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;

use crate::chain::Chain;
use crate::compose::{Batch, Each, Fallbacks, Retried, Retry};
use crate::cx::{Cx, Label};
use crate::dynamic::Dynamic;
use crate::error::Result;
use crate::event::Kind;
use crate::execute::execute;
use crate::input::Input;
use crate::payload::Payload;
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
        let output = execute(self, Input::from_whole(input.into()), cx.inside(self.label(), true));
        Box::pin(fold::<Self::Output>(output.into_chunks()))
    }

    /// [`invoke`](Self::invoke) for whoever reads the output piece by piece.
    fn stream(&self, input: impl Into<Self::Input>, cx: &Cx) -> Chunks<Self::Output>
    where
        Self: Sized,
    {
        execute(self, Input::from_whole(input.into()), cx.inside(self.label(), false)).into_chunks()
    }

    /// This step, then `next`.
    fn pipe<N: Runnable<Input = Self::Output>>(self, next: N) -> Chain<Self::Input, N::Output>
    where
        Self: Sized,
    {
        self.into_sequence().pipe(next)
    }

    /// The output with the whole of it, as soon as somebody inside has put it together. Not for callers: [`transform`](Self::transform) is.
    #[doc(hidden)]
    fn output(&self, input: Input<Self::Input>, cx: Cx) -> Input<Self::Output> {
        Input::from_chunks(self.transform(input, cx))
    }

    /// This step as a sequence that can grow. Not for callers: [`pipe`](Self::pipe) is.
    #[doc(hidden)]
    fn into_sequence(self) -> Chain<Self::Input, Self::Output>
    where
        Self: Sized,
    {
        Chain::sequence_of(self)
    }

    /// This step, and `next` in its place if it fails: see [`Fallbacks`].
    fn with_fallback(
        self,
        next: impl Runnable<Input = Self::Input, Output = Self::Output>,
    ) -> Fallbacks<Self::Input, Self::Output>
    where
        Self: Sized,
    {
        Fallbacks::of(self).with_fallback(next)
    }

    /// This step, run again when it fails: see [`Retried`].
    fn with_retry(self, retry: Retry) -> Retried<Self::Input, Self::Output>
    where
        Self: Sized,
    {
        Retried::new(self, retry)
    }

    /// This step for each element of a list.
    fn each(self) -> Each<Self::Input, Self::Output>
    where
        Self: Sized,
    {
        Each::new(self)
    }

    /// Describes a run for each input.
    fn batch(&self, inputs: impl IntoIterator<Item = impl Into<Self::Input>>) -> Batch<Self>
    where
        Self: Sized + Clone,
    {
        Batch::new(self.clone(), inputs.into_iter().map(Into::into).collect())
    }

    /// This step in a chain that is put together when it runs: see [`Chain::dynamic`].
    fn dynamic(self) -> Chain<Payload, Payload>
    where
        Self: Sized,
        Self::Input: Dynamic,
    {
        Chain::from_step(self).dynamic()
    }

    /// This step under another name.
    fn named(self, name: impl Into<std::sync::Arc<str>>) -> Chain<Self::Input, Self::Output>
    where
        Self: Sized,
    {
        Chain::from_step(self).named(name)
    }
}

pub(crate) fn short_type_name<T: ?Sized>() -> &'static str {
    let full = std::any::type_name::<T>();
    let path = full.split('<').next().unwrap_or(full);
    path.rsplit("::").next().unwrap_or(path)
}

/// Adds the pieces up.
pub(crate) async fn fold<T: Streamed>(mut chunks: Chunks<T>) -> Result<T> {
    let mut fold = T::Fold::default();
    while let Some(chunk) = chunks.try_next().await? {
        fold.push(chunk)?;
    }
    fold.finish()
}
