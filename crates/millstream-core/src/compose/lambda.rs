//! Functions as steps.

use std::sync::Arc;
use std::task::{Poll, ready};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::chain::Chain;
use crate::cx::{Cx, Label};
use crate::error::{Error, Result};
use crate::event::Kind;
use crate::input::Input;
use crate::streamed::{Chunks, Fold, Streamed};

/// Makes steps of functions.
///
/// ```
/// use futures_util::{StreamExt, TryStreamExt};
/// use millstream_core::{Cx, Lambda, Runnable};
///
/// let double = Lambda::new(|n: i64| Ok(n * 2)).named("double");
/// let text = Lambda::future(|n: i64, cx: Cx| async move {
///     cx.write("nearly there").await?;
///     Ok(n.to_string())
/// });
/// // A function of the pieces, which works on each as it comes.
/// let framed = Lambda::stream::<String, String, _>(|pieces, _| pieces.map_ok(|piece| format!("<{piece}>").into()).boxed());
/// let chain = double.pipe(text).pipe(framed);
/// # futures_util::FutureExt::now_or_never(async {
/// assert_eq!(chain.run(21).await?, "<42>");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lambda;

impl Lambda {
    /// A step of a function of the whole input.
    #[expect(clippy::new_ret_no_self, reason = "what a function becomes is a chain of one step")]
    pub fn new<I: Streamed, O: Streamed>(function: impl Fn(I) -> Result<O> + Send + Sync + 'static) -> Chain<I, O> {
        Self::future(move |input, _| std::future::ready(function(input)))
    }

    /// A step of an asynchronous function of the whole input, which may say things through its context.
    pub fn future<I, O, F, W>(function: F) -> Chain<I, O>
    where
        I: Streamed,
        O: Streamed,
        F: Fn(I, Cx) -> W + Send + Sync + 'static,
        W: Future<Output = Result<O>> + Send + 'static,
    {
        let function = Arc::new(function);
        let body = move |input: Input<I>, cx: Cx| {
            let function = function.clone();
            let output = async move {
                let input = input.gathered(&cx).await?;
                Ok::<_, Error>(stream::iter(function(input, cx).await?.into_chunks()).map(Ok))
            };
            stream::once(output).try_flatten().boxed()
        };
        Chain::from_function(Label::new(Kind::Chain, "RunnableLambda"), body)
    }

    /// A step of a function from pieces to pieces: what LangChain calls a generator. One that ends early drops what is before it; one that gives no piece fails
    /// if there is no such value.
    pub fn stream<I, O, F>(function: F) -> Chain<I, O>
    where
        I: Streamed,
        O: Streamed,
        F: Fn(Chunks<I>, Cx) -> Chunks<O> + Send + Sync + 'static,
    {
        let body = move |input: Input<I>, cx: Cx| with_value::<O>(function(input.chunks(&cx), cx));
        Chain::from_function(Label::new(Kind::Chain, "RunnableGenerator"), body)
    }
}

/// The same chunks; that there is no value is an error here, wherever it is needed.
fn with_value<O: Streamed>(mut chunks: Chunks<O>) -> Chunks<O> {
    let mut unread = Some(O::Fold::default());
    stream::poll_fn(move |task| {
        let chunk = ready!(chunks.poll_next_unpin(task));
        let nothing = unread.take().filter(|_| chunk.is_none());
        Poll::Ready(chunk.or_else(|| nothing?.finish().err().map(Err)))
    })
    .boxed()
}
