//! The ReAct agent: a model that may call tools, and hears what they say, until it has an answer.

use std::sync::Arc;

use futures_util::future::try_join_all;
use millstream_core::{Block, Cx, Error, ErrorKind, Message, Model, Result, Role, Runnable, Tool, Tools, add_messages};
use serde::{Deserialize, Serialize};

use crate::State;
use crate::build::{END, START, StateGraph};
use crate::graph::Graph;

/// The state of a conversation.
#[derive(State, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[state(crate = "crate")]
pub struct Chat {
    /// What was said.
    #[reduce(add_messages)]
    pub messages: Vec<Message>,
}

impl Chat {
    /// A conversation that begins with what a person says.
    pub fn human(text: impl Into<String>) -> Self {
        Self { messages: vec![Message::human(text)] }
    }

    /// What was said last.
    pub fn last(&self) -> Option<&Message> {
        self.messages.last()
    }
}

/// An agent of `model` and `tools`: a graph of two nodes, `agent` and `tools`, as LangGraph's `create_react_agent` makes it.
///
/// The tools that a message calls run in parallel. A call of a tool that is not there, with arguments that its schema does not accept, or that
/// fails, has that as its result: the model hears of it and goes on. A message that was cut in the middle of a call never runs a tool.
///
/// ```
/// use millstream_core::{Demo, Model, tool};
/// use millstream_graph::{Chat, react};
/// use serde_json::json;
///
/// let weather = tool(
///     "get_weather",
///     "Get current weather for a city.",
///     json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] }),
///     async |args, _| Ok(format!("The weather in {} is sunny, 25°C.", args["city"].as_str().unwrap_or_default())),
/// );
/// # futures_util::FutureExt::now_or_never(async {
/// let agent = react(Model::from(Demo::instant()), [weather])?;
/// let end = agent.run(Chat::human("What is the weather in Paris?")).await?;
/// assert_eq!(end.messages.len(), 4);
/// assert!(end.last().unwrap().text().contains("sunny"));
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
///
/// # Errors
/// `invalid_input` if two tools have the same name.
pub fn react(model: Model, tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Result<Graph<Chat>> {
    let tools: Tools = tools.into_iter().collect();
    if let [name, ..] = tools.repeated().as_slice() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("two tools are called {name:?}; a model could not tell them apart"),
        ));
    }
    let model = model.with_tools(tools.specs());
    let agent = move |state: Arc<Chat>, cx: Cx| {
        let model = model.clone();
        async move { Ok(Chat::update().messages([model.invoke(state.messages.clone(), &cx).await?])) }
    };
    let run = move |state: Arc<Chat>, cx: Cx| {
        let tools = tools.clone();
        async move { Ok(Chat::update().messages(results(&tools, &state, &cx).await?)) }
    };
    StateGraph::new()
        .named("agent")
        .node("agent", agent)
        .node("tools", run)
        .edge(START, "agent")
        .branch_to("agent", &["tools", END], |state: &Chat| {
            let calls = state.last().is_some_and(|last| last.role == Role::Ai && last.content.iter().any(is_call));
            Ok(vec![if calls { "tools" } else { END }.into()])
        })
        .edge("tools", "agent")
        .compile()
}

fn is_call(block: &Block) -> bool {
    matches!(block, Block::ToolCall(_) | Block::InvalidToolCall { .. })
}

/// The result of each call of the last message, in their order.
async fn results(tools: &Tools, state: &Chat, cx: &Cx) -> Result<Vec<Message>> {
    let blocks = state.last().map(|last| last.content.as_slice()).unwrap_or_default();
    try_join_all(blocks.iter().filter(|block| is_call(block)).map(|block| async move {
        match block {
            Block::ToolCall(call) => tools.run(call, cx).await,
            // Every call gets a result, or the next request would not be a valid conversation.
            Block::InvalidToolCall { id, name, error, .. } => Ok(Message::tool_failure(id, name, error)),
            _ => Err(Error::new(ErrorKind::Internal, "a block that is no call was to be run")),
        }
    }))
    .await
}
