//! What runs is chosen when it runs.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use crate::chain::Chain;
use crate::cx::{Cx, Label};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Kind;
use crate::execute::execute;
use crate::input::Input;
use crate::runnable::Runnable;
use crate::streamed::{Chunks, Streamed};

/// A choice that each run makes, by [`Run::configure`](crate::Run::configure): a model by its name, say.
///
/// ```
/// use millstream_core::{Configurable, Lambda, Runnable};
///
/// let greeting = Configurable::new("language", "en", Lambda::new(|name: String| Ok(format!("Hello, {name}"))))
///     .or("de", Lambda::new(|name: String| Ok(format!("Hallo, {name}"))));
/// # futures_util::FutureExt::now_or_never(async {
/// assert_eq!(greeting.run("Ada".to_owned()).await?, "Hello, Ada");
/// assert_eq!(greeting.run("Ada".to_owned()).configure("language", "de").await?, "Hallo, Ada");
/// let error = greeting.run("Ada".to_owned()).configure("language", "fr").await.unwrap_err();
/// assert_eq!(error.to_string(), "`language` cannot be \"fr\": choose one of en, de");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Configurable<I: Streamed, O: Streamed> {
    name: Arc<str>,
    /// The first is what runs if nothing is chosen.
    choices: Vec<(Arc<str>, Chain<I, O>)>,
}

impl<I: Streamed, O: Streamed> Configurable<I, O> {
    /// A choice named `name`; unless a run chooses, `runnable` runs, which is called `choice`.
    pub fn new(
        name: impl Into<Arc<str>>,
        choice: impl Into<Arc<str>>,
        runnable: impl Runnable<Input = I, Output = O>,
    ) -> Self {
        Self { name: name.into(), choices: vec![(choice.into(), Chain::from_step(runnable))] }
    }

    /// Another choice.
    #[must_use]
    pub fn or(mut self, choice: impl Into<Arc<str>>, runnable: impl Runnable<Input = I, Output = O>) -> Self {
        self.choices.push((choice.into(), Chain::from_step(runnable)));
        self
    }

    fn chosen(&self, cx: &Cx) -> Result<&Chain<I, O>> {
        let Some(wanted) = cx.configured(&self.name) else { return Ok(&self.choices[0].1) };
        let found = self.choices.iter().find(|(name, _)| wanted.as_str() == Some(name));
        found.map(|(_, runnable)| runnable).ok_or_else(|| {
            let names: Vec<&str> = self.choices.iter().map(|(name, _)| &**name).collect();
            let message = format!("`{}` cannot be {wanted}: choose one of {}", self.name, names.join(", "));
            Error::new(ErrorKind::InvalidInput, message)
        })
    }
}

impl<I: Streamed, O: Streamed> Runnable for Configurable<I, O> {
    type Input = I;
    type Output = O;

    fn label(&self) -> Label {
        Label::new(Kind::Chain, "RunnableConfigurableAlternatives")
    }

    fn transform(&self, input: Input<I>, cx: Cx) -> Chunks<O> {
        match self.chosen(&cx) {
            Ok(chosen) => execute(chosen, input.passed_on(&cx), cx.child(chosen.label())).into_chunks(),
            Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
        }
    }
}
