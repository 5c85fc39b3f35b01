//! The ReAct agent: a model that may call tools, and hears what they say, until it has an answer.

use std::fmt;
use std::sync::Arc;

use millstream_core::{Error, ErrorKind, Message, Model, Result, Tool, ToolFailures, Tools};

use crate::build::{END, START, StateGraph};
use crate::graph::Graph;
use crate::state::{Schema, Typed};

mod chat;
mod history;
mod model;
mod route;
mod tools;

pub use chat::{Chat, ChatUpdate, Conversation};
use model::ModelNode;
use route::Route;
pub use tools::ToolNode;

/// An agent of `model` and `tools`, with everything else as [`Agent`] has it unless it is told otherwise.
///
/// ```
/// use millstream_core::{Demo, Model, tool, tools};
/// use millstream_graph::{Chat, react};
///
/// /// Get current weather for a city.
/// #[tool(crate = "millstream_core")]
/// async fn get_weather(
///     /// The city's name.
///     city: String,
/// ) -> String {
///     format!("The weather in {city} is sunny, 25°C.")
/// }
///
/// # futures_util::FutureExt::now_or_never(async {
/// let agent = react(Model::from(Demo::instant()), tools![get_weather])?;
/// let end = agent.run(Chat::human("What is the weather in Paris?")).await?;
/// assert_eq!(end.messages.len(), 4);
/// assert!(end.last().unwrap().text().contains("sunny"));
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
///
/// # Errors
/// `invalid_input` if two tools have the same name.
pub fn react(model: Model, tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Result<Graph<Chat>> {
    Agent::new(model).tools(tools).build()
}

/// An agent that is being built: a graph of two nodes, one that asks the model and one that runs the tools it calls.
///
/// The tools that a message calls run in parallel, each in a task of its own, so that each can fail, ask a person or be run again for itself. A call
/// of a tool that is not there, or with arguments that its schema does not accept, has that as its result: the model hears of it and goes on. A
/// conversation in which calls were left without a result, since a run was stopped or failed, is made whole before the model is asked again.
///
/// ```
/// use millstream_core::{Demo, Model, ToolFailures, tools};
/// use millstream_graph::{Agent, Chat};
///
/// let guide = Agent::new(Model::from(Demo::instant()))
///     .system("You are a guide. Answer in one sentence.")
///     .failures(ToolFailures::EndRun)
///     .named("guide")
///     .build()?;
/// # futures_util::FutureExt::now_or_never(async {
/// let end = guide.run(Chat::human("Why streams?")).await?;
/// assert_eq!(end.last().unwrap().name.as_deref(), Some("guide"));
/// assert_eq!(end.messages.len(), 2, "the instructions are not a part of the conversation");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[must_use = "an agent is built by `build`"]
pub struct Agent {
    model: Model,
    tools: Vec<Arc<dyn Tool>>,
    system: Option<Message>,
    name: Option<Arc<str>>,
    failures: ToolFailures,
    tasks: ToolTasks,
    form: AgentForm,
}

/// In how many tasks the tools run that one message calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolTasks {
    /// Each call in its own: LangGraph's `version="v2"`.
    #[default]
    PerCall,
    /// All in one, still in parallel: LangGraph's `version="v1"`.
    PerMessage,
}

/// After which of the two prebuilt agents of the reference an agent is made. They differ in names, and in when an agent has to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgentForm {
    /// LangGraph's `create_react_agent`: the model's node is `agent`; when the run may not begin enough steps for another round it says so
    /// instead of failing; and one call of a tool whose word is the last is enough to end.
    #[default]
    LangGraph,
    /// LangChain's `create_agent`: the model's node is `model`; and an agent ends directly only if all the tools of a message say the last word.
    LangChain,
}

impl AgentForm {
    fn model_node(self) -> &'static str {
        match self {
            Self::LangGraph => "agent",
            Self::LangChain => "model",
        }
    }
}

/// The node that runs tools.
const TOOLS: &str = "tools";

impl Agent {
    /// An agent that may call nothing yet.
    pub fn new(model: Model) -> Self {
        Self {
            model,
            tools: Vec::new(),
            system: None,
            name: None,
            failures: ToolFailures::default(),
            tasks: ToolTasks::default(),
            form: AgentForm::default(),
        }
    }

    /// Tools that it may call, besides those it has.
    pub fn tools(mut self, tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        self.tools.extend(tools);
        self
    }

    /// What the model is told before the conversation, each time it is asked. It is not a part of the state.
    pub fn system(mut self, text: impl Into<String>) -> Self {
        self.system = Some(Message::system(text));
        self
    }

    /// Names the agent: its graph, and the messages of its model.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What becomes of a tool's failure; the model hears of it unless this is set.
    pub fn failures(mut self, failures: ToolFailures) -> Self {
        self.failures = failures;
        self
    }

    /// In how many tasks tools run; each call in its own unless this is set.
    pub fn tasks(mut self, tasks: ToolTasks) -> Self {
        self.tasks = tasks;
        self
    }

    /// After which agent of the reference it is made; LangGraph's unless this is set.
    pub fn form(mut self, form: AgentForm) -> Self {
        self.form = form;
        self
    }

    /// The agent, on a conversation.
    ///
    /// # Errors
    /// `invalid_input` if two tools have the same name.
    pub fn build(self) -> Result<Graph<Chat>> {
        self.build_on(Chat::schema())
    }

    /// The agent, on a state of yours that has a conversation in it.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_on<S: Conversation>(self, schema: Schema<S>) -> Result<Graph<S>> {
        self.graph_on(schema)?.compile()
    }

    /// The agent as a graph that is still being built, to add nodes and edges.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn graph_on<S: Conversation>(self, schema: Schema<S>) -> Result<StateGraph<S>> {
        let Self { model, tools, system, name, failures, tasks, form } = self;
        let tools: Tools = tools.into_iter().collect();
        if let [name, ..] = tools.repeated().as_slice() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("two tools are called {name:?}; a model could not tell them apart"),
            ));
        }
        let (asks, has_tools) = (form.model_node(), !tools.is_empty());
        let direct: Arc<[String]> =
            tools.iter().filter(|tool| tool.return_direct()).map(|tool| tool.spec().name.clone()).collect();
        let route = Route { form, tasks, direct };
        let node = ModelNode::new(model.with_tools(tools.specs()), system, name.clone(), route.clone());
        let mut graph = StateGraph::with_schema(schema).node(asks, node).edge(START, asks);
        if form == AgentForm::LangChain {
            graph = graph.graph_metadata("ls_integration", "langchain_create_agent");
        }
        if let Some(name) = &name {
            graph = graph.named(name.clone());
            if form == AgentForm::LangChain {
                graph = graph.graph_metadata("lc_agent_name", &**name);
            }
        }
        if !has_tools {
            return Ok(graph.edge(asks, END));
        }
        let (ends, told) = (!route.direct.is_empty(), form == AgentForm::LangGraph);
        let (from_model, from_tools) = (route.clone(), route);
        let mut graph = graph
            .node(TOOLS, ToolNode::new(tools).failures(failures))
            .branch_to(asks, &[TOOLS, asks, END], move |state: &S| from_model.after_model(state))
            .branch_name("should_continue");
        if !told {
            graph = graph.branch_untold();
        }
        if !ends {
            return Ok(graph.edge(TOOLS, asks));
        }
        graph = graph
            .branch_to(TOOLS, &[asks, END], move |state: &S| from_tools.after_tools(state))
            .branch_name("route_tool_responses");
        Ok(if told { graph } else { graph.branch_untold() })
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools: Vec<_> = self.tools.iter().map(|tool| &tool.spec().name).collect();
        f.debug_struct("Agent").field("model", &self.model).field("tools", &tools).finish_non_exhaustive()
    }
}
