//! `/agent/stream`: a message in; what the agent says, calls and hears out. `/agent/graph`: what it looks like.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use millstream::graph::Drawing;
use millstream_protocol::simple::AgentRequest;
use serde::Serialize;

use super::{Problem, body, query, stream};
use crate::app::App;
use crate::run::ViewKind;

/// `POST /agent/stream` with `{"message": "...", "thread_id": "..."}`. With a `Last-Event-ID` it comes back to a run, whatever the body says.
pub(crate) async fn by_post(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    answer(&app, query.as_deref(), &headers, || {
        body::check_json(&headers)?;
        Ok(AgentRequest::from_json(&body)?)
    })
    .await
}

/// `GET /agent/stream?message=...&thread_id=...`, for `EventSource`.
pub(crate) async fn by_get(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = query.as_deref();
    let request = || Ok(AgentRequest::new(query::value(query, "message")?, query::value(query, "thread_id")?)?);
    answer(&app, query, &headers, request).await
}

/// `HEAD`: what a stream would look like. It never starts a run.
pub(crate) async fn head() -> Response {
    stream::head()
}

async fn answer(
    app: &App,
    query: Option<&str>,
    headers: &HeaderMap,
    request: impl FnOnce() -> Result<AgentRequest, Problem>,
) -> Result<Response, Problem> {
    let form = stream::form(query, ViewKind::AgentEvents)?;
    if let Some(cursor) = stream::cursor(headers, query)? {
        return stream::resumed(app, cursor, form);
    }
    let attached = app.ask_agent(request()?)?;
    Ok(stream::started(app, attached, form).await)
}

/// The agent's graph, as data and as Mermaid text.
#[derive(Serialize)]
pub(crate) struct Drawn {
    #[serde(flatten)]
    drawing: Drawing,
    mermaid: String,
}

/// `GET /agent/graph`: its nodes and edges.
pub(crate) async fn graph(State(app): State<App>) -> Result<Json<Drawn>, Problem> {
    let agent = app.agent.as_ref().ok_or_else(|| Problem::not_served("agent"))?;
    let drawing = agent.drawing();
    Ok(Json(Drawn { mermaid: drawing.mermaid(), drawing }))
}
