//! A prompt that is one text.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::Prompt;
use super::examples::Examples;
use super::partials::Partials;
use super::template::{Template, TemplateFormat};
use crate::cx::{Cx, Label};
use crate::error::Result;
use crate::event::Kind;
use crate::input::Input;
use crate::message::Messages;
use crate::runnable::Runnable;
use crate::streamed::Chunks;
use crate::vars::Vars;

/// A prompt that is one text: LangChain's `PromptTemplate`, and with examples its `FewShotPromptTemplate`.
///
/// As a step of a chain it gives [`Messages`]: one message of the person, so that a model can follow. [`Messages::as_text`] is the text.
///
/// ```
/// use millstream_core::{Prompt, Runnable, vars};
///
/// let prompt = Prompt::text("Tell me a {kind} joke about {topic}.").partial("kind", "short");
/// assert_eq!(prompt.format(&vars! { topic: "bears" })?, "Tell me a short joke about bears.");
/// # futures_util::FutureExt::now_or_never(async {
/// let messages = prompt.run(vars! { topic: "bears" }).await?;
/// assert_eq!(messages.as_text(), Some("Tell me a short joke about bears."));
/// # Ok::<(), millstream_core::Error>(()) }).unwrap()?;
/// # Ok::<(), millstream_core::Error>(())
/// ```
///
/// With examples, what stands before and after them is divided from them by an empty line:
///
/// ```
/// use millstream_core::{Examples, Prompt, vars};
///
/// let opposites = [vars! { word: "tall", opposite: "short" }, vars! { word: "hot", opposite: "cold" }];
/// let prompt = Prompt::text("Opposites.")
///     .examples(Examples::new(Prompt::text("{word}: {opposite}"), opposites))
///     .text("{word}:");
/// assert_eq!(prompt.format(&vars! { word: "big" })?, "Opposites.\n\ntall: short\n\nhot: cold\n\nbig:");
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TextPrompt {
    format: TemplateFormat,
    parts: Vec<Part>,
    separator: Option<String>,
    partials: Partials,
}

#[derive(Clone, Debug)]
enum Part {
    Template(Template),
    Examples(Examples<TextPrompt>),
}

impl TextPrompt {
    /// An empty prompt whose templates are written in `format`.
    pub fn written_in(format: TemplateFormat) -> Self {
        Self { format, ..Self::default() }
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, template: impl AsRef<str>) -> Self {
        self.parts.push(Part::Template(Template::read(self.format, template.as_ref())));
        self
    }

    /// Adds examples.
    #[must_use]
    pub fn examples(mut self, examples: Examples<Self>) -> Self {
        self.parts.push(Part::Examples(examples));
        self
    }

    /// What is between the texts and examples: an empty line where there are examples, else nothing.
    #[must_use]
    pub fn separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = Some(separator.into());
        self
    }

    /// Gives the variable `name` a value that a run need not give.
    #[must_use]
    pub fn partial(mut self, name: impl Into<String>, value: impl Serialize + Send + Sync + 'static) -> Self {
        self.partials.add_value(name.into(), value);
        self
    }

    /// Gives the variable `name` what `make` gives, which is called at each use.
    #[must_use]
    pub fn partial_with<T: Serialize + Send + Sync + 'static>(
        mut self,
        name: impl Into<String>,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        self.partials.add_function(name.into(), make);
        self
    }

    /// This prompt, then `next`, as one; of variables that both have already, those of `next` count.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        self.parts.extend(next.parts);
        self.separator = self.separator.or(next.separator);
        self.partials.extend(next.partials);
        self
    }

    /// The variables that must be given, by name.
    pub fn input_variables(&self) -> Vec<String> {
        let names = self.templates().flat_map(|template| template.variables());
        let names: BTreeSet<&String> = names.filter(|name| !self.partials.has(name)).collect();
        names.into_iter().cloned().collect()
    }

    /// The text for `vars`.
    ///
    /// # Errors
    /// `missing_variable` (it names the variable and what was given), `bad_template`, or `invalid_input` for a value that does not have
    /// its format.
    pub fn format(&self, vars: &Vars) -> Result<String> {
        let vars = &*self.partials.complete(vars);
        let mut texts = Vec::new();
        let mut separator = "";
        for part in &self.parts {
            match part {
                Part::Template(template) => texts.push(template.render(vars)?),
                Part::Examples(examples) => {
                    separator = "\n\n";
                    texts.extend(examples.each(vars, Self::format, String::clone)?);
                }
            }
        }
        texts.retain(|text| !text.is_empty());
        Ok(texts.join(self.separator.as_deref().unwrap_or(separator)))
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        self.parts.iter().filter_map(|part| match part {
            Part::Template(template) => Some(template),
            Part::Examples(_) => None,
        })
    }
}

impl Prompt {
    /// A prompt that is one text, with LangChain's `{variable}` templates.
    pub fn text(template: impl AsRef<str>) -> TextPrompt {
        TextPrompt::default().text(template)
    }
}

impl Runnable for TextPrompt {
    type Input = Vars;
    type Output = Messages;

    fn label(&self) -> Label {
        let has_examples = self.parts.iter().any(|part| matches!(part, Part::Examples(_)));
        Label::new(Kind::Prompt, if has_examples { "FewShotPromptTemplate" } else { "PromptTemplate" })
    }

    fn transform(&self, input: Input<Vars>, cx: Cx) -> Chunks<Messages> {
        let prompt = self.clone();
        stream::once(async move { Ok(Messages::of_text(prompt.format(&input.whole(&cx).await?)?)) }).boxed()
    }
}
