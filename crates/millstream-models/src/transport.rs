//! One request over HTTP: comes back when the headers are in, and turns every way of not getting there into an [`Error`].

use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{Error, ErrorKind, Result};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, Url, redirect};
use tokio::time::timeout;

use crate::frames::{Broken, Frames};
use crate::limits::{Clock, Limits};
use crate::refusal;

/// How long the body of a refusal is waited for: it only explains.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

/// The way to one provider: an address, a key, and the connections to it.
#[derive(Clone)]
pub(crate) struct Transport {
    client: Client,
    url: Url,
    /// The address without anything secret, for errors.
    place: Arc<str>,
    key: Option<HeaderValue>,
    limits: Limits,
    largest_event: usize,
}

impl Transport {
    /// A transport to `url`.
    ///
    /// # Errors
    /// `invalid_input` if the key cannot be sent, `provider_unreachable` if this machine has no certificates to check an `https` address with.
    pub(crate) fn new(url: Url, key: Option<&str>, limits: Limits, largest_event: usize) -> Result<Self> {
        let place = place(&url);
        let client = client(&url, limits.connect).map_err(|error| {
            let what = format!("cannot prepare connections to {place}; are the system's CA certificates installed?");
            Error::new(ErrorKind::ProviderUnreachable, what).with_source(error.without_url())
        })?;
        let key = key.map(str::trim).filter(|key| !key.is_empty()).map(bearer).transpose()?;
        Ok(Self { client, url, place, key, limits, largest_event })
    }

    /// Sends `body` as JSON; comes back when the answer's headers are in.
    ///
    /// # Errors
    /// One kind for each status and each way in which a connection fails; see the crate's documentation.
    pub(crate) async fn open(&self, body: Vec<u8>) -> Result<Frames> {
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream, application/json")
            .body(body);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        // The wait for the headers is the beginning of the wait for the first token.
        let mut clock = Clock::new(self.limits);
        let limit = clock.next_limit();
        clock.begin();
        let sent = request.send();
        let response = match limit {
            Some((limit, kind)) => timeout(limit, sent).await.map_err(|_| {
                let what = format!("{} did not begin to answer within {limit:?}", self.place);
                Error::new(kind, what)
            })?,
            None => sent.await,
        };
        clock.came();
        let response = response.map_err(|error| self.not_sent(error))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        self.check_type(&response)?;
        let request_id = refusal::request_id(response.headers());
        let body = response.bytes_stream().map_err(|error| Broken::Transport(Box::new(error.without_url()))).boxed();
        Ok(Frames::new(self.place.clone(), body, clock)
            .with_request_id(request_id)
            .with_largest_event(self.largest_event))
    }

    /// A page where an answer should be: mostly a base URL that leads to a website.
    fn check_type(&self, response: &Response) -> Result<()> {
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content_type.starts_with("text/html") {
            let what = format!("{} answered with a web page; check the base URL (mostly it ends in /v1)", self.place);
            return Err(Error::new(ErrorKind::ProviderProtocol, what));
        }
        Ok(())
    }

    async fn refused(&self, mut response: Response) -> Error {
        let mut body = Vec::new();
        let read = async {
            while body.len() < refusal::KEPT_BODY {
                match response.chunk().await {
                    Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                    Ok(None) | Err(_) => break,
                }
            }
        };
        // What has come by then is enough.
        let _ = timeout(REFUSAL_PATIENCE, read).await;
        refusal::of_status(&self.place, response.status(), response.headers(), &body)
    }

    fn not_sent(&self, error: reqwest::Error) -> Error {
        let error = error.without_url();
        let (kind, what) = if error.is_connect() && error.is_timeout() {
            (ErrorKind::ConnectTimeout, "could not be reached in time")
        } else if error.is_connect() {
            (ErrorKind::ProviderUnreachable, why_unreachable(&error))
        } else {
            match cause::<hyper::Error>(&error) {
                Some(http) if http.is_parse() => (ErrorKind::ProviderProtocol, "does not speak HTTP"),
                _ => (ErrorKind::ProviderFailed, "closed the connection without an answer"),
            }
        };
        Error::new(kind, format!("{} {what}", self.place)).with_source(error)
    }
}

/// Asks `url` for JSON, for at most `patience`: for finding out who is there. Nothing if there is no such answer.
pub(crate) async fn look(url: Url, key: Option<&str>, patience: Duration) -> Option<Bytes> {
    /// A list of models longer than this is something else.
    const LONGEST: usize = 4 << 20;
    let looked = async {
        let mut request = client(&url, None).ok()?.get(url).header(ACCEPT, "application/json");
        if let Some(key) = key {
            request = request.header(AUTHORIZATION, bearer(key).ok()?);
        }
        let mut response = request.send().await.ok()?.error_for_status().ok()?;
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.ok()? {
            body.extend_from_slice(&bytes);
            if body.len() > LONGEST {
                return None;
            }
        }
        Some(Bytes::from(body))
    };
    timeout(patience, looked).await.ok()?
}

fn client(url: &Url, connect: Option<Duration>) -> reqwest::Result<Client> {
    install_crypto();
    let mut builder = Client::builder()
        .user_agent(concat!("millstream/", env!("CARGO_PKG_VERSION")))
        // A redirected POST is repeated or loses its body, and would carry the key elsewhere.
        .redirect(redirect::Policy::none())
        .tcp_nodelay(true);
    if let Some(connect) = connect {
        builder = builder.connect_timeout(connect);
    }
    if url.scheme() == "http" {
        // No TLS on this way: a machine without certificates can still use its local models.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    builder.build()
}

/// reqwest is built without a cryptography of its own; the first caller decides for the process.
fn install_crypto() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // An error says that the program has installed one: that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn bearer(key: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
        Error::new(
            ErrorKind::InvalidInput,
            "the API key has characters that cannot be in a header; was it copied whole, without line breaks?",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Scheme, host, port and path: user names, passwords and queries may be secrets.
pub(crate) fn place(url: &Url) -> Arc<str> {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path()).into()
}

fn why_unreachable(error: &reqwest::Error) -> &'static str {
    if cause::<rustls::Error>(error).is_some() {
        return "cannot be reached: TLS failed";
    }
    match cause::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "cannot be reached: nothing listens there",
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => "cannot be reached: no way there",
        _ => "cannot be reached",
    }
}

/// The first cause of this type, also inside of an [`io::Error`].
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}
