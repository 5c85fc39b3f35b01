//! Sample 7: an agent with a tool. Its tokens come as they are made, and so does what it calls.

use std::io::Write;

use millstream::prelude::*;

/// Get current weather for a city.
#[tool]
async fn get_weather(
    /// The city's name.
    city: String,
    cx: &Cx,
) -> Result<String> {
    cx.write("looking out of the window").await?;
    Ok(format!("The weather in {city} is sunny, 25°C."))
}

#[tokio::main]
async fn main() -> Result<()> {
    let agent = react(model_from_env()?, tools![get_weather])?;

    let mut events = agent.run(Chat::human("What is the weather in Paris?")).events();
    while let Some(event) = events.try_next().await? {
        match &event.body {
            Body::Message { chunk } => print!("{chunk}"),
            Body::ToolStarted { call } => println!("[calls {} {}]", call.name, call.args),
            Body::Custom { value } => println!("[{value}]"),
            Body::ToolFinished { result } => println!("[says {result}]"),
            _ => {}
        }
        std::io::stdout().flush()?;
    }
    println!();
    Ok(())
}
