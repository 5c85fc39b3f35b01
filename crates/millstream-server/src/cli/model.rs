//! Which model: what the arguments and the environment say, else what is found on this machine, else the demo model.

use std::time::Duration;

use clap::Args;
use millstream::graph::{Agent, Chat, Graph};
use millstream::{Chain, FoundModel, Message, ModelChoice, Prompt, Result, Runnable, Vars, tool, tools};
use serde_json::{Value, json};

/// Arguments that choose the model. A key is taken from the environment alone: arguments can be read by everybody on the machine.
#[derive(Clone, Debug, Args)]
pub(crate) struct ModelArguments {
    /// The model's name at its provider, or "demo" for the model without weights. With neither this nor an OPENAI_API_KEY, a local
    /// model server (Ollama, llama.cpp) is looked for, and the demo model answers if there is none.
    #[arg(long, value_name = "NAME", env = "MILLSTREAM_MODEL")]
    model: Option<String>,
    /// The address of an OpenAI-shaped server: OpenAI, Azure, vLLM, llama.cpp, Ollama, OpenRouter ... Its key is OPENAI_API_KEY.
    #[arg(long, value_name = "URL", env = "OPENAI_BASE_URL")]
    base_url: Option<String>,
    /// How long the demo model takes for a token, in milliseconds; 0 is as fast as possible.
    #[arg(long, value_name = "MS", env = "MILLSTREAM_DEMO_DELAY", default_value = "25", value_parser = milliseconds)]
    demo_delay: Duration,
}

/// An environment variable that is set to nothing says nothing.
fn milliseconds(text: &str) -> std::result::Result<Duration, String> {
    match text.trim() {
        "" => Ok(ModelChoice::default().demo_delay),
        text => text.parse().map(Duration::from_millis).map_err(|_| "write a whole number of milliseconds".to_owned()),
    }
}

impl ModelArguments {
    /// Finds the model.
    pub(crate) fn find(self) -> Result<FoundModel> {
        let mut choice = ModelChoice::from_env();
        choice.model = self.model.filter(|name| !name.trim().is_empty());
        choice.environment.base_url = self.base_url.filter(|url| !url.trim().is_empty());
        choice.demo_delay = self.demo_delay;
        choice.find()
    }
}

/// The chat chain: a system prompt, the history, the question.
pub(crate) fn chat(found: &FoundModel, system: &str) -> Chain<Vars, Message> {
    // The system prompt is a text, not a template: its braces are braces.
    let prompt = Prompt::new().message(Message::system(system));
    prompt.optional_placeholder("history").human("{question}").pipe(found.model())
}

/// Get current weather for a city.
#[tool]
async fn get_weather(
    /// The city's name.
    city: String,
) -> String {
    format!("The weather in {city} is sunny, 25°C.")
}

/// The agent: the model, and a tool to show what an agent is.
pub(crate) fn agent(found: &FoundModel, system: &str) -> Result<Graph<Chat>> {
    Agent::new(found.model()).tools(tools![get_weather]).system(system).build()
}

/// What the page shows of the model.
pub(crate) fn info(found: &FoundModel) -> Value {
    match found.base_url() {
        None => json!({ "name": found.name(), "kind": "demo" }),
        Some(base_url) => json!({ "name": found.name(), "kind": "openai", "base_url": base_url }),
    }
}
