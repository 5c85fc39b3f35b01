//! Sample 3: everything that happens in a chain, as events.

use std::io::Write;

use millstream::prelude::*;

#[tokio::main]
async fn main() -> Result<()> {
    let chain = (Prompt::new().human("{q}") | model_from_env()?).named("my-chain");

    let mut events = chain.run(vars! { q: "Explain RAG" }).events();
    while let Some(event) = events.try_next().await? {
        let name = &event.scope.name;
        match &event.body {
            // Tokens of the model.
            Body::Message { chunk } => print!("{chunk}"),
            Body::RunnableStarted { .. } => println!("\n[START: {name}]"),
            Body::RunnableFinished { .. } => println!("\n[END: {name}]"),
            Body::Finished(end) => {
                println!("\n[{:?}, {} tokens]", end.outcome, end.usage.as_ref().map_or(0, |usage| usage.total_tokens))
            }
            _ => {}
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}
