//! From a provider's refusal to an [`Error`]: which status and which words mean what.

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime};

use millstream_core::{Error, ErrorKind};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// At most so much of a refusal's body is kept.
pub(crate) const KEPT_BODY: usize = 4 << 10;

/// What a provider itself said about a failure.
///
/// Providers repeat parts of the request, keys and addresses in their errors, so these words are in no `Display`, no `Debug` and no
/// public error (R26). Whoever may see them asks for them.
///
/// ```
/// use millstream_models::ProviderDetail;
///
/// fn log(error: &millstream_core::Error) {
///     if let Some(detail) = ProviderDetail::of(error) {
///         eprintln!("{:?}: {}", detail.status(), detail.body());
///     }
/// }
/// ```
pub struct ProviderDetail {
    status: Option<u16>,
    body: String,
}

impl ProviderDetail {
    pub(crate) fn new(status: Option<u16>, body: &[u8]) -> Self {
        let body = &body[..body.len().min(KEPT_BODY)];
        Self { status, body: String::from_utf8_lossy(body).into_owned() }
    }

    /// The provider's words in `error`, if it has any.
    pub fn of(error: &Error) -> Option<&Self> {
        let mut cause = StdError::source(error);
        while let Some(error) = cause {
            if let Some(detail) = error.downcast_ref() {
                return Some(detail);
            }
            cause = error.source();
        }
        None
    }

    /// The HTTP status, if the failure came with one of its own.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The first 4 KiB of the body of the answer, or the error object of the stream.
    pub fn body(&self) -> &str {
        &self.body
    }
}

impl fmt::Display for ProviderDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the provider gave a reason of {} bytes, which is kept out of logs", self.body.len())
    }
}

impl fmt::Debug for ProviderDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for ProviderDetail {}

/// The error for an HTTP status that is not a success.
pub(crate) fn of_status(place: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let said = serde_json::from_slice::<Value>(body).ok().and_then(|body| Said::in_body(&body)).unwrap_or_default();
    let kind = said.kind_beside(status.as_u16());
    let hint = match (kind, status.as_u16()) {
        (ErrorKind::Unauthorized, _) => "; check the API key",
        (ErrorKind::ModelNotFound, 404 | 405) => {
            "; check the model's name, and that the base URL ends as the provider says (mostly in /v1)"
        }
        (_, 300..400) => "; redirects are not followed, put the final address into the base URL",
        _ => "",
    };
    let code = said.known_code().map(|code| format!(" ({code})")).unwrap_or_default();
    Error::new(kind, format!("{place} answered {status}{code}{hint}"))
        .with_retry_after(retry_after(headers))
        .with_request_id(request_id(headers))
        .with_source(ProviderDetail::new(Some(status.as_u16()), body))
}

/// The error for an error object in the stream of an answer that had begun.
pub(crate) fn of_object(place: &str, object: &str) -> Error {
    let parsed = serde_json::from_str::<Value>(object).unwrap_or_default();
    let said = Said::in_object(&parsed);
    let status = said.status.filter(|status| (400..600).contains(status)).unwrap_or(500);
    let code = said.known_code().map(|code| format!(" ({code})")).unwrap_or_default();
    Error::new(said.kind_beside(status), format!("{place} sent an error in the middle of the answer{code}"))
        .with_source(ProviderDetail::new(said.status, object.as_bytes()))
}

/// What an error object says, as far as it steers what we do.
#[derive(Debug, Default)]
struct Said {
    status: Option<u16>,
    codes: Vec<String>,
}

/// The codes that mean something here. Only these are repeated in messages: anything else could hold a secret.
const KNOWN_CODES: [(&str, ErrorKind); 22] = [
    ("invalid_api_key", ErrorKind::Unauthorized),
    ("authentication_error", ErrorKind::Unauthorized),
    ("permission_error", ErrorKind::Unauthorized),
    ("permission_denied", ErrorKind::Unauthorized),
    ("model_not_found", ErrorKind::ModelNotFound),
    ("deploymentnotfound", ErrorKind::ModelNotFound),
    ("not_found_error", ErrorKind::ModelNotFound),
    ("notfounderror", ErrorKind::ModelNotFound),
    ("insufficient_quota", ErrorKind::ProviderRejected),
    ("rate_limit_exceeded", ErrorKind::RateLimited),
    ("rate_limit_error", ErrorKind::RateLimited),
    ("overloaded_error", ErrorKind::ProviderFailed),
    ("server_error", ErrorKind::ProviderFailed),
    ("internal_server_error", ErrorKind::ProviderFailed),
    ("internalservererror", ErrorKind::ProviderFailed),
    ("context_length_exceeded", ErrorKind::ProviderRejected),
    ("exceed_context_size_error", ErrorKind::ProviderRejected),
    ("content_filter", ErrorKind::ProviderRejected),
    ("tool_use_failed", ErrorKind::ProviderRejected),
    ("unsupported_parameter", ErrorKind::ProviderRejected),
    ("invalid_request_error", ErrorKind::ProviderRejected),
    ("badrequesterror", ErrorKind::ProviderRejected),
];

impl Said {
    fn in_body(body: &Value) -> Option<Self> {
        match body {
            // Gemini's compatible endpoint wraps the object in a list.
            Value::Array(items) => items.first().and_then(Self::in_body),
            Value::Object(_) => Some(Self::in_object(body.get("error").unwrap_or(body))),
            _ => None,
        }
    }

    fn in_object(object: &Value) -> Self {
        let named = |name: &str| object.get(name);
        let status = [named("code"), named("status"), named("status_code")].into_iter().flatten().find_map(|value| {
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
            u16::try_from(number).ok()
        });
        let codes = [named("code"), named("type"), named("status")];
        let codes = codes.into_iter().flatten().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect();
        Self { status, codes }
    }

    /// The first code that means something; `code` says more than `type`.
    fn known(&self) -> Option<(&'static str, ErrorKind)> {
        let known = |code: &String| KNOWN_CODES.into_iter().find(|(name, _)| name == code);
        self.codes.iter().find_map(known)
    }

    fn known_code(&self) -> Option<&'static str> {
        self.known().map(|(code, _)| code)
    }

    /// The kind by what was said, or else by the status beside it.
    fn kind_beside(&self, status: u16) -> ErrorKind {
        match (status, self.known()) {
            // In a refusal the status is the surer word, but for a quota that no waiting refills.
            (429, Some(("insufficient_quota", kind))) => kind,
            (400 | 422 | 500, Some((_, kind))) => kind,
            _ => kind_of_status(status),
        }
    }
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Unauthorized,
        404 => ErrorKind::ModelNotFound,
        429 => ErrorKind::RateLimited,
        // Too early, too late or in conflict with another request: worth another try, as OpenAI's clients hold it.
        408 | 409 | 425 => ErrorKind::ProviderFailed,
        400..500 => ErrorKind::ProviderRejected,
        500..600 => ErrorKind::ProviderFailed,
        _ => ErrorKind::ProviderProtocol,
    }
}

/// How long the provider asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    if let Some(milliseconds) = text("retry-after-ms").and_then(number) {
        return Duration::try_from_secs_f64(milliseconds / 1_000.0).ok();
    }
    let value = text("retry-after")?;
    match number(value) {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => {
            let date = httpdate::parse_http_date(value).ok()?;
            Some(date.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

/// The provider's id of the request, under the names in use.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 4] = ["x-request-id", "request-id", "apim-request-id", "x-amzn-requestid"];
    let id = NAMES.into_iter().find_map(|name| headers.get(name)?.to_str().ok())?;
    let is_sound = !id.is_empty() && id.len() <= 200 && id.bytes().all(|byte| byte.is_ascii_graphic());
    is_sound.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(reqwest::header::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        assert_eq!(retry_after(&headers("retry-after", "7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers("retry-after", "0.5")), Some(Duration::from_millis(500)));
        assert_eq!(retry_after(&headers("retry-after-ms", "250")), Some(Duration::from_millis(250)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let delay = retry_after(&headers("retry-after", &date)).unwrap();
        assert!((90..=100).contains(&delay.as_secs()), "{delay:?}");
        assert_eq!(retry_after(&headers("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")), Some(Duration::ZERO));
        for nonsense in ["soon", "-1", "inf", "1e300", "NaN", ""] {
            assert_eq!(retry_after(&headers("retry-after", nonsense)), None, "{nonsense}");
        }
    }

    #[test]
    fn the_kind_follows_status_and_code() {
        let kind = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            of_status("http://x", status, &HeaderMap::new(), body.as_bytes()).kind()
        };
        assert_eq!(kind(401, ""), ErrorKind::Unauthorized);
        assert_eq!(kind(404, "<html>"), ErrorKind::ModelNotFound);
        assert_eq!(kind(429, "{}"), ErrorKind::RateLimited);
        assert_eq!(kind(429, r#"{"error":{"code":"insufficient_quota"}}"#), ErrorKind::ProviderRejected);
        assert_eq!(kind(400, r#"{"error":{"code":"model_not_found"}}"#), ErrorKind::ModelNotFound);
        assert_eq!(kind(400, r#"[{"error":{"code":400,"status":"INVALID_ARGUMENT"}}]"#), ErrorKind::ProviderRejected);
        assert_eq!(kind(408, ""), ErrorKind::ProviderFailed);
        assert_eq!(kind(503, ""), ErrorKind::ProviderFailed);
        assert_eq!(kind(307, ""), ErrorKind::ProviderProtocol);
    }

    #[test]
    fn an_error_object_in_the_stream_has_a_kind_too() {
        let kind = |object: &str| of_object("http://x", object).kind();
        assert_eq!(kind(r#"{"message":"m","type":"server_error"}"#), ErrorKind::ProviderFailed);
        assert_eq!(kind(r#"{"message":"m","code":429}"#), ErrorKind::RateLimited);
        assert_eq!(kind(r#"{"message":"m","type":"BadRequestError","code":400}"#), ErrorKind::ProviderRejected);
        assert_eq!(kind(r#"{"code":"rate_limit_exceeded"}"#), ErrorKind::RateLimited);
        assert_eq!(kind(r#""just text""#), ErrorKind::ProviderFailed);
        assert_eq!(kind(r#"{"code":200}"#), ErrorKind::ProviderFailed);
    }
}
