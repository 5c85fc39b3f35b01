//! Model providers over HTTP.
//!
//! - [`OpenAi`]: everything that speaks OpenAI's chat completions, be it OpenAI, Azure, vLLM, llama.cpp, Ollama, Groq, DeepSeek, Mistral,
//!   OpenRouter or another;
//! - [`Environment`]: which model is meant by `openai:gpt-4o-mini`, and which is there when nobody says;
//! - [`Limits`]: how long to wait for what;
//! - [`ProviderDetail`]: the provider's own words about a failure, for logs that may hold them.
//!
//! Opening is separate from reading: a refused key or a busy provider is an error of the call, before anything was said. Dropping an
//! answer closes its connection.

mod frames;
mod limits;
mod openai;
mod refusal;
mod registry;
mod transport;

pub use limits::Limits;
pub use openai::{OpenAi, OpenAiBuilder};
pub use refusal::ProviderDetail;
pub use registry::{Detected, Environment, LocalServer};
