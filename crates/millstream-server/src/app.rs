//! What a worker's handlers share, and the table of routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware;
use axum::routing::{get, post};
use millstream::{Chain, Message, Messages, Vars};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::Config;
use crate::http::{self, Problem};
use crate::run::{Attached, Runs, Start};
use crate::socket;

/// The state of one worker. Its chain, and the connections to model providers in it, are its own; runs are found from every worker.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) chat: Chain<Vars, Message>,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the server is to stop.
    pub(crate) stopping: CancellationToken,
    /// What `/info` answers.
    pub(crate) info: Arc<Value>,
}

impl App {
    /// Starts a run of the chat chain, with its first reader.
    pub(crate) fn ask(
        &self,
        question: String,
        history: Messages,
        linger: Option<std::time::Duration>,
    ) -> Result<Attached, Problem> {
        let start = Start { chain: &self.chat, tasks: &self.tasks, history, question, linger };
        self.runs.start(start).ok_or_else(Problem::busy)
    }

    /// All routes.
    pub(crate) fn router(self) -> Router {
        let cors = cross_origin(&self.config.cors_origins);
        let routes = Router::new()
            .route("/chat/stream", get(http::chat::by_get).head(http::chat::head).post(http::chat::by_post))
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
