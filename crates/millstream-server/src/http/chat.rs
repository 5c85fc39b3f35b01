//! `/chat/stream`: a question in, an answer out, token by token.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use millstream::Messages;
use millstream_protocol::simple::Question;

use super::{Problem, body, query, stream};
use crate::app::App;
use crate::run::ViewKind;

/// `POST /chat/stream` with `{"question": "..."}`. With a `Last-Event-ID` it comes back to a run, whatever the body says.
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

/// `GET /chat/stream?question=...`, for `EventSource`.
pub(crate) async fn by_get(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = query.as_deref();
    answer(&app, query, &headers, || Ok(Question::new(query::value(query, "question")?)?)).await
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
    let Question(question) = question()?;
    let attached = app.ask(question, Messages::default(), app.config.linger)?;
    Ok(stream::started(app, attached, form).await)
}
