//! `/chat/stream`: a question in, an answer out, token by token.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use millstream::Messages;
use millstream_protocol::simple::Question;

use super::{Problem, body, query, stream};
use crate::app::{App, Talk};
use crate::run::ViewKind;

/// `POST /chat/stream` with `{"question": "..."}`, and a `thread_id` if the server is to keep the conversation. With a `Last-Event-ID` it comes back to a run, whatever the body says.
pub(crate) async fn by_post(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    answer(&app, query.as_deref(), &headers, || {
        body::check_json(&headers)?;
        Ok(Question::from_json(&body)?)
    })
    .await
}

/// `GET /chat/stream?question=...&thread_id=...`, for `EventSource`.
pub(crate) async fn by_get(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = query.as_deref();
    let question = || Ok(Question::new(query::value(query, "question")?, query::value(query, "thread_id")?)?);
    answer(&app, query, &headers, question).await
}

/// `HEAD`: what a stream would look like. It never starts a run.
pub(crate) async fn head() -> Response {
    stream::head()
}

async fn answer(
    app: &App,
    query: Option<&str>,
    headers: &HeaderMap,
    question: impl FnOnce() -> Result<Question, Problem>,
) -> Result<Response, Problem> {
    let form = stream::form(query, ViewKind::PlainEvents)?;
    if let Some(cursor) = stream::cursor(headers, query)? {
        return stream::resumed(app, cursor, form);
    }
    let Question { text, thread } = question()?;
    let talk = match thread {
        Some(thread) => Talk::Kept(thread.into()),
        None => Talk::Brought(Messages::default()),
    };
    let attached = app.ask(text, talk, app.config.linger)?;
    Ok(stream::started(app, attached, form).await)
}
