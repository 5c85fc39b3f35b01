//! Sample 4: a chain over Server-Sent Events, with the chat page at `/`.
//!
//! ```text
//! cargo run --example serve_sse
//! curl -N 127.0.0.1:8000/chat/stream -H 'content-type: application/json' -d '{"question": "Explain stream modes."}'
//! ```
//!
//! Each event has an id: a client that comes back with `Last-Event-ID` gets exactly what it missed, and the model is asked once.

use millstream::prelude::*;
use millstream_server::{Config, Server};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let found = ModelChoice::from_env().find()?;
    let server = Server::new(Config::from_env()?).chat(move || {
        let prompt = Prompt::new().system("You are a helpful assistant.").human("{question}");
        prompt | found.model()
    });
    let running = server.start()?;
    println!("POST {}/chat/stream", running.url());
    running.wait();
    Ok(())
}
