//! A run as a response: Server-Sent Events from the run's log.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use millstream_protocol::{Cursor, Position, sse};
use tokio::time::{Instant, Sleep};
use uuid::Uuid;

use super::{Problem, query};
use crate::app::App;
use crate::run::{Attached, Found, ViewKind, Viewer};

/// Which form of the simple protocol the query asks for; `default` if none.
pub(crate) fn form(query: Option<&str>, default: ViewKind) -> Result<ViewKind, Problem> {
    match query::value(query, "format")?.as_deref() {
        None => Ok(default),
        Some("text" | "plain") => Ok(ViewKind::PlainEvents),
        Some("json") => Ok(ViewKind::JsonEvents),
        Some("agent") => Ok(ViewKind::AgentEvents),
        Some(other) => Err(Problem::bad_request(format!("there is no format {other:?}; use plain, json or agent"))),
    }
}

/// The cursor that a client comes back with, if it does: the header, or the query for an `EventSource`, which cannot set one.
pub(crate) fn cursor(headers: &HeaderMap, query: Option<&str>) -> Result<Option<Cursor>, Problem> {
    let text = match headers.get("last-event-id") {
        Some(value) => Some(String::from_utf8_lossy(value.as_bytes()).into_owned()),
        None => query::value(query, "last_event_id")?,
    };
    // A page that has seen nothing yet may send an empty id.
    let text = text.filter(|text| !text.is_empty());
    Ok(text.map(|text| text.parse()).transpose()?)
}

/// The response of a run that was just started.
pub(crate) async fn started(app: &App, attached: Attached, kind: ViewKind) -> Response {
    let run = attached.run().clone();
    // Whatever comes first: the answer's beginning, the run's end, or the time to let the client know that it was heard.
    let _ = tokio::time::timeout(app.config.hold_head, run.log.begun()).await;
    if let Some(error) = run.log.failed_silently().and_then(|finished| finished.error.as_ref()) {
        return with_run_id(Problem::of_run(error).into_response(), run.id);
    }
    events(app, attached, kind, Position::START, sse::opening(run.id))
}

/// The response to a client that comes back: exactly what is behind its cursor, then what follows.
pub(crate) fn resumed(app: &App, cursor: Cursor, kind: ViewKind) -> Result<Response, Problem> {
    let run = match app.runs.find(cursor.run) {
        Found::Run(run) => run,
        Found::Gone => return Err(Problem::expired_run()),
        Found::Unknown => return Err(Problem::unknown_run()),
    };
    if cursor.position.seq() > run.log.length() {
        return Err(Problem::bad_request(
            "the event id is ahead of the run; send back the id of the last event as it came",
        ));
    }
    let viewer = Viewer::new(run.attach(), kind, cursor.position);
    if viewer.is_at_end() {
        // Only this makes an EventSource stop for good.
        return Ok(with_run_id(StatusCode::NO_CONTENT.into_response(), run.id));
    }
    Ok(respond(app, viewer, sse::RESUMED.to_owned()))
}

fn events(app: &App, attached: Attached, kind: ViewKind, position: Position, opening: String) -> Response {
    respond(app, Viewer::new(attached, kind, position), opening)
}

fn respond(app: &App, viewer: Viewer, opening: String) -> Response {
    let id = viewer.run().id;
    let heartbeat = Heartbeat::new(app.config.heartbeat);
    let frames =
        stream::unfold((viewer, heartbeat, Some(opening)), |(mut viewer, mut heartbeat, opening)| async move {
            let bytes = match opening {
                Some(opening) => Bytes::from(opening),
                None => tokio::select! {
                    bytes = viewer.bytes() => bytes?,
                    () = heartbeat.silence() => Bytes::from_static(sse::KEEP_ALIVE.as_bytes()),
                },
            };
            heartbeat.spoke();
            Some((Ok::<_, Infallible>(bytes), (viewer, heartbeat, None)))
        });
    let mut response = Body::from_stream(frames).into_response();
    response.headers_mut().extend(stream_headers());
    with_run_id(response, id)
}

/// What keeps every hop from holding the stream back (R09).
fn stream_headers() -> [(HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ]
}

/// Notices silence. Its timer is set anew only when it rings, not for each token.
struct Heartbeat {
    interval: Duration,
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Heartbeat {
    fn new(interval: Duration) -> Self {
        Self { interval, last: Instant::now(), timer: Box::pin(tokio::time::sleep(interval)) }
    }

    /// Something was sent.
    fn spoke(&mut self) {
        self.last = Instant::now();
    }

    /// Comes back when nothing was sent for the interval.
    async fn silence(&mut self) {
        loop {
            self.timer.as_mut().await;
            let now = Instant::now();
            let due = self.last + self.interval;
            if now >= due {
                self.timer.as_mut().reset(now + self.interval);
                return;
            }
            self.timer.as_mut().reset(due);
        }
    }
}

/// What `HEAD` gives: the head that a stream would have.
pub(crate) fn head() -> Response {
    // An empty stream rather than an empty body, which would say that it has no length.
    let mut response = Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()).into_response();
    response.headers_mut().extend(stream_headers());
    response
}

fn with_run_id(mut response: Response, run: Uuid) -> Response {
    if let Ok(value) = HeaderValue::from_str(&run.to_string()) {
        response.headers_mut().insert("x-run-id", value);
    }
    response
}
