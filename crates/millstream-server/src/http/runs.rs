//! `/runs/{run}`: watching and stopping runs that were started elsewhere. Nothing here starts one (R11).

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use millstream::Outcome;
use millstream_protocol::{Cursor, Position};
use serde_json::json;
use uuid::Uuid;

use super::{Problem, stream};
use crate::app::App;
use crate::run::{Found, ServerRun};

fn find(app: &App, id: &str) -> Result<std::sync::Arc<ServerRun>, Problem> {
    // Something that is not an id names no run either.
    let id = Uuid::try_parse(id).map_err(|_| Problem::unknown_run())?;
    match app.runs.find(id) {
        Found::Run(run) => Ok(run),
        Found::Gone => Err(Problem::expired_run()),
        Found::Unknown => Err(Problem::unknown_run()),
    }
}

fn status_of(run: &ServerRun) -> &'static str {
    match run.log.finished().map(|finished| finished.outcome) {
        None => "running",
        Some(Outcome::Completed) => "completed",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Cancelled) => "cancelled",
        Some(Outcome::Interrupted) => "interrupted",
        Some(Outcome::Truncated) => "truncated",
    }
}

/// `GET /runs/{run}`: how the run is doing.
pub(crate) async fn status(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let run = find(&app, &id)?;
    let age = run.started.elapsed().as_millis();
    let body = json!({ "run": run.id, "status": status_of(&run), "events": run.log.length(), "age_ms": age });
    Ok(Json(body).into_response())
}

/// `GET /runs/{run}/stream`: the run from its start, or from behind a cursor.
pub(crate) async fn watch(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = find(&app, &id)?;
    let form = stream::form(query.as_deref(), run.form)?;
    let start = Cursor { run: run.id, position: Position::START };
    let cursor = stream::cursor(&headers, query.as_deref())?.unwrap_or(start);
    if cursor.run != run.id {
        return Err(Problem::bad_request("the event id belongs to another run"));
    }
    stream::resumed(&app, cursor, form)
}

/// `HEAD /runs/{run}/stream`.
pub(crate) async fn head(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    find(&app, &id).map(|_| stream::head())
}

/// `GET /runs/{run}/events`: the log as it is now, one JSON object a line.
pub(crate) async fn events(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let run = find(&app, &id)?;
    let mut lines = String::new();
    run.log.replay(0, |seq, event| {
        lines.push_str(&json!({ "seq": seq, "event": event }).to_string());
        lines.push('\n');
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")], lines).into_response())
}

/// `POST /runs/{run}/stop`: the run ends `cancelled`, soon. Stopping twice, or too late, changes nothing.
pub(crate) async fn stop(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let run = find(&app, &id)?;
    if run.log.finished().is_some() {
        return Ok(Json(json!({ "run": run.id, "status": status_of(&run) })).into_response());
    }
    run.stop();
    Ok((StatusCode::ACCEPTED, Json(json!({ "run": run.id, "status": "stopping" }))).into_response())
}
