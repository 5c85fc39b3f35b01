//! Sample 8: an agent with a tool over Server-Sent Events, with the page at `/`.
//!
//! ```text
//! cargo run --example serve_agent
//! curl -N 127.0.0.1:8000/agent/stream -H 'content-type: application/json' -d '{"message": "How is the weather in Paris?"}'
//! ```
//!
//! Its tokens come as they are made, each tool call once and complete; a `thread_id` beside the message names the conversation.

use millstream::graph::react;
use millstream::prelude::*;
use millstream_server::{Config, Server};
use serde_json::json;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let found = ModelChoice::from_env().find()?;
    let server = Server::new(Config::from_env()?).agent(move || {
        let get_weather = tool(
            "get_weather",
            "Get current weather for a city.",
            json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] }),
            async |args, _| Ok(format!("The weather in {} is sunny, 25°C.", args["city"].as_str().unwrap_or_default())),
        );
        react(found.model(), [get_weather])
    });
    let running = server.start()?;
    println!("POST {}/agent/stream", running.url());
    running.wait();
    Ok(())
}
