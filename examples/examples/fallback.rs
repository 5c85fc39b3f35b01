//! A provider that fails is asked again, then another one is. Who reads the stream sees the answer alone.

use std::io::Write;
use std::time::Duration;

use millstream::models::OpenAi;
use millstream::prelude::*;

#[tokio::main]
async fn main() -> Result<()> {
    // Nobody listens there.
    let broken = Model::from(OpenAi::builder("some-model").base_url("http://127.0.0.1:9/v1").build()?);
    let twice = Retry { attempts: 2, initial: Duration::from_millis(100), ..Retry::default() };
    let model = broken.with_retry(twice).with_fallback(Model::from(Demo::default()));
    let chain = Prompt::new().human("{question}") | model;

    // The events tell who was asked.
    let mut events = chain.run(vars! { question: "Explain backpressure in one sentence." }).events();
    while let Some(event) = events.try_next().await? {
        match &event.body {
            Body::RunnableStarted { .. } => println!("[{} begins {:?}]", event.scope.name, event.scope.tags),
            Body::Message { chunk } => print!("{chunk}"),
            Body::Finished(end) => println!("\n[{:?}]", end.outcome),
            _ => {}
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}
