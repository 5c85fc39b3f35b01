//! Request bodies: bounded, and refused in a way that the client gets to read.

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::Problem;
use crate::app::App;

/// How much of a refused body is still taken, so that the client finishes sending and reads the answer.
const DRAINED: usize = 64 << 20;

/// Refuses a body that says it is not JSON. One that does not say what it is may be.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json { Ok(()) } else { Err(Problem::not_json(&text)) }
}

/// Takes the whole body before anything is answered: many clients read no answer before they have sent everything, so an answer that
/// leaves the body where it is would never be read.
pub(crate) async fn take(State(app): State<App>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(head, body)).await;
    }
    let limits = &app.config.limits;
    let read = tokio::time::timeout(limits.send, read(body, limits.body)).await;
    match read.unwrap_or_else(|_| Err(Problem::too_slow())) {
        Ok(bytes) => next.run(Request::from_parts(head, Body::from(bytes))).await,
        Err(problem) => problem.into_response(),
    }
}

/// Reads a body of at most `limit` bytes.
async fn read(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut taken = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::bad_request("the body was cut off before its end"))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= limit {
            taken.extend_from_slice(&data);
        } else if length > DRAINED {
            break;
        }
    }
    if length > limit { Err(Problem::too_large(limit)) } else { Ok(taken.freeze()) }
}
