//! The HTTP side: requests to runs, runs to responses.

use std::any::Any;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::app::App;

pub(crate) mod agent;
pub(crate) mod body;
pub(crate) mod chat;
pub(crate) mod origin;
pub(crate) mod page;
mod problem;
pub(crate) mod query;
pub(crate) mod runs;
mod stream;

pub(crate) use problem::Problem;

/// `GET /healthz`: the process answers.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /info`: what serves here, and with which model.
pub(crate) async fn info(State(app): State<App>) -> Json<Value> {
    Json((*app.info).clone())
}

/// Any path that is not there.
pub(crate) async fn not_found() -> Problem {
    Problem::not_found(
        "there is nothing at this path; the page is at /, the chat at POST /chat/stream, the agent at POST /agent/stream",
    )
}

/// A path that is there, asked in a way that it is not; the header `Allow` says how.
pub(crate) async fn bad_method() -> Problem {
    Problem::bad_method()
}

/// A handler that panicked; the panic itself is on standard error.
pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}
