//! Several runnables on one input, at the same time.

use std::sync::Arc;

use futures_util::stream::SelectAll;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::chain::Chain;
use crate::cx::{Cx, Label};
use crate::error::Error;
use crate::event::Kind;
use crate::execute::execute;
use crate::input::Input;
use crate::payload::Payload;
use crate::piece::Entries;
use crate::runnable::Runnable;
use crate::streamed::{Chunks, Streamed};
use crate::vars::Vars;

/// A map of runnables: each gets the input, and what each gives is an entry of the output. All run at the same time, or as many as
/// [`Run::max_concurrency`](crate::Run::max_concurrency) lets; the pieces of each come as soon as they are there.
///
/// ```
/// use millstream_core::{Demo, Model, Parallel, Prompt, Runnable, Text, vars};
///
/// let ask = |how: &str| Prompt::new().human(format!("{how} {{topic}}")).pipe(Model::from(Demo::instant())).pipe(Text);
/// let both = Parallel::new().with("long", ask("Explain")).with("short", ask("In one word:"));
/// # futures_util::FutureExt::now_or_never(async {
/// let answers = both.run(vars! { topic: "graphs" }).await?;
/// assert!(answers.get("long").is_some() && answers.get("short").is_some());
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
pub struct Parallel<I: Streamed> {
    branches: Vec<(Arc<str>, Chain<I, Payload>)>,
}

impl<I: Streamed> Parallel<I> {
    /// A map without entries.
    pub fn new() -> Self {
        Self { branches: Vec::new() }
    }

    /// Adds an entry; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: impl Into<Arc<str>>, runnable: impl Runnable<Input = I>) -> Self {
        let name = name.into();
        self.branches.retain(|(known, _)| *known != name);
        self.branches.push((name, Chain::from_step(runnable).of_any_output()));
        self
    }

    /// The names of the entries, as names of runnables have them.
    pub(super) fn names(&self) -> String {
        self.branches.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(",")
    }

    /// Whether `name` is an entry.
    pub(super) fn has(&self, name: &str) -> bool {
        self.branches.iter().any(|(known, _)| &**known == name)
    }
}

impl<I: Streamed> Default for Parallel<I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I: Streamed> Clone for Parallel<I> {
    fn clone(&self) -> Self {
        Self { branches: self.branches.clone() }
    }
}

impl<I: Streamed> std::fmt::Debug for Parallel<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.branches.iter().map(|(name, chain)| (name, chain))).finish()
    }
}

impl<I: Streamed> Runnable for Parallel<I> {
    type Input = I;
    type Output = Vars;

    fn label(&self) -> Label {
        Label::new(Kind::Chain, format!("RunnableParallel<{}>", self.names()))
    }

    fn transform(&self, input: Input<I>, cx: Cx) -> Chunks<Vars> {
        let branches = self.branches.clone();
        let entries = async move {
            let at_once = cx.max_concurrency().unwrap_or(usize::MAX);
            let input = input.ready(&cx).await?;
            if branches.is_empty() {
                // Whether it could be made is known at its end.
                let rest = input.into_chunks();
                return Ok(rest.try_filter_map(|_| std::future::ready(Ok(None))).boxed());
            }
            let inputs = input.split(branches.len());
            let outputs = branches.into_iter().zip(inputs).map(|((name, branch), input)| {
                let mut label = branch.label();
                label.tags.insert(0, format!("map:key:{name}"));
                let output = execute(&branch, input, cx.child(label)).into_chunks();
                output.map_ok(move |piece| Entries::from([(name.clone(), piece)])).boxed()
            });
            Ok::<_, Error>(at_most(at_once, outputs.collect()))
        };
        stream::once(entries).try_flatten().boxed()
    }
}

/// The items of all streams as they come, of at most `count` streams at the same time.
fn at_most(count: usize, streams: Vec<Chunks<Vars>>) -> Chunks<Vars> {
    if streams.len() <= count {
        return stream::select_all(streams).boxed();
    }
    let mut waiting = streams.into_iter();
    let mut running: SelectAll<Chunks<Vars>> = waiting.by_ref().take(count).collect();
    let mut ended = 0;
    stream::poll_fn(move |task| {
        loop {
            let before = running.len();
            let item = running.poll_next_unpin(task);
            ended += before - running.len();
            // For each that has ended another begins.
            let more = waiting.by_ref().take(std::mem::take(&mut ended));
            let begun = more.map(|stream| running.push(stream)).count();
            match item {
                std::task::Poll::Ready(Some(item)) => return std::task::Poll::Ready(Some(item)),
                other if begun == 0 => return other,
                _ => {}
            }
        }
    })
    .boxed()
}

/// Nothing but the entries that `keep` names; nothing at all if there are none.
pub(super) fn only(entries: Entries, keep: impl Fn(&str) -> bool) -> Option<Entries> {
    let kept: Entries = entries.into_iter().filter(|(name, _)| keep(name)).collect();
    (!kept.is_empty()).then_some(kept)
}
