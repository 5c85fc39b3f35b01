//! Prompts: templates of messages, and the variables that fill them.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::cx::{Cx, Label};
use crate::error::{Error, Result};
use crate::event::Kind;
use crate::input::Input;
use crate::message::{Message, Messages, Role};
use crate::runnable::Runnable;
use crate::streamed::Chunks;
use crate::vars::Vars;

mod any_input;
mod content;
mod examples;
mod file;
mod partials;
mod placeholder;
mod template;
mod text;

pub use content::TemplateContent;
pub use examples::Examples;
pub use file::FileFormat;
pub use placeholder::Placeholder;
pub use template::TemplateFormat;
pub use text::TextPrompt;

use content::Content;
use partials::Partials;

/// A list of message templates: a step that takes variables and gives messages.
///
/// Templates are LangChain's: `{topic}` stands for a variable, `{{` and `}}` for braces; `{price:.2f}` and `{name!r}` are written as Python
/// writes them, as is any value that is not a text. A prompt made by [`Prompt::jinja`] is written in Jinja (`{{ topic }}`, `{% if %}`, `{%
/// for %}`), one made by [`Prompt::mustache`] in Mustache. Values are inserted as they are and never read as templates.
///
/// ```
/// use millstream_core::{Message, Messages, Prompt, Runnable, vars};
///
/// let prompt = Prompt::new().system("You are {kind}.").placeholder("history").human("{question}");
/// # futures_util::FutureExt::now_or_never(async {
/// let history = [Message::human("Hi"), Message::ai("Hello!")];
/// let messages: Messages = prompt.run(vars! { kind: "brief", history: history, question: "Why {braces}?" }).await?;
/// assert_eq!(messages.len(), 4);
/// assert_eq!(messages[3].text(), "Why {braces}?");
///
/// let error = prompt.run(vars! { kind: "brief", questoin: "?" }).await.unwrap_err();
/// assert_eq!(error.code(), "missing_variable");
/// assert!(error.to_string().contains("\"history\""));
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    items: Vec<Item>,
    format: TemplateFormat,
    partials: Partials,
}

#[derive(Clone, Debug)]
enum Item {
    /// A message of `role`; of [`Role::Chat`] with the name of who speaks.
    Template {
        role: Role,
        speaker: Option<String>,
        content: Content,
    },
    Message(Message),
    Placeholder(Placeholder),
    Examples(Examples<Prompt>),
    /// A text that is one message of the person.
    Text(TextPrompt),
}

impl Prompt {
    /// An empty prompt with LangChain's `{variable}` templates.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty prompt with Jinja templates.
    pub fn jinja() -> Self {
        Self::written_in(TemplateFormat::Jinja)
    }

    /// An empty prompt with Mustache templates.
    pub fn mustache() -> Self {
        Self::written_in(TemplateFormat::Mustache)
    }

    /// An empty prompt whose templates are written in `format`.
    pub fn written_in(format: TemplateFormat) -> Self {
        Self { format, ..Self::default() }
    }

    /// Adds instructions of the application.
    #[must_use]
    pub fn system(self, template: impl Into<TemplateContent>) -> Self {
        self.template(Role::System, None, template.into())
    }

    /// Adds what the person says: a text, or blocks with images.
    #[must_use]
    pub fn human(self, template: impl Into<TemplateContent>) -> Self {
        self.template(Role::Human, None, template.into())
    }

    /// Adds what the model says.
    #[must_use]
    pub fn ai(self, template: impl Into<TemplateContent>) -> Self {
        self.template(Role::Ai, None, template.into())
    }

    /// Adds what somebody else says, who is named by `speaker`: LangChain's `ChatMessagePromptTemplate`.
    #[must_use]
    pub fn chat(self, speaker: impl Into<String>, template: impl Into<TemplateContent>) -> Self {
        self.template(Role::Chat, Some(speaker.into()), template.into())
    }

    /// Adds a template by the name of its role: `system`, `human` or `user`, `ai` or `assistant`; `placeholder` with `{name}` is an
    /// optional placeholder. Any other name is an error of every use.
    ///
    /// ```
    /// use millstream_core::{Prompt, Role, vars};
    ///
    /// let prompt = Prompt::new().role("placeholder", "{history}").role("user", "{q}").role("assistant", "Hm.");
    /// let messages = prompt.format(&vars! { q: "Why?" })?;
    /// assert_eq!((messages[0].role, messages[1].role), (Role::Human, Role::Ai));
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    #[must_use]
    pub fn role(self, name: &str, template: impl Into<TemplateContent>) -> Self {
        let template = template.into();
        if name != PLACEHOLDER {
            return match template_role(name) {
                Ok(role) => self.template(role, None, template),
                Err(problem) => self.broken(problem),
            };
        }
        match template.placeholder() {
            Some(placeholder) => self.placeholder(placeholder.optional()),
            None => self.broken("a placeholder is written as the name of its variable in braces: {history}".to_owned()),
        }
    }

    /// Adds a message as it is: its braces are braces.
    #[must_use]
    pub fn message(self, message: Message) -> Self {
        self.with(Item::Message(message))
    }

    /// Adds the messages of a variable, which must be given, unless the [`Placeholder`] says otherwise.
    #[must_use]
    pub fn placeholder(self, placeholder: impl Into<Placeholder>) -> Self {
        self.with(Item::Placeholder(placeholder.into()))
    }

    /// Adds the messages of the variable `name`, if it is given.
    #[must_use]
    pub fn optional_placeholder(self, name: impl Into<String>) -> Self {
        self.placeholder(Placeholder::new(name).optional())
    }

    /// Adds the messages of examples.
    #[must_use]
    pub fn examples(self, examples: Examples<Self>) -> Self {
        self.with(Item::Examples(examples))
    }

    /// Gives the variable `name` a value that a run need not give.
    ///
    /// ```
    /// use millstream_core::{Prompt, vars};
    ///
    /// let prompt = Prompt::new().system("You are {name}.").human("{q}").partial("name", "Ada");
    /// assert_eq!(prompt.input_variables(), ["q"]);
    /// assert_eq!(prompt.format(&vars! { q: "?" })?[0].text(), "You are Ada.");
    /// assert_eq!(prompt.format(&vars! { q: "?", name: "Bob" })?[0].text(), "You are Bob.");
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    #[must_use]
    pub fn partial(mut self, name: impl Into<String>, value: impl Serialize + Send + Sync + 'static) -> Self {
        self.partials.add_value(name.into(), value);
        self
    }

    /// Gives the variable `name` what `make` gives, which is called at each use.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// use millstream_core::{Prompt, Vars};
    ///
    /// let count = AtomicU32::new(1);
    /// let prompt = Prompt::new().human("Question {n}").partial_with("n", move || count.fetch_add(1, Ordering::Relaxed));
    /// assert_eq!(prompt.format(&Vars::new())?[0].text(), "Question 1");
    /// assert_eq!(prompt.format(&Vars::new())?[0].text(), "Question 2");
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    #[must_use]
    pub fn partial_with<T: Serialize + Send + Sync + 'static>(
        mut self,
        name: impl Into<String>,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        self.partials.add_function(name.into(), make);
        self
    }

    /// The messages of this prompt, then those of `next`, as one prompt; of variables that both have already, those of `next` count.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        self.items.extend(next.items);
        self.partials.extend(next.partials);
        self
    }

    fn template(self, role: Role, speaker: Option<String>, template: TemplateContent) -> Self {
        let content = Content::read(self.format, template);
        self.with(Item::Template { role, speaker, content })
    }

    fn broken(self, problem: String) -> Self {
        self.with(Item::Template { role: Role::Human, speaker: None, content: Content::broken(problem) })
    }

    fn with(mut self, item: Item) -> Self {
        self.items.push(item);
        self
    }

    /// The variables that must be given, by name.
    pub fn input_variables(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        for item in &self.items {
            match item {
                Item::Template { content, .. } => {
                    names.extend(content.templates().into_iter().flat_map(|template| template.variables()).cloned());
                }
                Item::Text(text) => names.extend(text.input_variables()),
                Item::Placeholder(placeholder) if !placeholder.optional => {
                    names.insert(placeholder.name.clone());
                }
                Item::Placeholder(_) | Item::Message(_) | Item::Examples(_) => {}
            }
        }
        names.into_iter().filter(|name| !self.partials.has(name)).collect()
    }

    /// The variables that may be given and need not, by name: those of optional placeholders.
    pub fn optional_variables(&self) -> Vec<String> {
        let optional = self.items.iter().filter_map(|item| match item {
            Item::Placeholder(placeholder) if placeholder.optional => Some(placeholder.name.clone()),
            _ => None,
        });
        optional.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The messages for `vars`.
    ///
    /// # Errors
    /// `missing_variable` (it names the variable and what was given), `bad_template`, or `invalid_input` for a placeholder that is not
    /// messages, and for a value that does not have its format.
    pub fn format(&self, vars: &Vars) -> Result<Messages> {
        let vars = &*self.partials.complete(vars);
        let mut messages = Messages::default();
        for item in &self.items {
            match item {
                Item::Template { role, speaker, content } => {
                    messages.push(content.message(*role, speaker.as_deref(), vars)?)
                }
                Item::Message(message) => messages.push(message.clone()),
                Item::Text(text) => messages.push(Message::human(text.format(vars)?)),
                Item::Placeholder(placeholder) => messages.extend(placeholder.messages(vars)?),
                Item::Examples(examples) => {
                    let texts = |messages: &Messages| messages.iter().map(Message::text).collect::<Vec<_>>().join("\n");
                    messages.extend(examples.each(vars, Self::format, texts)?.into_iter().flatten());
                }
            }
        }
        Ok(messages)
    }

    /// Why it cannot be used, if it cannot.
    fn problem(&self) -> Option<&str> {
        self.items.iter().find_map(|item| match item {
            Item::Template { content, .. } => content.templates().into_iter().find_map(template::Template::problem),
            _ => None,
        })
    }
}

/// The role of a template that is an optional placeholder.
const PLACEHOLDER: &str = "placeholder";

/// The role of a template by its name.
///
/// # Errors
/// What to use instead.
fn template_role(name: &str) -> Result<Role, String> {
    match Role::parse(name) {
        Ok(role @ (Role::System | Role::Human | Role::Ai)) if name != "developer" => Ok(role),
        _ => Err(format!("there are no templates of the role {name:?}; use system, human (user) or ai (assistant)")),
    }
}

/// One message of the person.
impl From<TextPrompt> for Prompt {
    fn from(text: TextPrompt) -> Self {
        Self::new().with(Item::Text(text))
    }
}

fn missing(name: &str, vars: &Vars) -> Error {
    vars.missing("the prompt", name)
}

impl Runnable for Prompt {
    type Input = Vars;
    type Output = Messages;

    fn label(&self) -> Label {
        Label::new(Kind::Prompt, "ChatPromptTemplate")
    }

    fn transform(&self, input: Input<Vars>, cx: Cx) -> Chunks<Messages> {
        let prompt = self.clone();
        stream::once(async move { prompt.format(&input.whole(&cx).await?) }).boxed()
    }
}
