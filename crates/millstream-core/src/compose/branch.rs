//! The first of several runnables whose condition holds.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::lambda::Lambda;
use crate::chain::Chain;
use crate::cx::{Cx, Label};
use crate::error::Error;
use crate::event::Kind;
use crate::execute::execute;
use crate::input::Input;
use crate::runnable::{Runnable, fold};
use crate::streamed::Streamed;

/// A choice between runnables by the input: the first whose condition holds, or else the last.
///
/// ```
/// use millstream_core::{Branch, Lambda, Runnable};
///
/// let size = Branch::new()
///     .when(|n: &i64| *n < 0, Lambda::new(|_| Ok("negative".to_owned())))
///     .when(|n: &i64| *n < 10, Lambda::new(|_| Ok("small".to_owned())))
///     .otherwise(Lambda::new(|_| Ok("big".to_owned())));
/// # futures_util::FutureExt::now_or_never(async {
/// assert_eq!(size.run(5).await?, "small");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Debug)]
#[must_use = "a choice is complete with what runs `otherwise`"]
pub struct Branch<I: Streamed, O: Streamed> {
    cases: Vec<(Chain<I, bool>, Chain<I, O>)>,
}

impl<I: Streamed, O: Streamed> Branch<I, O> {
    /// A choice without cases.
    pub fn new() -> Self {
        Self { cases: Vec::new() }
    }

    /// If `condition` holds and none before did, `runnable` runs.
    pub fn when(
        self,
        condition: impl Fn(&I) -> bool + Send + Sync + 'static,
        runnable: impl Runnable<Input = I, Output = O>,
    ) -> Self {
        self.when_step(Lambda::new(move |input: I| Ok(condition(&input))), runnable)
    }

    /// [`when`](Self::when) for a condition that is a step itself: it may ask a model.
    pub fn when_step(
        mut self,
        condition: impl Runnable<Input = I, Output = bool>,
        runnable: impl Runnable<Input = I, Output = O>,
    ) -> Self {
        self.cases.push((Chain::from_step(condition), Chain::from_step(runnable)));
        self
    }

    /// What runs if no condition holds.
    pub fn otherwise(self, runnable: impl Runnable<Input = I, Output = O>) -> Chain<I, O> {
        let (cases, default) = (self.cases, Chain::from_step(runnable));
        let body = move |input: Input<I>, cx: Cx| {
            let (cases, default) = (cases.clone(), default.clone());
            let chosen = async move {
                let input = input.whole(&cx).await?;
                for (place, (condition, runnable)) in (1..).zip(&cases) {
                    let inside = cx.inside(tagged(condition, format!("condition:{place}")), true);
                    let holds = execute(condition, Input::from_whole(input.clone()), inside);
                    if fold::<bool>(holds.into_chunks()).await? {
                        let inside = cx.child(tagged(runnable, format!("branch:{place}")));
                        return Ok::<_, Error>(execute(runnable, Input::from_whole(input), inside).into_chunks());
                    }
                }
                let inside = cx.child(tagged(&default, "branch:default".to_owned()));
                Ok(execute(&default, Input::from_whole(input), inside).into_chunks())
            };
            stream::once(chosen).try_flatten().boxed()
        };
        Chain::from_function(Label::new(Kind::Chain, "RunnableBranch").whole(), body)
    }
}

impl<I: Streamed, O: Streamed> Default for Branch<I, O> {
    fn default() -> Self {
        Self::new()
    }
}

fn tagged(runnable: &impl Runnable, tag: String) -> Label {
    let mut label = runnable.label();
    label.tags.insert(0, tag);
    label
}
