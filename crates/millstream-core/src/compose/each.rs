//! A runnable for each element of a list.

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::chain::Chain;
use crate::cx::{Cx, Label};
use crate::event::Kind;
use crate::execute::execute;
use crate::input::Input;
use crate::runnable::{Runnable, fold};
use crate::streamed::{Chunks, Streamed};

/// A runnable for each element of a list, all at the same time, or as many as [`Run::max_concurrency`](crate::Run::max_concurrency) lets: a step that
/// takes a list and gives the list of what became of the elements, in their order. The first failure ends it.
///
/// ```
/// use millstream_core::{Lambda, Runnable};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let increased = Lambda::new(|n: i64| Ok(n + 1)).each().run(vec![1, 2, 3]).await?;
/// assert_eq!(increased, [2, 3, 4]);
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Each<I: Streamed, O: Streamed> {
    runnable: Chain<I, O>,
}

impl<I: Streamed, O: Streamed> Each<I, O> {
    /// The step.
    pub fn new(runnable: impl Runnable<Input = I, Output = O>) -> Self {
        Self { runnable: Chain::from_step(runnable) }
    }
}

impl<I: Streamed, O: Streamed> Runnable for Each<I, O> {
    type Input = Vec<I>;
    type Output = Vec<O>;

    fn label(&self) -> Label {
        Label::new(Kind::Chain, format!("RunnableEach<{}>", self.runnable.label().name)).at_once()
    }

    fn transform(&self, input: Input<Vec<I>>, cx: Cx) -> Chunks<Vec<O>> {
        let runnable = self.runnable.clone();
        let outputs = async move {
            let elements = input.whole(&cx).await?;
            let at_once = cx.max_concurrency().unwrap_or(elements.len()).max(1);
            let runs = elements.into_iter().map(|element| {
                let output = execute(&runnable, Input::from_whole(element), cx.inside(runnable.label(), true));
                // Boxed, since how deep lists stand in lists is known only when they run.
                fold::<O>(output.into_chunks()).boxed()
            });
            let runs: Vec<_> = runs.collect();
            stream::iter(runs).buffered(at_once).try_collect().await
        };
        stream::once(outputs).boxed()
    }
}
