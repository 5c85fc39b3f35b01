//! Examples in a prompt: what to do, shown instead of said.

use std::fmt;
use std::sync::Arc;

use super::template::{object, shown};
use crate::error::Result;
use crate::vars::Vars;

/// Examples for a prompt, each the variables of `template`: a [`Prompt`](crate::Prompt) for messages, or a [`TextPrompt`](crate::TextPrompt).
///
/// ```
/// use millstream_core::{Examples, Prompt, vars};
///
/// let sums = [vars! { input: "2+2", output: "4" }, vars! { input: "2+3", output: "5" }];
/// let examples = Examples::new(Prompt::new().human("{input}").ai("{output}"), sums);
/// let prompt = Prompt::new().system("You can add.").examples(examples).human("{input}");
///
/// let messages = prompt.format(&vars! { input: "4+4" })?;
/// let texts: Vec<String> = messages.iter().map(|message| message.text()).collect();
/// assert_eq!(texts, ["You can add.", "2+2", "4", "2+3", "5", "4+4"]);
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Examples<P> {
    template: P,
    choose: Arc<Choose>,
    budget: Option<Budget>,
}

type Choose = dyn Fn(&Vars) -> Vec<Vars> + Send + Sync;

#[derive(Clone)]
struct Budget {
    most: usize,
    measure: Arc<dyn Fn(&str) -> usize + Send + Sync>,
}

impl<P> Examples<P> {
    /// Always these examples, in this order.
    pub fn new(template: P, examples: impl IntoIterator<Item = Vars>) -> Self {
        let examples: Vec<Vars> = examples.into_iter().collect();
        Self::chosen_by(template, move |_| examples.clone())
    }

    /// The examples that `choose` gives for the variables of a run.
    pub fn chosen_by(template: P, choose: impl Fn(&Vars) -> Vec<Vars> + Send + Sync + 'static) -> Self {
        Self { template, choose: Arc::new(choose), budget: None }
    }

    /// Only the first examples that have, together with the run's variables, at most so many words: what is between spaces and line breaks.
    ///
    /// ```
    /// use millstream_core::{Examples, Prompt, vars};
    ///
    /// let words = ["one", "two", "three"].map(|word| vars! { word: word });
    /// let prompt = Prompt::text("Go on:").examples(Examples::new(Prompt::text("{word}"), words).within(4)).text("{so_far}");
    /// assert_eq!(prompt.format(&vars! { so_far: "zero" })?, "Go on:\n\none\n\ntwo\n\nthree\n\nzero");
    /// assert_eq!(prompt.format(&vars! { so_far: "minus one zero" })?, "Go on:\n\none\n\nminus one zero");
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    #[must_use]
    pub fn within(self, words: usize) -> Self {
        self.within_by(words, |text| text.split(['\n', ' ']).count())
    }

    /// Only the first examples that are, together with the run's variables, at most so long as `measure` says.
    #[must_use]
    pub fn within_by(self, most: usize, measure: impl Fn(&str) -> usize + Send + Sync + 'static) -> Self {
        Self { budget: Some(Budget { most, measure: Arc::new(measure) }), ..self }
    }

    /// What `render` makes of the chosen examples, while there is room for what `text` says of each.
    pub(super) fn each<T>(
        &self,
        vars: &Vars,
        render: impl Fn(&P, &Vars) -> Result<T>,
        text: impl Fn(&T) -> String,
    ) -> Result<Vec<T>> {
        let examples = (self.choose)(vars);
        let Some(Budget { most, measure }) = &self.budget else {
            return examples.iter().map(|example| render(&self.template, example)).collect();
        };
        let values = object(vars)?;
        let values: Vec<String> = values.as_object().into_iter().flatten().map(|(_, value)| shown(value)).collect();
        let mut room = most.saturating_sub(measure(&values.join(" ")));
        let mut rendered = Vec::new();
        for example in &examples {
            let example = render(&self.template, example)?;
            let length = measure(&text(&example));
            if room == 0 || length > room {
                break;
            }
            room -= length;
            rendered.push(example);
        }
        Ok(rendered)
    }
}

impl<P: fmt::Debug> fmt::Debug for Examples<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examples").field("template", &self.template).finish_non_exhaustive()
    }
}
