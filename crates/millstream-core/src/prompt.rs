//! Prompts: templates of messages, and the variables that fill them.

use futures_util::{StreamExt, stream};

use crate::cx::{Cx, Label};
use crate::dynamic::Dynamic;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Kind;
use crate::input::Input;
use crate::message::{Message, Messages, Role};
use crate::payload::Payload;
use crate::runnable::Runnable;
use crate::streamed::Chunks;
use crate::vars::Vars;

mod template;

use template::Template;

/// A list of message templates: a step that takes variables and gives messages.
///
/// Templates are LangChain's: `{topic}` stands for a variable, `{{` and `}}` for braces. A prompt made by [`Prompt::jinja`] is written in
/// Jinja (`{{ topic }}`, `{% if %}`, `{% for %}`). Values are inserted as they are and never read as templates.
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
    jinja: bool,
}

#[derive(Clone, Debug)]
enum Item {
    Template { role: Role, template: Template },
    Message(Message),
    Placeholder { name: String, optional: bool },
}

impl Prompt {
    /// An empty prompt with LangChain's `{variable}` templates.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty prompt with Jinja templates.
    pub fn jinja() -> Self {
        Self { items: Vec::new(), jinja: true }
    }

    /// Adds instructions of the application.
    #[must_use]
    pub fn system(self, template: impl Into<String>) -> Self {
        self.template(Role::System, template)
    }

    /// Adds what the person says.
    #[must_use]
    pub fn human(self, template: impl Into<String>) -> Self {
        self.template(Role::Human, template)
    }

    /// Adds what the model says.
    #[must_use]
    pub fn ai(self, template: impl Into<String>) -> Self {
        self.template(Role::Ai, template)
    }

    /// Adds a message as it is: its braces are braces.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.items.push(Item::Message(message));
        self
    }

    /// Adds the messages of the variable `name`, which must be given.
    #[must_use]
    pub fn placeholder(mut self, name: impl Into<String>) -> Self {
        self.items.push(Item::Placeholder { name: name.into(), optional: false });
        self
    }

    /// Adds the messages of the variable `name`, if it is given.
    #[must_use]
    pub fn optional_placeholder(mut self, name: impl Into<String>) -> Self {
        self.items.push(Item::Placeholder { name: name.into(), optional: true });
        self
    }

    fn template(mut self, role: Role, template: impl Into<String>) -> Self {
        let template = if self.jinja { Template::jinja(template.into()) } else { Template::braces(&template.into()) };
        self.items.push(Item::Template { role, template });
        self
    }

    /// The messages for `vars`.
    ///
    /// # Errors
    /// `missing_variable` (it names the variable and what was given), `bad_template`, or `invalid_input` for a placeholder that is not messages.
    pub fn format(&self, vars: &Vars) -> Result<Messages> {
        let mut messages = Messages::default();
        for item in &self.items {
            match item {
                Item::Template { role, template } => messages.push(Message::new(*role, template.render(vars)?)),
                Item::Message(message) => messages.push(message.clone()),
                Item::Placeholder { name, optional } => match vars.get(name) {
                    Some(value) => messages.extend(conversation(name, value)?),
                    None if *optional => {}
                    None => return Err(missing(name, vars)),
                },
            }
        }
        Ok(messages)
    }
}

fn conversation(name: &str, value: &Payload) -> Result<Messages> {
    Messages::read(value).map_err(|error| {
        let message = format!("the variable {name:?} must be a list of messages: {error}");
        Error::new(ErrorKind::InvalidInput, message).with_source(error)
    })
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
