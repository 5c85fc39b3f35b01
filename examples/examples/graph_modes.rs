//! Sample 6: a graph, and its stream modes.

use std::sync::Arc;

use millstream::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(State, Clone, Default, Serialize, Deserialize)]
struct Chat {
    #[reduce(add_messages)]
    messages: Vec<Message>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let model = model_from_env()?;
    let agent = move |state: Arc<Chat>, cx: Cx| {
        let model = model.clone();
        async move { Ok(Chat::update().messages([model.invoke(state.messages.clone(), &cx).await?])) }
    };
    let app = StateGraph::new().node("agent", agent).edge(START, "agent").edge("agent", END).compile()?;
    let initial = Chat { messages: vec![Message::human("Write a haiku about LangGraph.")] };

    println!("=== values: the whole state after every step");
    let mut values = app.run(initial.clone()).values();
    while let Some(state) = values.try_next().await? {
        println!("{}", state.messages[state.messages.len() - 1]);
    }
    println!("=== messages, updates: tokens as they come, then what the node changed");
    let mut items = app.run(initial).watch([Mode::Messages, Mode::Updates]);
    while let Some(item) = items.try_next().await? {
        match item {
            Item::Message { chunk, .. } => print!("{chunk}"),
            Item::Updates { node, updates, .. } => println!("\n[{node}] {updates:?}"),
            _ => {}
        }
    }
    Ok(())
}
