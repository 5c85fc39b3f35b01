//! What an operator can set.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::serve::ServeError;

/// The settings of a server. `Config::default()` is what `millstream` without flags uses.
///
/// ```
/// use millstream_server::Config;
///
/// let config = Config { listen: "127.0.0.1:0".parse()?, ..Config::default() };
/// assert_eq!(config.heartbeat.as_secs(), 15);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many worker threads, each with its own runtime and listening socket; one per core unless set.
    pub workers: Option<NonZeroUsize>,
    /// How long a run goes on when nobody reads it any more; `None` is for ever, zero cancels it at once (R02).
    pub linger: Option<Duration>,
    /// After how long a silence something is sent to keep the connection open.
    pub heartbeat: Duration,
    /// For how long the head of a stream may wait for the answer's beginning, so that a provider that fails at once becomes an HTTP status.
    pub hold_head: Duration,
    /// Names under which a server on a loopback address may be asked, besides localhost's: for a proxy in front that passes its own name on.
    /// Any other name is a page that got its own name to point here (DNS rebinding).
    pub hosts: Vec<String>,
    /// Origins of other sites whose pages may use this server; `*` is every site.
    pub cors_origins: Vec<String>,
    /// Bounds, so that no client can take everything.
    pub limits: Limits,
}

/// Bounds of what a server takes and keeps.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For how long a client may take to send the head of a request.
    pub head: Duration,
    /// For how long a client may take to send the body of a request.
    pub send: Duration,
    /// The largest head of a request, in bytes; at least 8 KiB.
    pub head_size: usize,
    /// How many requests one HTTP/2 connection may have under way.
    pub streams: u32,
    /// How often the other side of an HTTP/2 or WebSocket connection is asked whether it is still there, and how long it may take to answer.
    pub ping: Duration,
    /// The largest request body, in bytes.
    pub body: usize,
    /// The largest WebSocket message, in bytes.
    pub message: usize,
    /// How many runs may be under way.
    pub running: usize,
    /// How many bytes one run's log may have.
    pub log: usize,
    /// For how long a finished run can be read.
    pub keep: Duration,
    /// How many finished runs can be read; the oldest go first.
    pub kept: usize,
    /// How many bytes the logs of finished runs may have together; the oldest go first.
    pub kept_bytes: usize,
    /// How many questions may wait on a socket, and how many answers may run on a `chat.v1.json` socket.
    pub waiting: usize,
    /// How many bytes of conversation the chat's model is told, and a socket remembers; the oldest turns are left out first.
    pub history: usize,
    /// For how long a client may take nothing of what is written to it, over SSE and WebSocket alike, before its connection is dropped.
    pub stalled: Duration,
}

impl Config {
    /// The default settings, at the address that `MILLSTREAM_LISTEN` names, if it names one.
    ///
    /// # Errors
    /// If it is no address and port.
    pub fn from_env() -> Result<Self, ServeError> {
        let config = Self::default();
        match std::env::var("MILLSTREAM_LISTEN") {
            Ok(text) if !text.trim().is_empty() => {
                let listen = text.trim().parse().map_err(|_| ServeError::NoAddress(text))?;
                Ok(Self { listen, ..config })
            }
            _ => Ok(config),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            workers: None,
            linger: Some(Duration::from_secs(5)),
            heartbeat: Duration::from_secs(15),
            // R10 wants the head within 50 ms.
            hold_head: Duration::from_millis(40),
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            send: Duration::from_secs(60),
            head_size: 16 << 10,
            streams: 256,
            ping: Duration::from_secs(20),
            body: 1 << 20,
            message: 1 << 20,
            running: 10_000,
            log: 64 << 20,
            keep: Duration::from_secs(300),
            kept: 10_000,
            kept_bytes: 256 << 20,
            waiting: 16,
            history: 1 << 20,
            stalled: Duration::from_secs(60),
        }
    }
}
