//! `/chat/stream`: a question in, an answer out, token by token.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use millstream::Messages;
use millstream_protocol::simple::Question;

use super::{Problem, body, query, stream};
use crate::app::App;

/// `POST /chat/stream` with `{"question": "..."}`. With a `Last-Event-ID` it comes back to a run, whatever the body says.
pub(crate) async fn by_post(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let form = stream::form(query.as_deref())?;
    if let Some(cursor) = stream::cursor(&headers, query.as_deref())? {
        return stream::resumed(&app, cursor, form);
    }
    body::check_json(&headers)?;
    let Question(question) = Question::from_json(&body)?;
    let attached = app.ask(question, Messages::default(), app.config.linger)?;
    Ok(stream::started(&app, attached, form).await)
}

/// `GET /chat/stream?question=...`, for `EventSource`.
pub(crate) async fn by_get(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = query.as_deref();
    let form = stream::form(query)?;
    if let Some(cursor) = stream::cursor(&headers, query)? {
        return stream::resumed(&app, cursor, form);
    }
    let missing = || Problem::from(millstream_protocol::simple::QuestionError::Missing);
    let question = query::value(query, "question")?.ok_or_else(missing)?;
    Question::check(&question)?;
    let attached = app.ask(question, Messages::default(), app.config.linger)?;
    Ok(stream::started(&app, attached, form).await)
}

/// `HEAD`: what a stream would look like. It never starts a run.
pub(crate) async fn head() -> Response {
    stream::head()
}
