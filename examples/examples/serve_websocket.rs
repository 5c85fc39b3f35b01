//! Sample 5: a conversation over WebSocket. The connection keeps the history; `history` is where the prompt wants it.
//!
//! ```text
//! cargo run --example serve_websocket
//!
//! const ws = new WebSocket("ws://127.0.0.1:8000/ws/chat");           // in the console of the page at http://127.0.0.1:8000
//! ws.onmessage = (event) => console.log(event.data);                 // tokens, then [DONE]
//! ws.onopen = () => ws.send("Tell me about RAG pipelines.");
//! ```

use millstream::prelude::*;
use millstream_server::{Config, Server};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let found = ModelChoice::from_env().find()?;
    let server = Server::new(Config::from_env()?).chat(move || {
        let system = Prompt::new().system("You are a helpful assistant.");
        system.placeholder("history").human("{question}") | found.model()
    });
    let running = server.start()?;
    println!("{}/ws/chat", running.url().replace("http", "ws"));
    running.wait();
    Ok(())
}
