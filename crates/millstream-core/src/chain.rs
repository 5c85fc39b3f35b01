//! Steps in sequence, with their types erased: what users name in their structs is `Chain<Vars, String>`.

use std::fmt;
use std::ops::BitOr;
use std::sync::Arc;

use serde_json::Value;

use crate::cx::{Cx, Label};
use crate::event::Kind;
use crate::model::Model;
use crate::parse::Text;
use crate::prompt::Prompt;
use crate::runnable::{Input, Runnable, execute};
use crate::streamed::{Chunks, Streamed};

type Body<I, O> = Arc<dyn Fn(Input<I>, Cx) -> Chunks<O> + Send + Sync>;

/// A runnable whose inside nobody needs to know: a sequence of steps, or one step under another name.
///
/// ```
/// use millstream_core::{Chain, Demo, Model, Prompt, Runnable, Text, Vars, vars};
///
/// let chain: Chain<Vars, String> = Prompt::new().human("{q}").pipe(Model::from(Demo::instant())).pipe(Text).named("my-chain");
/// # futures_util::FutureExt::now_or_never(async {
/// let answer = chain.run(vars! { q: "Explain RAG in one sentence." }).await?;
/// assert!(answer.contains("Retrieval"));
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
pub struct Chain<I: Streamed, O: Streamed> {
    label: Label,
    body: Body<I, O>,
    /// How many steps a sequence has that may still grow; `None` when it is one step with a name of its own.
    steps: Option<usize>,
}

impl<I: Streamed, O: Streamed> Chain<I, O> {
    /// One step as it is.
    pub(crate) fn from_step(step: impl Runnable<Input = I, Output = O>) -> Self {
        Self { label: step.label(), body: Arc::new(move |input, cx| step.transform(input, cx)), steps: None }
    }

    /// A sequence with its first step.
    pub(crate) fn sequence_of(step: impl Runnable<Input = I, Output = O>) -> Self {
        let body: Body<I, O> = Arc::new(move |input, cx| execute(&step, input, step_context(&step, &cx, 1)));
        Self { label: Label::new(Kind::Chain, "RunnableSequence"), body, steps: Some(1) }
    }

    /// This chain, then `next`: a sequence grows, a named chain becomes the first step of a new one.
    pub fn pipe<N: Runnable<Input = O>>(self, next: N) -> Chain<I, N::Output> {
        let Some(steps) = self.steps else {
            return Chain::sequence_of(self).pipe(next);
        };
        let position = steps + 1;
        let before = self.body;
        let body: Body<I, N::Output> = Arc::new(move |input, cx| {
            let middle = before(input, cx.clone());
            execute(&next, Input::from_chunks(middle), step_context(&next, &cx, position))
        });
        Chain { label: self.label, body, steps: Some(position) }
    }

    /// The same chain under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.label.name = name.into();
        self.steps = None;
        self
    }

    /// The same chain with a tag more.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.label.tags.push(tag.into());
        self.steps = None;
        self
    }

    /// The same chain with a metadata value more.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.label.metadata.insert(key.into(), value.into());
        self.steps = None;
        self
    }
}

fn step_context(step: &impl Runnable, sequence: &Cx, position: usize) -> Cx {
    let mut label = step.label();
    label.tags.insert(0, format!("seq:step:{position}"));
    sequence.child(label)
}

impl<I: Streamed, O: Streamed> Runnable for Chain<I, O> {
    type Input = I;
    type Output = O;

    fn label(&self) -> Label {
        self.label.clone()
    }

    fn transform(&self, input: Input<I>, cx: Cx) -> Chunks<O> {
        (self.body)(input, cx)
    }
}

impl<I: Streamed, O: Streamed> Clone for Chain<I, O> {
    fn clone(&self) -> Self {
        Self { label: self.label.clone(), body: self.body.clone(), steps: self.steps }
    }
}

impl<I: Streamed, O: Streamed> fmt::Debug for Chain<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("label", &self.label).field("steps", &self.steps).finish_non_exhaustive()
    }
}

/// `prompt | model` is `prompt.pipe(model)`.
impl<I: Streamed, O: Streamed, N: Runnable<Input = O>> BitOr<N> for Chain<I, O> {
    type Output = Chain<I, N::Output>;
    fn bitor(self, next: N) -> Self::Output {
        self.pipe(next)
    }
}

macro_rules! pipes_with_a_bar {
    ($($step:ty),+) => {$(
        /// `a | b` is `a.pipe(b)`.
        impl<N: Runnable<Input = <$step as Runnable>::Output>> BitOr<N> for $step {
            type Output = Chain<<$step as Runnable>::Input, N::Output>;
            fn bitor(self, next: N) -> Self::Output {
                self.pipe(next)
            }
        }
    )+};
}

pipes_with_a_bar!(Prompt, Model, Text);
