//! Sample 9: an answer that fails in the middle says so in the stream, since its status was sent long before.

use std::time::Duration;

use millstream::models::OpenAi;
use millstream::prelude::*;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

/// Writes an answer as events: tokens, then how it ended. Its reader's pace is the model's: what nobody takes is not asked for.
async fn write_events(chain: &Chain<Vars, Message>, question: &str, limit: Duration) {
    let deadline = Instant::now() + limit;
    let mut chunks = chain.run(vars! { q: question }).stream();
    let end = loop {
        match timeout_at(deadline, chunks.try_next()).await {
            Ok(Ok(Some(chunk))) => {
                if let Some(text) = chunk.text() {
                    println!("data: {}\n", json!({ "token": text }));
                }
            }
            Ok(Ok(None)) => break json!({ "done": true }),
            // What a client may know: the provider's own words may hold secrets.
            Ok(Err(error)) => break json!({ "error": error.public().message }),
            Err(_) => break json!({ "error": "Request timed out" }),
        }
    };
    println!("data: {end}\n");
}

#[tokio::main]
async fn main() {
    let slow = Prompt::new().human("{q}") | Model::from(Demo::default().with_delay(Duration::from_millis(20)));
    write_events(&slow, "Hello", Duration::from_secs(30)).await;
    write_events(&slow, "Explain backpressure", Duration::from_millis(150)).await;

    let unreachable = OpenAi::builder("nobody").base_url("http://127.0.0.1:9/v1").build();
    let unreachable = Prompt::new().human("{q}") | Model::from(unreachable.expect("the address can be read"));
    write_events(&unreachable, "Is anybody there?", Duration::from_secs(30)).await;
}
