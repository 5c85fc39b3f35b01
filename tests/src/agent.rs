//! What the tests of agents share: a model that asks for the weather, the tool that tells it, and a client.

use std::sync::Arc;

use millstream::{Cx, Error, Tool, ToolCall, tool};
use millstream_server::Running;
use serde_json::{Value, json};

use crate::http::Request;
use crate::sse::{Answer, Event, Events};
use crate::{Stage, Step};

/// Says a token.
pub fn say(token: &str) -> Step {
    Step::Say(token.to_owned())
}

/// Calls the tool for Paris, its arguments in these pieces; then says that it is sunny.
pub fn asks_for_paris() -> Stage {
    let call = Step::Call("get_weather", vec!["{\"ci", "ty\": \"Pa", "ris\"}"]);
    Stage::plays([vec![call], vec![say("Paris"), say(" is"), say(" sunny.")]])
}

/// The schema of the tool's arguments.
pub fn schema() -> Value {
    json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] })
}

/// The tool, which reports what it does.
pub fn weather() -> Arc<dyn Tool> {
    tool("get_weather", "Get current weather for a city.", schema(), async |call: ToolCall, cx: Cx| {
        cx.write(json!({ "looking": "out of the window" })).await?;
        Ok::<_, Error>(format!("The weather in {} is sunny, 25°C.", call.args["city"].as_str().unwrap()))
    })
}

/// All events of the answer.
///
/// # Panics
/// When it is no stream, or breaks.
pub async fn events(server: &Running, request: Request) -> Vec<Event> {
    Events::of(request.send(server.address()).await).rest().await
}

/// The whole answer to a message in a conversation.
///
/// # Panics
/// As [`events`].
pub async fn ask(server: &Running, message: &str, thread: &str) -> Answer {
    Answer::of_agent(&events(server, Request::tell(message, thread)).await)
}

/// Reads until something of the type comes.
///
/// # Panics
/// When the stream ends before.
pub async fn until(events: &mut Events, kind: &str) -> Value {
    loop {
        let data = events.event().await.json();
        if data["type"] == kind {
            return data;
        }
    }
}
