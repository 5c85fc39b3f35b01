//! Adds entries to what comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::parallel::{Parallel, only};
use crate::cx::{Cx, Label};
use crate::error::Error;
use crate::event::Kind;
use crate::execute::execute;
use crate::input::Input;
use crate::runnable::Runnable;
use crate::streamed::Chunks;
use crate::vars::Vars;

/// Adds entries to its input: each is what a runnable makes of the whole input. What comes is passed on at once, the new entries follow as they are made.
///
/// ```
/// use millstream_core::{Assign, Lambda, Pick, Runnable, Vars, vars};
///
/// let length = Pick::<String>::new("text").pipe(Lambda::new(|text: String| Ok(text.len())));
/// # futures_util::FutureExt::now_or_never(async {
/// let vars = Assign::new().with("length", length).run(vars! { text: "four" }).await?;
/// assert_eq!(vars, vars! { text: "four", length: 4 });
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Assign {
    map: Parallel<Vars>,
}

impl Assign {
    /// Adds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry, which takes the place of one of the same name in the input.
    #[must_use]
    pub fn with(self, name: impl Into<Arc<str>>, runnable: impl Runnable<Input = Vars>) -> Self {
        Self { map: self.map.with(name, runnable) }
    }
}

impl Runnable for Assign {
    type Input = Vars;
    type Output = Vars;

    fn label(&self) -> Label {
        Label::new(Kind::Chain, format!("RunnableAssign<{}>", self.map.names()))
    }

    fn transform(&self, input: Input<Vars>, cx: Cx) -> Chunks<Vars> {
        let map = self.map.clone();
        let entries = async move {
            let mut inputs = input.ready(&cx).await?.split(2).into_iter();
            let (Some(passed), Some(mapped)) = (inputs.next(), inputs.next()) else {
                return Ok::<_, Error>(stream::empty().boxed());
            };
            let made = execute(&map, mapped, cx.child(map.label())).into_chunks();
            let passed = passed.into_chunks().try_filter_map(move |entries| {
                let kept = only(entries, |name| !map.has(name));
                std::future::ready(Ok(kept))
            });
            Ok(behind(passed.boxed(), made))
        };
        stream::once(entries).try_flatten().boxed()
    }
}

/// `second` after `first`, but begun at the same time: as far as its first item, which is not waited for if it is a failure.
fn behind(mut first: Chunks<Vars>, second: Chunks<Vars>) -> Chunks<Vars> {
    let mut second = second.peekable();
    let mut passing = true;
    stream::poll_fn(move |task| {
        if passing {
            match first.poll_next_unpin(task) {
                Poll::Ready(None) => passing = false,
                item @ Poll::Ready(Some(_)) => return item,
                Poll::Pending => {
                    if !matches!(Pin::new(&mut second).poll_peek(task), Poll::Ready(Some(Err(_)))) {
                        return Poll::Pending;
                    }
                    passing = false;
                }
            }
        }
        second.poll_next_unpin(task)
    })
    .boxed()
}
