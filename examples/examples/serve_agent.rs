//! Sample 8: an agent with a tool over Server-Sent Events, with the page at `/`.
//!
//! ```text
//! cargo run --example serve_agent
//! curl -N 127.0.0.1:8000/agent/stream -H 'content-type: application/json' -d '{"message": "How is the weather in Paris?"}'
//! ```
//!
//! Its tokens come as they are made, each tool call once and complete; a `thread_id` beside the message names the conversation.

use millstream::prelude::*;
use millstream_server::{Config, Server};

/// Get current weather for a city.
#[tool]
async fn get_weather(
    /// The city's name.
    city: String,
) -> String {
    format!("The weather in {city} is sunny, 25°C.")
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let found = ModelChoice::from_env().find()?;
    let server = Server::new(Config::from_env()?).agent(move || react(found.model(), tools![get_weather]));
    let running = server.start()?;
    println!("POST {}/agent/stream", running.url());
    running.wait();
    Ok(())
}
