//! How fast a model may be asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How many requests may be made in a time, and how many may be under way: for [`Model::limited`](crate::Model::limited). Clones share one limit, so that several
/// models may.
///
/// Who comes first is served first. Whoever stops waiting has taken nothing. There is no task behind it: a caller waits by itself, and needs
/// a runtime with a timer to do so.
///
/// ```
/// use millstream_core::{Demo, Model, RateLimit};
///
/// // Two requests a second on average, five of them at once after a pause, and three under way.
/// let limit = RateLimit::per_second(2.0).burst(5).at_once(3);
/// let fast = Model::from(Demo::instant()).limited(limit.clone());
/// let slow = Model::from(Demo::default()).limited(limit);
/// ```
#[derive(Clone)]
pub struct RateLimit {
    /// Nothing if only what is under way is limited.
    pace: Option<Arc<Pace>>,
    under_way: Option<Arc<Semaphore>>,
}

/// Requests at an even pace, a few of them early.
struct Pace {
    /// From one request to the next.
    interval: Duration,
    /// How much earlier than that a request may be.
    early: Duration,
    /// When the next request would be made at an even pace. The lock is given on in the order of asking, and is held by the one that waits for its time.
    due: Mutex<Option<Instant>>,
}

/// A request is under way, as long as this is.
#[derive(Debug)]
pub(crate) struct Permit {
    _held: Option<OwnedSemaphorePermit>,
}

/// The slowest pace is one request in a year; who wants none has no model.
const SLOWEST: f64 = 1.0 / (365.0 * 24.0 * 3600.0);

impl RateLimit {
    /// So many requests a second, evenly. 0.5 is one every two seconds.
    pub fn per_second(requests: f64) -> Self {
        let interval = Duration::from_secs_f64(1.0 / requests.max(SLOWEST));
        Self { pace: Some(Arc::new(Pace::new(interval, 1))), under_way: None }
    }

    /// At most so many requests under way, however fast they come; at least one.
    pub fn concurrent(requests: usize) -> Self {
        Self { pace: None, under_way: None }.at_once(requests)
    }

    /// So many requests may be made at once when there was time for them before: 1 unless set. The first ones need not wait.
    #[must_use]
    pub fn burst(self, requests: u32) -> Self {
        let pace = self.pace.map(|pace| Arc::new(Pace::new(pace.interval, requests)));
        Self { pace, ..self }
    }

    /// At most so many requests under way: from when they are made until their answers have ended, or are dropped. At least one.
    #[must_use]
    pub fn at_once(self, requests: usize) -> Self {
        let under_way = Arc::new(Semaphore::new(requests.clamp(1, Semaphore::MAX_PERMITS)));
        Self { under_way: Some(under_way), ..self }
    }

    /// Comes back when a request may be made. Dropping the future takes nothing.
    pub(crate) async fn turn(&self) -> Permit {
        // First the place, then the time: whoever waited for a place would be early otherwise. The semaphore is never closed.
        let held = match &self.under_way {
            Some(under_way) => under_way.clone().acquire_owned().await.ok(),
            None => None,
        };
        if let Some(pace) = &self.pace {
            pace.turn().await;
        }
        Permit { _held: held }
    }
}

impl Pace {
    fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, early: interval.saturating_mul(burst.saturating_sub(1)), due: Mutex::new(None) }
    }

    async fn turn(&self) {
        let mut due = self.due.lock().await;
        if let Some(due) = *due {
            // Before the clock's own beginning is long ago.
            let allowed = due.checked_sub(self.early).unwrap_or_else(Instant::now);
            if allowed > Instant::now() {
                tokio::time::sleep_until(allowed).await;
            }
        }
        let now = Instant::now();
        *due = Some(due.map_or(now, |due| due.max(now)) + self.interval);
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.under_way.as_ref().map(|under_way| under_way.available_permits());
        f.debug_struct("RateLimit")
            .field("interval", &self.pace.as_ref().map(|pace| pace.interval))
            .field("free", &free)
            .finish()
    }
}
