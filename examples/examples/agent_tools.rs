//! Sample 7: an agent with a tool. Its tokens come as they are made, and so does what it calls.

use std::io::Write;

use millstream::graph::{Chat, react};
use millstream::prelude::*;
use serde_json::json;

#[tokio::main]
async fn main() -> Result<()> {
    let get_weather = tool(
        "get_weather",
        "Get current weather for a city.",
        json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] }),
        async |args, cx: Cx| {
            cx.write("looking out of the window").await?;
            Ok(format!("The weather in {} is sunny, 25°C.", args["city"].as_str().unwrap_or_default()))
        },
    );
    let agent = react(model_from_env()?, [get_weather])?;

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
