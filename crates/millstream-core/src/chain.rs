//! Steps in sequence, with their types erased: what users name in their structs is `Chain<Vars, String>`.

use std::fmt;
use std::ops::BitOr;
use std::sync::Arc;

use serde_json::Value;

use crate::compose::{Assign, Configurable, Each, Fallbacks, Parallel, Passthrough, Pick, PickSome, Retried};
use crate::cx::{Cx, Label};
use crate::dynamic::Dynamic;
use crate::event::Kind;
use crate::execute::execute;
use crate::input::Input;
use crate::model::Model;
use crate::parse::Text;
use crate::payload::Payload;
use crate::prompt::{Prompt, TextPrompt};
use crate::retrieve::Retrieval;
use crate::runnable::Runnable;
use crate::streamed::{Chunks, Streamed};

/// What a chain does, as a part of the execution that it is given; steps in it are numbered after the given ones.
type Body<I, O> = Arc<dyn Fn(Input<I>, &Cx, usize) -> Input<O> + Send + Sync>;

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
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A step as it is: it says itself that it begins.
    Step,
    /// A sequence of so many steps, which begins when its first step does.
    Sequence(usize),
    /// A sequence with a name, tags or metadata of its own, which is one step of another sequence.
    Finished,
}

impl<I: Streamed, O: Streamed> Chain<I, O> {
    /// One step as it is.
    pub(crate) fn from_step(step: impl Runnable<Input = I, Output = O>) -> Self {
        let label = step.label();
        let body: Body<I, O> = Arc::new(move |input, cx, _| step.output(input, cx.clone()));
        Self { label, body, form: Form::Step }
    }

    /// One step that is a function.
    pub(crate) fn from_function(
        label: Label,
        function: impl Fn(Input<I>, Cx) -> Chunks<O> + Send + Sync + 'static,
    ) -> Self {
        let body: Body<I, O> = Arc::new(move |input, cx, _| Input::from_chunks(function(input, cx.clone())));
        Self { label, body, form: Form::Step }
    }

    /// A sequence with its first step.
    pub(crate) fn sequence_of(step: impl Runnable<Input = I, Output = O>) -> Self {
        let body: Body<I, O> = Arc::new(move |input, cx, before| {
            let mut label = step.label();
            label.tags.insert(0, format!("seq:step:{}", before + 1));
            execute(&step, input, cx.child(label))
        });
        Self { label: Label::new(Kind::Chain, "RunnableSequence"), body, form: Form::Sequence(1) }
    }

    /// This chain, then `next`: sequences join, a named chain is one step of the new one.
    pub fn pipe<N: Runnable<Input = O>>(self, next: N) -> Chain<I, N::Output> {
        let (before, next) = (self.into_sequence(), next.into_sequence());
        let (Form::Sequence(steps), Form::Sequence(more)) = (before.form, next.form) else {
            // `into_sequence` gives nothing else.
            return Chain::sequence_of(before).pipe(Chain::sequence_of(next));
        };
        let (first, second) = (before.body, next.body);
        let body: Body<I, N::Output> = Arc::new(move |input, cx, at| second(first(input, cx, at), cx, at + steps));
        Chain { label: before.label, body, form: Form::Sequence(steps + more) }
    }

    /// The same chain, taking and giving values whose types are known only when it runs: for chains that a file describes.
    ///
    /// ```
    /// use millstream_core::{Chain, Demo, Model, Payload, Prompt, Runnable, Text};
    /// use serde_json::json;
    ///
    /// let prompt: Chain<Payload, Payload> = Prompt::new().human("{q}").dynamic();
    /// let model = Model::from(Demo::instant()).pipe(Text).dynamic();
    /// # futures_util::FutureExt::now_or_never(async {
    /// let answer = prompt.pipe(model).run(json!({ "q": "Explain RAG in one sentence." })).await?;
    /// assert!(answer.json().as_str().unwrap().contains("Retrieval"));
    /// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
    /// ```
    pub fn dynamic(self) -> Chain<Payload, Payload>
    where
        I: Dynamic,
    {
        let Chain { label, body, form } = self.of_any_output();
        let body: Body<Payload, Payload> = Arc::new(move |input, cx, at| body(input.read(), cx, at));
        Chain { label, body, form }
    }

    /// The same chain, giving values whose type is known only when it runs.
    pub(crate) fn of_any_output(self) -> Chain<I, Payload> {
        let Self { label, body, form } = self;
        let body: Body<I, Payload> = Arc::new(move |input, cx, at| body(input, cx, at).into_any());
        Chain { label, body, form }
    }

    /// The same chain under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.label.name = name.into();
        self.finished()
    }

    /// The same chain with a tag more.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.label.tags.push(tag.into());
        self.finished()
    }

    /// The same chain with a metadata value more.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.label.metadata.insert(key.into(), value.into());
        self.finished()
    }

    fn finished(mut self) -> Self {
        if let Form::Sequence(_) = self.form {
            self.form = Form::Finished;
        }
        self
    }
}

impl<I: Streamed, O: Streamed> Runnable for Chain<I, O> {
    type Input = I;
    type Output = O;

    fn label(&self) -> Label {
        self.label.clone()
    }

    fn transform(&self, input: Input<I>, cx: Cx) -> Chunks<O> {
        self.output(input, cx).into_chunks()
    }

    fn output(&self, input: Input<I>, cx: Cx) -> Input<O> {
        let input = if self.form == Form::Step { input } else { input.passed_on(&cx) };
        (self.body)(input, &cx, 0)
    }

    fn into_sequence(self) -> Self {
        match self.form {
            Form::Sequence(_) => self,
            _ => Self::sequence_of(self),
        }
    }
}

impl<I: Streamed, O: Streamed> Clone for Chain<I, O> {
    fn clone(&self) -> Self {
        Self { label: self.label.clone(), body: self.body.clone(), form: self.form }
    }
}

impl<I: Streamed, O: Streamed> fmt::Debug for Chain<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("label", &self.label).field("form", &self.form).finish_non_exhaustive()
    }
}

/// `prompt | model` is `prompt.pipe(model)`.
impl<I: Streamed, O: Streamed, N: Runnable<Input = O>> BitOr<N> for Chain<I, O> {
    type Output = Chain<I, N::Output>;
    fn bitor(self, next: N) -> Self::Output {
        self.pipe(next)
    }
}

impl<O: Streamed> Chain<Payload, O> {
    /// The same chain, taking values of a type: for a chain that was put together when it runs, as a step among others.
    pub fn taking<I: Streamed>(self) -> Chain<I, O> {
        let Self { label, body, form } = self;
        let body: Body<I, O> = Arc::new(move |input, cx, at| body(input.into_any(), cx, at));
        Chain { label, body, form }
    }
}

macro_rules! pipes_with_a_bar {
    ($($step:ty $(where $($of:ident: $bound:ident),+)?;)+) => {$(
        /// `a | b` is `a.pipe(b)`.
        impl<$($($of: $bound,)+)? N: Runnable<Input = <$step as Runnable>::Output>> BitOr<N> for $step {
            type Output = Chain<<$step as Runnable>::Input, N::Output>;
            fn bitor(self, next: N) -> Self::Output {
                self.pipe(next)
            }
        }
    )+};
}

pipes_with_a_bar! {
    Prompt;
    TextPrompt;
    Model;
    Text;
    Retrieval;
    Assign;
    PickSome;
    Pick<T> where T: Dynamic;
    Passthrough<T> where T: Streamed;
    Parallel<I> where I: Streamed;
    Each<I, O> where I: Streamed, O: Streamed;
    Fallbacks<I, O> where I: Streamed, O: Streamed;
    Retried<I, O> where I: Streamed, O: Streamed;
    Configurable<I, O> where I: Streamed, O: Streamed;
}
