//! What a step is given, and the word that it has begun.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use smallvec::SmallVec;

use crate::cx::Cx;
use crate::dynamic::Dynamic;
use crate::error::{Error, Result};
use crate::event::Body;
use crate::payload::Payload;
use crate::piece::PayloadFold;
use crate::runnable::fold;
use crate::streamed::{Chunks, Fold, Streamed};

/// What a step is given: a whole value, or the pieces of one that is still being made.
///
/// Whoever takes it out says, in events, that its execution begins: with [`whole`](Self::whole) it is told with its input, with [`chunks`](Self::chunks) and
/// [`gathered`](Self::gathered) without, since then it can begin before its input is whole.
pub struct Input<T: Streamed> {
    form: Form<T>,
    /// Executions around this one that begin with it, outermost first.
    beginning: SmallVec<[Cx; 1]>,
    /// The whole, as soon as somebody has it: for the word that an execution has ended.
    seen: Option<Seen>,
    /// Whether it is read as another type than it was made as.
    is_converted: bool,
}

/// A whole that is known later than the pieces of it.
pub(crate) type Seen = Arc<OnceLock<Payload>>;

enum Form<T: Streamed> {
    Whole(T),
    /// A whole that is still being made.
    Later(BoxFuture<'static, Result<T>>),
    Chunks(Chunks<T>),
    /// Pieces of another type, and how to read them.
    Pieces(Chunks<Payload>, Reading<T>),
}

struct Reading<T: Streamed> {
    whole: fn(&Payload) -> Result<T>,
    chunks: fn(Chunks<Payload>) -> Chunks<T>,
}

impl<T: Streamed> Form<T> {
    async fn whole(self) -> Result<T> {
        match self {
            Self::Whole(value) => Ok(value),
            Self::Later(value) => value.await,
            Self::Chunks(chunks) => fold::<T>(chunks).await,
            Self::Pieces(pieces, reading) => (reading.whole)(&fold::<Payload>(pieces).await?),
        }
    }

    fn chunks(self) -> Chunks<T> {
        match self {
            Self::Whole(value) => stream::iter(value.into_chunks()).map(Ok).boxed(),
            Self::Later(value) => {
                stream::once(value.map(|value| Ok::<_, Error>(stream::iter(value?.into_chunks()).map(Ok))))
                    .try_flatten()
                    .boxed()
            }
            Self::Chunks(chunks) => chunks,
            Self::Pieces(pieces, reading) => (reading.chunks)(pieces),
        }
    }
}

impl<T: Streamed> Input<T> {
    fn of(form: Form<T>) -> Self {
        Self { form, beginning: SmallVec::new(), seen: None, is_converted: false }
    }

    /// A value that is already there.
    pub fn from_whole(value: T) -> Self {
        Self::of(Form::Whole(value))
    }

    /// A value that is still being made.
    pub fn from_chunks(chunks: Chunks<T>) -> Self {
        Self::of(Form::Chunks(chunks))
    }

    /// The whole value, for a step that needs all of it before it can begin.
    ///
    /// # Errors
    /// What the steps before failed with.
    pub async fn whole(self, cx: &Cx) -> Result<T> {
        let input = self.begun().await?;
        let value = input.form.whole().await?;
        if cx.tells() {
            let seen = seen(input.seen.as_ref(), &value);
            let input = if input.is_converted { value.clone().into_payload() } else { seen };
            cx.emit(Body::RunnableStarted { input: Some(input) }).await?;
        }
        Ok(value)
    }

    /// The whole value, for a step that says itself that it begins.
    ///
    /// # Errors
    /// What the steps before failed with.
    pub async fn unannounced(self) -> Result<T> {
        self.begun().await?.form.whole().await
    }

    /// The pieces, for a step that can work on them as they come.
    pub fn chunks(mut self, cx: &Cx) -> Chunks<T> {
        self.begin_with(cx);
        if self.beginning.is_empty() {
            return self.form.chunks();
        }
        stream::once(async move { Ok::<_, Error>(self.begun().await?.form.chunks()) }).try_flatten().boxed()
    }

    /// The whole value, for a step that begins with the first piece of it although it needs them all.
    ///
    /// # Errors
    /// What the steps before failed with.
    pub async fn gathered(mut self, cx: &Cx) -> Result<T> {
        self.begin_with(cx);
        self.begun().await?.form.whole().await
    }

    /// The same for a step inside `cx`, whose execution begins when that of the step does.
    pub(crate) fn passed_on(mut self, cx: &Cx) -> Self {
        self.begin_with(cx);
        self
    }

    /// The same, once the execution `cx` has begun.
    pub(crate) async fn ready(mut self, cx: &Cx) -> Result<Self> {
        self.begin_with(cx);
        self.begun().await
    }

    fn begin_with(&mut self, cx: &Cx) {
        if cx.tells() {
            self.beginning.push(cx.clone());
        }
    }

    /// Says that what begins with this input does, when there is something to work on: a step behind one that fails never starts.
    async fn begun(mut self) -> Result<Self> {
        let beginning = std::mem::take(&mut self.beginning);
        if beginning.is_empty() {
            return Ok(self);
        }
        let begins_with_input = beginning.iter().any(Cx::begins_with_input);
        if begins_with_input || matches!(self.form, Form::Whole(_) | Form::Later(_)) {
            let value = self.form.whole().await?;
            announce(&beginning, &seen(self.seen.as_ref(), &value)).await?;
            return Ok(Self { form: Form::Whole(value), ..self });
        }
        self.form = match self.form {
            Form::Chunks(mut chunks) => {
                let first = chunks.try_next().await?;
                Form::Chunks(stream::iter(first.map(Ok)).chain(chunks).boxed())
            }
            Form::Pieces(mut pieces, reading) => {
                let first = pieces.try_next().await?;
                Form::Pieces(stream::iter(first.map(Ok)).chain(pieces).boxed(), reading)
            }
            whole => whole,
        };
        for cx in &beginning {
            cx.emit(Body::RunnableStarted { input: None }).await?;
        }
        Ok(self)
    }

    /// The whole as soon as somebody has it.
    pub(crate) fn seen(&mut self) -> Seen {
        if let Some(seen) = &self.seen {
            return seen.clone();
        }
        let seen = Seen::default();
        match &mut self.form {
            Form::Whole(value) => drop(seen.set(value.clone().into_payload())),
            // Pieces that come from outside of any chain: nobody else puts them together.
            Form::Chunks(chunks) => {
                let from = std::mem::replace(chunks, stream::empty().boxed());
                *chunks = watched::<T>(from, seen.clone());
            }
            Form::Later(_) | Form::Pieces(..) => {}
        }
        self.seen = Some(seen.clone());
        seen
    }

    /// Where the whole will be, if somebody puts it together in any case.
    pub(crate) fn made(&self) -> Option<Seen> {
        self.seen.clone()
    }

    /// The same, with its whole told by somebody who puts the pieces together in any case.
    pub(crate) fn with_seen(mut self, seen: Option<Seen>) -> Self {
        self.seen = seen;
        self
    }

    /// What it is when somebody has waited for all of it.
    pub(crate) fn waited_for(self) -> Self {
        match self.form {
            Form::Whole(_) | Form::Later(_) => self,
            form => Self { form: Form::Later(form.whole().boxed()), ..self },
        }
    }

    /// The same for those who do not know its type.
    pub(crate) fn into_any(self) -> Input<Payload> {
        let form = match self.form {
            Form::Later(value) => Form::Later(async move { Ok(value.await?.into_chunks()) }.map(any::<T>).boxed()),
            form => Form::Chunks(crate::dynamic::pieces::<T>(form.chunks())),
        };
        Input { form, beginning: self.beginning, seen: self.seen, is_converted: false }
    }

    /// The pieces, for whoever has no execution of its own.
    pub(crate) fn into_chunks(self) -> Chunks<T> {
        self.form.chunks()
    }

    /// `count` inputs of the same value. Of pieces, those that one reader has not read yet are kept for it.
    pub(crate) fn split(self, count: usize) -> Vec<Self> {
        let seen = self.seen;
        let inputs: Vec<Self> = match self.form {
            Form::Whole(value) => (0..count).map(|_| Self::from_whole(value.clone())).collect(),
            form => crate::tee::tee::<T>(form.chunks(), count).into_iter().map(Self::from_chunks).collect(),
        };
        inputs.into_iter().map(|input| input.with_seen(seen.clone())).collect()
    }
}

impl Input<Payload> {
    /// The same as a value of a type.
    pub(crate) fn read<T: Dynamic>(self) -> Input<T> {
        let form = match self.form {
            Form::Whole(value) => match T::read(&value) {
                Ok(value) => Form::Whole(value),
                Err(error) => Form::Later(std::future::ready(Err(error)).boxed()),
            },
            Form::Later(value) => Form::Later(async move { T::read(&value.await?) }.boxed()),
            Form::Chunks(pieces) | Form::Pieces(pieces, _) => {
                Form::Pieces(pieces, Reading { whole: T::read, chunks: T::read_pieces })
            }
        };
        Input { form, beginning: self.beginning, seen: self.seen, is_converted: true }
    }
}

/// The whole, for events: as whoever made it has shown it already, or made here.
fn seen<T: Streamed>(seen: Option<&Seen>, value: &T) -> Payload {
    match seen {
        Some(seen) => seen.get_or_init(|| value.clone().into_payload()).clone(),
        None => value.clone().into_payload(),
    }
}

/// The pieces of a whole as a whole of any type.
fn any<T: Streamed>(chunks: Result<Vec<T::Chunk>>) -> Result<Payload> {
    let chunks = chunks?;
    let mut fold = PayloadFold::default();
    chunks.iter().try_for_each(|chunk| fold.push(T::piece(chunk)))?;
    if chunks.is_empty() {
        crate::dynamic::empty::<T>().map_or(Ok(()), |piece| fold.push(piece))?;
    }
    fold.finish()
}

async fn announce(beginning: &[Cx], input: &Payload) -> Result<()> {
    for cx in beginning {
        let input = cx.begins_with_input().then(|| input.clone());
        cx.emit(Body::RunnableStarted { input }).await?;
    }
    Ok(())
}

/// The same chunks; when they have ended, `seen` is what they make.
fn watched<T: Streamed>(mut chunks: Chunks<T>, seen: Seen) -> Chunks<T> {
    let mut fold = Some(T::Fold::default());
    stream::poll_fn(move |task| {
        let chunk = std::task::ready!(chunks.poll_next_unpin(task));
        match &chunk {
            // What cannot be put together fails where it is put together.
            Some(Ok(chunk)) => fold = fold.take().and_then(|mut fold| fold.push(chunk.clone()).is_ok().then_some(fold)),
            Some(Err(_)) => {}
            None => {
                if let Some(Ok(whole)) = fold.take().map(Fold::finish) {
                    let _ = seen.set(whole.into_payload());
                }
            }
        }
        std::task::Poll::Ready(chunk)
    })
    .boxed()
}
