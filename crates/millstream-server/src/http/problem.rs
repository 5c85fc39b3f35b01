//! Errors before the first byte: a status, and JSON in the shape that all clients read.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use millstream::PublicError;
use millstream_protocol::CursorError;
use millstream_protocol::simple::RequestError;
use serde_json::json;

use crate::run::Refused;

/// A request that is refused: `{"error": {"message", "type", "param", "code"}}`.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: String,
    message: String,
    param: Option<&'static str>,
    retry_after: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), param: None, retry_after: None }
    }

    fn about(self, param: &'static str) -> Self {
        Self { param: Some(param), ..self }
    }

    /// 400: the request cannot be read.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 403: a page of another site.
    pub(crate) fn foreign_origin(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "foreign_origin", message)
    }

    /// 404: nothing there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 404: no such run. Reading never starts one.
    pub(crate) fn unknown_run() -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_run", "this server knows no such run; ask again to start a new one")
    }

    /// 404: this server was not given what is asked for.
    pub(crate) fn not_served(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_served", format!("this server serves no {what}"))
    }

    /// 410: the run was here.
    pub(crate) fn expired_run() -> Self {
        let message = "the run has ended and its log has been given up; ask again to start a new one";
        Self::new(StatusCode::GONE, "expired_run", message)
    }

    /// 405: the path is there, the method is not.
    pub(crate) fn bad_method() -> Self {
        let message = "this path does not take that method; the header allow says which it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "bad_method", message)
    }

    /// 408: a body that does not come to its end.
    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not come to its end in time")
    }

    /// 413: more than the server takes.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than this server takes ({} KiB)", limit >> 10);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// 415: not JSON by its own word.
    pub(crate) fn not_json(found: &str) -> Self {
        let message = format!("the body is {found:?}; send JSON with the header content-type: application/json");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// 500: our mistake.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong in this server")
    }

    /// 503: too many runs.
    pub(crate) fn busy() -> Self {
        let message = "this server has as many runs under way as it takes; try again in a moment";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
        Self { retry_after: Some(1), ..problem }
    }

    /// 409: too many wait in one conversation.
    pub(crate) fn thread_busy() -> Self {
        let message =
            "this conversation has as many messages waiting as it may; read its answers, or name another thread_id";
        let problem = Self::new(StatusCode::CONFLICT, "thread_busy", message);
        Self { retry_after: Some(1), ..problem }.about("thread_id")
    }

    /// A run that failed before it had said anything.
    pub(crate) fn of_run(error: &PublicError) -> Self {
        let status = match error.code.as_str() {
            "invalid_input" => StatusCode::UNPROCESSABLE_ENTITY,
            "rate_limited" => StatusCode::TOO_MANY_REQUESTS,
            "connect_timeout" | "first_token_timeout" | "token_timeout" | "total_timeout" => {
                StatusCode::GATEWAY_TIMEOUT
            }
            "limit_exceeded" | "store_failed" | "cancelled" => StatusCode::SERVICE_UNAVAILABLE,
            "missing_variable" | "bad_template" | "failed" | "internal" | "run_ended" => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            // What is left is between this server and the model provider, a refused key included: the client has no part in it.
            _ => StatusCode::BAD_GATEWAY,
        };
        Self { retry_after: error.retry_after, ..Self::new(status, &error.code, error.message.clone()) }
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The `type` of OpenAI's errors, which clients of all kinds know.
    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_client_error() => "invalid_request_error",
            _ => "server_error",
        }
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        if error.is_syntax() {
            return Self::bad_request(error.to_string());
        }
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", error.to_string()).about(error.field())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Self::busy(),
            Refused::ThreadBusy => Self::thread_busy(),
        }
    }
}

impl From<CursorError> for Problem {
    fn from(error: CursorError) -> Self {
        Self::bad_request(error.to_string()).about("last-event-id")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let error = json!({ "message": self.message, "type": self.kind(), "param": self.param, "code": self.code });
        let mut response = (self.status, Json(json!({ "error": error }))).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
