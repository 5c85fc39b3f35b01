//! Prompts in chains that are put together when they run.

use futures_util::{StreamExt, stream};

use super::{Prompt, TextPrompt};
use crate::chain::Chain;
use crate::cx::{Cx, Label};
use crate::error::{Error, ErrorKind, Result};
use crate::input::Input;
use crate::message::{Message, Messages};
use crate::payload::Payload;
use crate::runnable::Runnable;
use crate::streamed::Chunks;
use crate::vars::Vars;

impl Prompt {
    /// This prompt in a chain that is put together when it runs. Where it needs one variable alone, whatever is no object is its value, as in
    /// LangChain.
    ///
    /// ```
    /// use millstream_core::{Messages, Prompt, Runnable};
    /// use serde_json::json;
    ///
    /// let prompt = Prompt::new().human("Tell me about {topic}.").dynamic();
    /// # futures_util::FutureExt::now_or_never(async {
    /// let messages = prompt.run(json!("bears")).await?;
    /// assert_eq!(messages.downcast::<Messages>().unwrap()[0].text(), "Tell me about bears.");
    /// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
    /// ```
    pub fn dynamic(self) -> Chain<Payload, Payload> {
        Runnable::dynamic(AnyInput(self))
    }
}

impl TextPrompt {
    /// This prompt in a chain that is put together when it runs: see [`Prompt::dynamic`].
    pub fn dynamic(self) -> Chain<Payload, Payload> {
        Runnable::dynamic(AnyInput(self))
    }
}

/// A prompt of either sort.
trait Template: Runnable + Clone {
    fn names(&self) -> Vec<String>;
    fn fill(&self, vars: &Vars) -> Result<Messages>;
}

impl Template for Prompt {
    fn names(&self) -> Vec<String> {
        self.input_variables()
    }

    fn fill(&self, vars: &Vars) -> Result<Messages> {
        self.format(vars)
    }
}

impl Template for TextPrompt {
    fn names(&self) -> Vec<String> {
        self.input_variables()
    }

    fn fill(&self, vars: &Vars) -> Result<Messages> {
        Ok(Messages::of_text(self.format(vars)?))
    }
}

/// The variables that a value of any type gives to a prompt that needs those with `names`.
fn vars_of(value: &Payload, names: &[String]) -> Result<Vars> {
    let is_object =
        value.downcast::<Vars>().is_some() || value.downcast::<Message>().is_none() && value.json().is_object();
    if is_object {
        return Vars::of(value);
    }
    if let [name] = names {
        return Ok([(name.clone(), value.clone())].into_iter().collect());
    }
    let shown: String = value.json().to_string().chars().take(80).collect();
    let message = format!(
        "the prompt takes an object of variables and was given {shown}; a value alone will do where it needs one variable, and it needs \
         {} of them",
        names.len()
    );
    Err(Error::new(ErrorKind::InvalidInput, message).with_name("TypeError"))
}

/// A prompt that takes a value of any type.
#[derive(Clone)]
struct AnyInput<P>(P);

impl<P: Template> Runnable for AnyInput<P> {
    type Input = Payload;
    type Output = Messages;

    fn label(&self) -> Label {
        self.0.label()
    }

    fn transform(&self, input: Input<Payload>, cx: Cx) -> Chunks<Messages> {
        let Self(prompt) = self.clone();
        let messages = async move {
            let value = input.whole(&cx).await?;
            prompt.fill(&vars_of(&value, &prompt.names())?)
        };
        stream::once(messages).boxed()
    }
}
