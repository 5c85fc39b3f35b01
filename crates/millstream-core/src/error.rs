//! One error for the whole workspace: a kind (the stable code on the wire), a text for the person who reads it, and a cause.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cx::INVALID_ANSWER;

/// A result with Millstream's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Arc<dyn std::error::Error + Send + Sync>;

/// What went wrong, where, and what to do about it.
///
/// `Display` gives the text for developers and logs. What a client may see is [`Error::public`]: texts that come from a model
/// provider never leave through it. Cloning is cheap, so that one failure can end a stream and be kept in a log.
///
/// ```
/// use millstream_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::RateLimited, "429 from http://models.internal/v1: slow down");
/// assert_eq!(error.code(), "rate_limited");
/// assert!(error.is_retryable());
/// assert!(!error.public().message.contains("models.internal"));
/// ```
#[derive(Clone)]
pub struct Error(Arc<Repr>);

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    message: String,
    name: Option<Arc<str>>,
    retry_after: Option<Duration>,
    request_id: Option<String>,
    attempt: Option<u32>,
    is_partial: bool,
    source: Option<Source>,
}

/// The closed list of things that go wrong; [`ErrorKind::code`] is its form on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller gave something that cannot be used.
    InvalidInput,
    /// A prompt names a variable that was not given.
    MissingVariable,
    /// A prompt template cannot be read.
    BadTemplate,
    /// The model provider does not accept the key.
    Unauthorized,
    /// The model provider knows no such model (or no such address).
    ModelNotFound,
    /// The model provider asks to wait.
    RateLimited,
    /// The model provider refuses the request.
    ProviderRejected,
    /// The model provider failed.
    ProviderFailed,
    /// The model provider cannot be reached.
    ProviderUnreachable,
    /// The model provider sent bytes that its protocol does not allow.
    ProviderProtocol,
    /// The model did not answer in the form that was asked for.
    InvalidOutput,
    /// The connection could not be opened in time.
    ConnectTimeout,
    /// No first token came in time.
    FirstTokenTimeout,
    /// The next token did not come in time.
    TokenTimeout,
    /// The whole answer did not come in time.
    TotalTimeout,
    /// The stream ended without the provider's evidence that the answer is complete.
    Truncated,
    /// The run was stopped.
    Cancelled,
    /// The run waits for a person: [`Interrupt::of`](crate::Interrupt::of) says what for.
    Interrupted,
    /// Something was emitted after the run had ended.
    RunEnded,
    /// A limit of this process was reached.
    LimitExceeded,
    /// What is to be kept cannot be written, or what was kept cannot be read.
    StoreFailed,
    /// User code failed.
    Failed,
    /// A mistake in Millstream itself.
    Internal,
}

impl ErrorKind {
    /// The stable code of this kind, as clients see it.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// Whether the same request may succeed when it is sent again.
    pub fn is_retryable(self) -> bool {
        self.row().1
    }

    fn row(self) -> (&'static str, bool, &'static str) {
        match self {
            Self::InvalidInput => ("invalid_input", false, "The input cannot be used."),
            Self::MissingVariable => ("missing_variable", false, "A variable of the prompt was not given."),
            Self::BadTemplate => ("bad_template", false, "A template of the prompt cannot be read."),
            Self::Unauthorized => ("unauthorized", false, "The model provider does not accept this server's key."),
            Self::ModelNotFound => ("model_not_found", false, "The model provider has no such model."),
            Self::RateLimited => ("rate_limited", true, "The model provider is busy. Try again in a moment."),
            Self::ProviderRejected => ("provider_rejected", false, "The model provider refused the request."),
            Self::ProviderFailed => ("provider_failed", true, "The model provider failed."),
            Self::ProviderUnreachable => ("provider_unreachable", true, "The model provider cannot be reached."),
            Self::ProviderProtocol => ("provider_protocol", false, "The model provider sent something unreadable."),
            Self::InvalidOutput => ("invalid_output", true, "The model did not answer in the form that was asked for."),
            Self::ConnectTimeout => ("connect_timeout", true, "The model provider could not be reached in time."),
            Self::FirstTokenTimeout => ("first_token_timeout", true, "The model did not begin to answer in time."),
            Self::TokenTimeout => ("token_timeout", true, "The model stopped in the middle of its answer."),
            Self::TotalTimeout => ("total_timeout", true, "The answer took longer than allowed."),
            Self::Truncated => ("truncated", true, "The answer was cut off before its end."),
            Self::Cancelled => ("cancelled", false, "The run was stopped."),
            Self::Interrupted => ("interrupted", false, "The run waits for an answer."),
            Self::RunEnded => ("run_ended", false, "The run has already ended."),
            Self::LimitExceeded => ("limit_exceeded", false, "A limit of this server was reached."),
            Self::StoreFailed => ("store_failed", true, "This server cannot save or read what belongs to the run."),
            Self::Failed => ("failed", false, "The run failed."),
            Self::Internal => ("internal", false, "Something went wrong in this server."),
        }
    }
}

/// What a client may know of an error: R26 of the requirements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PublicError {
    /// The stable code, [`ErrorKind::code`].
    pub code: String,
    /// A sentence without private detail.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// After how many seconds, if the provider said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Whether a part of the answer had been seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Which attempt it was, if there could be several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

impl Error {
    /// An error of `kind`; `message` says what was wrong, where, and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Arc::new(Repr {
            kind,
            message,
            name: None,
            retry_after: None,
            request_id: None,
            attempt: None,
            is_partial: false,
            source: None,
        }))
    }

    /// User code failed with `source`.
    pub fn failed(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let message = source.to_string();
        Self::new(ErrorKind::Failed, message).with_source(source)
    }

    /// The run was stopped.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "the run was stopped")
    }

    /// Adds the name that this mistake has in LangChain or in the caller's own code, for tools that tell errors by it.
    #[must_use]
    pub fn with_name(self, name: impl Into<Arc<str>>) -> Self {
        self.edit(|repr| repr.name = Some(name.into()))
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.edit(|repr| repr.source = Some(Arc::new(source)))
    }

    /// Adds how long the provider asks to wait.
    #[must_use]
    pub fn with_retry_after(self, delay: Option<Duration>) -> Self {
        self.edit(|repr| repr.retry_after = delay)
    }

    /// Adds the provider's id of the failed request.
    #[must_use]
    pub fn with_request_id(self, id: Option<String>) -> Self {
        self.edit(|repr| repr.request_id = id)
    }

    /// Adds whether a part of the answer had been seen.
    #[must_use]
    pub(crate) fn seen_in_part(self, is_partial: bool) -> Self {
        if self.0.is_partial == is_partial || !is_partial { self } else { self.edit(|repr| repr.is_partial = true) }
    }

    /// Adds which attempt failed, counted from 1, and whether a part of its answer had been seen.
    #[must_use]
    pub(crate) fn after(self, attempt: u32, is_partial: bool) -> Self {
        self.edit(|repr| {
            repr.attempt = Some(attempt);
            repr.is_partial |= is_partial;
        })
    }

    fn edit(self, change: impl FnOnce(&mut Repr)) -> Self {
        let mut repr = Arc::unwrap_or_clone(self.0);
        change(&mut repr);
        Self(Arc::new(repr))
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name that this mistake has in LangChain or in the caller's own code, if it was given one: finer than the kind.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The stable code of the kind.
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// Whether the same request may succeed when it is sent again.
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// Which attempt it was, counted from 1, if there could be several.
    pub fn attempt(&self) -> Option<u32> {
        self.0.attempt
    }

    /// Whether a part of the answer had been seen when it failed.
    pub fn is_partial(&self) -> bool {
        self.0.is_partial
    }

    /// Whether it is no failure but a word to whoever runs things around: the run was stopped, or waits for a person.
    pub fn is_passed_on(&self) -> bool {
        matches!(self.kind(), ErrorKind::Cancelled | ErrorKind::Interrupted | ErrorKind::RunEnded)
            || matches!(self.name(), Some("ParentCommand" | INVALID_ANSWER))
    }

    /// How long the provider asks to wait, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The provider's id of the failed request, if it gave one.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// What a client may see: the message itself where it speaks of the caller's own input, else the kind's sentence.
    pub fn public(&self) -> PublicError {
        let (code, retryable, sentence) = self.0.kind.row();
        let own =
            matches!(self.0.kind, ErrorKind::InvalidInput | ErrorKind::MissingVariable | ErrorKind::LimitExceeded);
        let message = if own { self.0.message.clone() } else { sentence.to_owned() };
        let retry_after = self.0.retry_after.map(|delay| delay.as_millis().div_ceil(1000) as u64);
        let (partial, attempt) = (self.0.is_partial, self.0.attempt);
        PublicError { code: code.to_owned(), message, retryable, retry_after, partial, attempt }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.message, self.0.kind.code())?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, "\n  because {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}
