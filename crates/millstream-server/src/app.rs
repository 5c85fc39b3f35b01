//! What a worker's handlers share, and the table of routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware;
use axum::routing::{get, post};
use millstream::graph::{self, Graph};
use millstream::{Chain, Channels, History, Message, Messages, Runnable, Vars, WithHistory};
use millstream_protocol::simple::AgentRequest;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::Config;
use crate::http::{self, Problem};
use crate::run::{Attached, Runs, Start, Thread, ViewKind};
use crate::socket;

/// The state of one worker. Its chain and its agent, and the connections to model providers in them, are its own; runs are found from every worker.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) chat: Option<Chat>,
    pub(crate) agent: Option<Graph<graph::Chat>>,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the server is to stop.
    pub(crate) stopping: CancellationToken,
    /// What `/info` answers.
    pub(crate) info: Arc<Value>,
}

/// The chat chain, and the same with a memory.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) chain: Chain<Vars, Message>,
    pub(crate) kept: WithHistory<Message>,
}

impl Chat {
    /// The chain, and with it the conversations in `history`, of which the model hears the last `limit` bytes.
    pub(crate) fn new(chain: Chain<Vars, Message>, history: Arc<dyn History>, limit: usize) -> Self {
        let kept = chain.clone().with_history(history, "question", "history").recent(limit);
        Self { chain, kept }
    }
}

/// The conversation that a question belongs to.
pub(crate) enum Talk {
    /// One that whoever asks remembers.
    Brought(Messages),
    /// One that the server keeps.
    Kept(Arc<str>),
}

impl App {
    /// Starts a run of the chat chain, with its first reader.
    pub(crate) fn ask(
        &self,
        question: String,
        talk: Talk,
        linger: Option<std::time::Duration>,
    ) -> Result<Attached, Problem> {
        let chat = self.chat.as_ref().ok_or_else(|| Problem::not_served("chat"))?;
        let vars = Vars::new().with("question", question.clone());
        let (chain, vars, conversation, thread) = match talk {
            Talk::Brought(history) => {
                let vars = vars.with("history", history.clone());
                let mut conversation = history;
                conversation.push(Message::human(question));
                (chat.chain.clone(), vars, conversation, None)
            }
            Talk::Kept(thread) => {
                let chain = chat.kept.session(thread.clone()).named("chat");
                (chain, vars, Messages::default(), Some(Thread::Chat(thread)))
            }
        };
        let start = Start { tasks: &self.tasks, form: ViewKind::PlainEvents, conversation, thread, linger };
        let channels = Channels::MESSAGES | Channels::CUSTOM;
        let attached = self
            .runs
            .start(start, |id, cancel| chain.run(vars).id(id).cancel_with(cancel).channels(channels).events())?;
        Ok(attached)
    }

    /// Starts a run of the agent, with its first reader.
    pub(crate) fn ask_agent(&self, request: AgentRequest) -> Result<Attached, Problem> {
        let agent = self.agent.as_ref().ok_or_else(|| Problem::not_served("agent"))?;
        let AgentRequest { message, thread } = request;
        let thread: Arc<str> = thread.into();
        let start = Start {
            tasks: &self.tasks,
            form: ViewKind::AgentEvents,
            conversation: Messages::default(),
            thread: Some(Thread::Agent(thread.clone())),
            linger: self.config.linger,
        };
        let channels = Channels::MESSAGES | Channels::CUSTOM | Channels::TASKS | Channels::TOOLS;
        let attached = self.runs.start(start, |id, cancel| {
            agent.run(graph::Chat::human(message)).thread(thread).id(id).cancel_with(cancel).events_of(channels)
        })?;
        Ok(attached)
    }

    /// All routes.
    pub(crate) fn router(self) -> Router {
        let cors = cross_origin(&self.config.cors_origins);
        let routes = Router::new()
            .route("/chat/stream", get(http::chat::by_get).head(http::chat::head).post(http::chat::by_post))
            .route("/agent/stream", get(http::agent::by_get).head(http::agent::head).post(http::agent::by_post))
            .route("/agent/graph", get(http::agent::graph))
            .route("/runs/{run}", get(http::runs::status))
            .route("/runs/{run}/stream", get(http::runs::watch).head(http::runs::head))
            .route("/runs/{run}/events", get(http::runs::events))
            .route("/runs/{run}/stop", post(http::runs::stop))
            // CONNECT is how HTTP/2 begins a WebSocket.
            .route("/ws/chat", get(socket::upgrade).connect(socket::upgrade))
            .route("/healthz", get(http::health))
            .route("/info", get(http::info))
            .merge(http::page::routes())
            .fallback(http::not_found)
            .method_not_allowed_fallback(http::bad_method)
            .layer(DefaultBodyLimit::disable());
        let around = ServiceBuilder::new()
            .option_layer(cors)
            .layer(CatchPanicLayer::custom(http::panicked))
            .layer(middleware::from_fn_with_state(self.clone(), http::body::take))
            .layer(middleware::from_fn_with_state(self.clone(), http::origin::guard));
        // Around the router rather than in it, where each layer would be kept once per route and connection.
        Router::new().fallback_service(around.service(routes.with_state(self)))
    }
}

/// Nothing is shared with other origins unless they are named (R47).
fn cross_origin(origins: &[String]) -> Option<CorsLayer> {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
        if origins.is_empty() {
            return None;
        }
        AllowOrigin::list(origins)
    };
    let request_headers = [
        header::CONTENT_TYPE,
        header::AUTHORIZATION,
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("idempotency-key"),
    ];
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(request_headers)
        .expose_headers([HeaderName::from_static("x-run-id"), header::RETRY_AFTER]);
    Some(cors)
}
