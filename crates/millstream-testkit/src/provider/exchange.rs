use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::{Semaphore, watch};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST`, `GET`.
    pub method: String,
    /// The path with its query, as it stood in the request line.
    pub path: String,
    /// Names in lower case, in their order on the wire.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Received {
    /// The first header with this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body of the request is JSON")
    }
}

/// How far the answer to one request has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// The status line and the headers are written.
    pub head: bool,
    /// Bytes that the operating system has taken, framing included, headers not.
    pub written: usize,
    /// How often the script has come to a stall, or to a gate.
    pub stalls: usize,
    /// The script is over.
    pub ended: bool,
    /// When the end of the client's side of the connection was seen.
    pub closed: Option<Instant>,
    /// Bytes that the operating system still took after that.
    pub after_close: usize,
}

/// One request and its answer. Clones show the same exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    received: Arc<Received>,
    progress: watch::Sender<Progress>,
    /// One permit lets one stall pass.
    permits: Arc<Semaphore>,
}

impl Exchange {
    pub(crate) fn new(received: Received) -> Self {
        Self {
            received: Arc::new(received),
            progress: watch::Sender::new(Progress::default()),
            permits: Arc::new(Semaphore::new(0)),
        }
    }

    /// What the client sent.
    pub fn request(&self) -> &Received {
        &self.received
    }

    /// How far the answer has come.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits until the progress is as wanted.
    pub async fn until(&self, wanted: impl FnMut(&Progress) -> bool) -> Progress {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(wanted).await;
        *reached.expect("this exchange holds the sender while it is borrowed")
    }

    /// Waits until the client has closed the connection, and says when that was seen.
    pub async fn closed(&self) -> Instant {
        let progress = self.until(|progress| progress.closed.is_some()).await;
        progress.closed.expect("waited for exactly that")
    }

    /// Waits until the script is over.
    pub async fn ended(&self) {
        self.until(|progress| progress.ended).await;
    }

    /// Waits until the script stands at a stall or a gate for the `count`-th time.
    pub async fn stalled(&self, count: usize) {
        self.until(|progress| progress.stalls >= count).await;
    }

    /// Lets the next stall (or gate) pass, now or when the script comes to it.
    pub fn release(&self) {
        self.permits.add_permits(1);
    }

    /// Lets every stall (and gate) pass from now on.
    pub fn release_all(&self) {
        self.permits.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    pub(crate) async fn pass_stall(&self) {
        self.update(|progress| progress.stalls += 1);
        if let Ok(permit) = self.permits.acquire().await {
            permit.forget();
        }
    }
}
