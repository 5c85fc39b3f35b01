//! Takes entries out of what comes.

use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::parallel::only;
use crate::cx::{Cx, Label};
use crate::dynamic::Dynamic;
use crate::event::Kind;
use crate::input::Input;
use crate::payload::Payload;
use crate::piece::Piece;
use crate::runnable::Runnable;
use crate::streamed::Chunks;
use crate::vars::Vars;

/// Takes one entry out of its input, piece by piece as it comes.
///
/// ```
/// use millstream_core::{Pick, Runnable, vars};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let name: String = Pick::new("name").run(vars! { name: "Ada", born: 1815 }).await?;
/// assert_eq!(name, "Ada");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Debug)]
pub struct Pick<T> {
    name: Arc<str>,
    of: PhantomData<fn() -> T>,
}

impl<T: Dynamic> Pick<T> {
    /// The entry `name` itself. One that is not there is null, and an error where a `T` cannot be that.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), of: PhantomData }
    }
}

impl<T> Clone for Pick<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), of: PhantomData }
    }
}

impl<T: Dynamic> Runnable for Pick<T> {
    type Input = Vars;
    type Output = T;

    fn label(&self) -> Label {
        Label::new(Kind::Chain, format!("RunnablePick<{}>", self.name))
    }

    fn transform(&self, input: Input<Vars>, cx: Cx) -> Chunks<T> {
        let name = self.name.clone();
        let picked = input.chunks(&cx).try_filter_map(move |mut entries| std::future::ready(Ok(entries.remove(&name))));
        T::read_pieces(or_null(picked.boxed()))
    }
}

/// The pieces of an entry; if none comes, null.
fn or_null(mut pieces: Chunks<Payload>) -> Chunks<Payload> {
    let mut came = false;
    stream::poll_fn(move |task| {
        let piece = std::task::ready!(pieces.poll_next_unpin(task));
        let piece = match piece {
            None if !came => Some(Ok(Piece::Whole(Payload::default()))),
            piece => piece,
        };
        came = true;
        std::task::Poll::Ready(piece)
    })
    .boxed()
}

/// Takes those of the named entries out of its input that are there.
///
/// ```
/// use millstream_core::{PickSome, Runnable, vars};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let some = PickSome::new(["born", "died"]).run(vars! { name: "Ada", born: 1815 }).await?;
/// assert_eq!(some, vars! { born: 1815 });
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct PickSome {
    names: Arc<[Arc<str>]>,
}

impl PickSome {
    /// The entries with these names.
    pub fn new<N: Into<Arc<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect() }
    }
}

impl Runnable for PickSome {
    type Input = Vars;
    type Output = Vars;

    fn label(&self) -> Label {
        Label::new(Kind::Chain, format!("RunnablePick<{}>", self.names.join(",")))
    }

    fn transform(&self, input: Input<Vars>, cx: Cx) -> Chunks<Vars> {
        let names = self.names.clone();
        let picked = input.chunks(&cx).try_filter_map(move |entries| {
            let kept = only(entries, |name| names.iter().any(|known| &**known == name));
            std::future::ready(Ok(kept))
        });
        picked.boxed()
    }
}
