//! What comes goes.

use std::marker::PhantomData;

use crate::cx::{Cx, Label};
use crate::event::Kind;
use crate::input::Input;
use crate::runnable::Runnable;
use crate::streamed::{Chunks, Streamed};

/// A step that gives what it is given: in a [`Parallel`](super::Parallel), the branch with the input itself.
///
/// ```
/// use millstream_core::{Lambda, Parallel, Passthrough, Runnable};
///
/// let both = Parallel::new().with("question", Passthrough::new()).with("length", Lambda::new(|q: String| Ok(q.len())));
/// # futures_util::FutureExt::now_or_never(async {
/// let vars = both.run("why?".to_owned()).await?;
/// assert_eq!(vars.get("question").unwrap().json(), "why?");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Debug)]
pub struct Passthrough<T>(PhantomData<fn() -> T>);

impl<T> Passthrough<T> {
    /// The step.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for Passthrough<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Passthrough<T> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<T: Streamed> Runnable for Passthrough<T> {
    type Input = T;
    type Output = T;

    fn label(&self) -> Label {
        Label::new(Kind::Chain, "RunnablePassthrough")
    }

    fn transform(&self, input: Input<T>, cx: Cx) -> Chunks<T> {
        input.chunks(&cx)
    }
}
