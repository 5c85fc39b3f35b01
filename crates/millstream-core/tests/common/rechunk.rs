//! The law of all steps: however an input is cut, folding what a step streams gives what awaiting it gives.
//!
//! [`obeys`] checks one step with one input in one cut; [`Cuts`] makes cuts, for texts and for messages.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use millstream_core::{
    Block, Chunk, Chunks, Cx, Finish, Fold, Input, Message, PartWriter, PayloadFold, Result, Runnable, Streamed,
};
use proptest::prelude::*;
use serde_json::json;

/// A step that gives `pieces`, whatever it is given.
#[derive(Clone)]
pub(crate) struct Source<T: Streamed>(pub(crate) Vec<T::Chunk>);

impl<T: Streamed> Runnable for Source<T>
where
    T::Chunk: Sync,
{
    type Input = String;
    type Output = T;

    fn transform(&self, input: Input<String>, cx: Cx) -> Chunks<T> {
        let pieces = self.0.clone();
        // One piece of input for all pieces of output, each of which is waited for.
        input.chunks(&cx).map_ok(move |_| stream::iter(pieces.clone()).map(Ok)).try_flatten().boxed()
    }
}

/// Gives what `step` makes of `whole`, after it has made sure that it makes the same of `pieces`: awaited, and folded from its stream. A failure has
/// to be the same failure. What it makes has to be the fold of its own pieces,
/// also for those who do not know its type.
pub(crate) fn obeys<S>(
    step: &S,
    whole: S::Input,
    pieces: Vec<<S::Input as Streamed>::Chunk>,
) -> std::result::Result<Result<S::Output>, TestCaseError>
where
    S: Runnable + Clone,
    S::Output: PartialEq + Debug,
    <S::Input as Streamed>::Chunk: Sync,
{
    let awaited = now(step.run(whole).into_future());
    let cut = Source::<S::Input>(pieces).pipe(step.clone());
    let cut_and_awaited = now(cut.run("go".to_owned()).into_future());
    prop_assert_eq!(told(&cut_and_awaited), told(&awaited));
    let (mut pieces, mut came) = (PayloadFold::default(), false);
    let folded = now(async {
        let (mut fold, mut chunks) = (<S::Output as Streamed>::Fold::default(), cut.run("go".to_owned()).stream());
        while let Some(chunk) = chunks.try_next().await? {
            pieces.push(S::Output::piece(&chunk))?;
            came = true;
            fold.push(chunk)?;
        }
        fold.finish()
    });
    prop_assert_eq!(told(&folded), told(&awaited));
    if let Ok(whole) = &awaited {
        prop_assert_eq!(&whole_of::<S::Output>(&whole.clone().into_chunks()), whole);
        prop_assert_eq!(if came { pieces.finish().expect("pieces").json() } else { json!(whole) }, json!(whole));
    }
    Ok(awaited)
}

/// The whole of `T` that `pieces` are.
pub(crate) fn whole_of<T: Streamed>(pieces: &[T::Chunk]) -> T {
    let mut fold = T::Fold::default();
    pieces.iter().cloned().try_for_each(|piece| fold.push(piece)).expect("pieces that follow each other");
    fold.finish().expect("all pieces")
}

/// Everything that `step` streams for the pieces of an input, up to its failure.
pub(crate) fn streamed<S: Runnable + Clone>(
    step: &S,
    pieces: Vec<<S::Input as Streamed>::Chunk>,
) -> Vec<<S::Output as Streamed>::Chunk>
where
    <S::Input as Streamed>::Chunk: Sync,
{
    let cut = Source::<S::Input>(pieces).pipe(step.clone());
    now(cut.run("go".to_owned()).stream().take_while(|item| std::future::ready(item.is_ok())).try_collect::<Vec<_>>())
        .expect("failures are left out")
}

/// A message that says `pieces`, each a chunk.
pub(crate) fn saying<T: AsRef<str>>(pieces: &[T]) -> Vec<Chunk> {
    let (mut writer, mut chunks) = (PartWriter::new("m1"), Vec::new());
    for piece in pieces {
        writer.text(piece.as_ref());
        chunks.extend(writer.take());
    }
    writer.end(Finish::Stop);
    chunks.extend(writer.take());
    chunks
}

/// Where to cut: the lengths of pieces in characters, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Cuts(Vec<usize>);

/// Any cuts: in single characters, in long pieces, in both.
pub(crate) fn cuts() -> impl Strategy<Value = Cuts> {
    prop_oneof![
        1 => Just(Cuts(vec![1])),
        4 => prop::collection::vec(1..8usize, 1..6).prop_map(Cuts),
        1 => prop::collection::vec(1..80usize, 1..4).prop_map(Cuts),
    ]
}

impl Cuts {
    /// Cuts after every so many characters.
    pub(crate) fn every(characters: usize) -> Self {
        Self(vec![characters])
    }

    /// The text in pieces.
    pub(crate) fn text(&self, text: &str) -> Vec<Arc<str>> {
        let mut characters = text.chars().peekable();
        let mut pieces = Vec::new();
        for length in self.0.iter().cycle() {
            if characters.peek().is_none() {
                break;
            }
            pieces.push(characters.by_ref().take(*length).collect::<String>().into());
        }
        pieces
    }

    /// A message in pieces: the deltas of its texts, its reasoning and the arguments of its calls are cut, the rest is whole. The message that
    /// the pieces are may have other blocks than the one that was given: see [`whole_of`].
    pub(crate) fn message(&self, message: &Message) -> Vec<Chunk> {
        let id = message.id.clone().unwrap_or_default();
        let (mut writer, mut chunks) = (PartWriter::new(id), Vec::new());
        for block in &message.content {
            match block {
                Block::Text { text, .. } => {
                    for piece in self.text(text) {
                        writer.text(&piece);
                        chunks.extend(writer.take());
                    }
                }
                Block::Reasoning { text, .. } => {
                    for piece in self.text(text) {
                        writer.reasoning(&piece);
                        chunks.extend(writer.take());
                    }
                }
                Block::ToolCall(call) => {
                    let index = writer.tool_call(&call.id, &call.name);
                    for piece in self.text(&call.args.to_string()) {
                        writer.arguments(index, &piece).expect("an open call");
                        chunks.extend(writer.take());
                    }
                    writer.end_call(index);
                }
                other => writer.block(other.clone()),
            }
            chunks.extend(writer.take());
        }
        writer.end(message.finish.unwrap_or(Finish::Stop));
        chunks.extend(writer.take());
        chunks
    }
}

/// What is ready at once, since nothing waits for anything.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("no step waits")
}

/// A result as it can be compared.
fn told<T: Debug>(result: &Result<T>) -> std::result::Result<&T, String> {
    result.as_ref().map_err(|error| format!("{}: {error}", error.code()))
}
