//! The four independent time limits (R07), and the clock that counts only while the provider is waited for.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use millstream_core::ErrorKind;
use tokio::time::{Instant, Sleep};

/// How long to wait for what. `None` is for ever.
///
/// Only the time in which the provider is waited for counts; a reader that takes its time uses up none of these limits. Comments that a
/// provider sends to keep a connection open are not tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the connection, TLS included; 10 seconds unless set.
    pub connect: Option<Duration>,
    /// From the request to the first text, reasoning or tool call; 5 minutes unless set, since local models load first.
    pub first_token: Option<Duration>,
    /// Between two of them; 2 minutes unless set, since some providers send a tool call's arguments all at once.
    pub between_tokens: Option<Duration>,
    /// For the whole answer; off unless set.
    pub total: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Some(Duration::from_secs(10)),
            first_token: Some(Duration::from_secs(300)),
            between_tokens: Some(Duration::from_secs(120)),
            total: None,
        }
    }
}

impl Limits {
    /// No limit at all: for recorded answers.
    pub const NONE: Self = Self { connect: None, first_token: None, between_tokens: None, total: None };
}

/// How long a provider that has said why it stopped may take for the usage and the end mark.
const FAREWELL: Duration = Duration::from_secs(2);

/// A poll that comes so much later than the clock rang was delayed by the reader, not by the provider.
const READER_WAS_AWAY: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    FirstToken,
    NextToken,
    Farewell,
}

/// Counts the time that the provider of one answer is waited for.
#[derive(Debug)]
pub(crate) struct Clock {
    limits: Limits,
    phase: Phase,
    /// Waited since the last token, in earlier waits.
    quiet: Duration,
    /// Waited since the request, in earlier waits.
    spent: Duration,
    /// When the present wait began.
    since: Option<Instant>,
    /// Rings at or before the next deadline; moved only when it has to be.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::FirstToken,
            quiet: Duration::ZERO,
            spent: Duration::ZERO,
            since: None,
            alarm: None,
        }
    }

    /// A wait begins.
    pub(crate) fn begin(&mut self) {
        self.since = Some(Instant::now());
    }

    /// A token came: the wait for the next begins.
    pub(crate) fn token(&mut self) {
        self.quiet = Duration::ZERO;
        if self.phase == Phase::FirstToken {
            self.phase = Phase::NextToken;
        }
    }

    /// The answer is complete; only its farewell is waited for.
    pub(crate) fn farewell(&mut self) {
        self.quiet = Duration::ZERO;
        self.phase = Phase::Farewell;
    }

    /// Something came, so this wait is over.
    pub(crate) fn came(&mut self) {
        if let Some(since) = self.since.take() {
            let waited = since.elapsed();
            self.quiet += waited;
            self.spent += waited;
        }
    }

    /// Nothing is there: ready with the kind of time-out when a limit is reached.
    pub(crate) fn poll_wait(&mut self, task: &mut Context<'_>) -> Poll<ErrorKind> {
        loop {
            let since = *self.since.get_or_insert_with(Instant::now);
            let Some((left, kind)) = self.next_limit() else { return Poll::Pending };
            let Some(deadline) = since.checked_add(left) else { return Poll::Pending };
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if alarm.deadline() > deadline || alarm.is_elapsed() {
                alarm.as_mut().reset(deadline);
            }
            if alarm.as_mut().poll(task).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if now < deadline {
                continue;
            }
            if now - deadline < READER_WAS_AWAY {
                return Poll::Ready(kind);
            }
            self.since = Some(now);
        }
    }

    /// What is left of the limit that is reached next, counted from the beginning of the present wait.
    pub(crate) fn next_limit(&self) -> Option<(Duration, ErrorKind)> {
        let (limit, kind) = match self.phase {
            Phase::FirstToken => (self.limits.first_token, ErrorKind::FirstTokenTimeout),
            Phase::NextToken => (self.limits.between_tokens, ErrorKind::TokenTimeout),
            Phase::Farewell => {
                (Some(self.limits.between_tokens.unwrap_or(FAREWELL).min(FAREWELL)), ErrorKind::TokenTimeout)
            }
        };
        let token = limit.map(|limit| (limit.saturating_sub(self.quiet), kind));
        let total = self.limits.total.map(|limit| (limit.saturating_sub(self.spent), ErrorKind::TotalTimeout));
        token.into_iter().chain(total).min_by_key(|(left, _)| *left)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const LIMITS: Limits = Limits {
        connect: None,
        first_token: Some(Duration::from_secs(10)),
        between_tokens: Some(Duration::from_secs(3)),
        total: Some(Duration::from_secs(20)),
    };

    async fn time_out(clock: &mut Clock) -> (Duration, ErrorKind) {
        let start = Instant::now();
        let kind = poll_fn(|task| clock.poll_wait(task)).await;
        (start.elapsed().truncated(), kind)
    }

    /// Waits for something that comes after this time.
    async fn wait(clock: &mut Clock, time: Duration) {
        let sleep = tokio::time::sleep(time);
        tokio::pin!(sleep);
        poll_fn(|task| match sleep.as_mut().poll(task) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => clock.poll_wait(task).map(|kind| panic!("{kind:?} too early")),
        })
        .await;
        clock.came();
    }

    trait Truncated {
        fn truncated(self) -> Self;
    }

    impl Truncated for Duration {
        /// Timers of Tokio are exact to the millisecond.
        fn truncated(self) -> Self {
            Self::from_secs((self + Self::from_millis(10)).as_secs())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_do_not_move_the_limit_of_the_first_token() {
        let mut clock = Clock::new(LIMITS);
        wait(&mut clock, Duration::from_secs(4)).await;
        wait(&mut clock, Duration::from_secs(4)).await;
        assert_eq!(time_out(&mut clock).await, (Duration::from_secs(2), ErrorKind::FirstTokenTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn each_token_begins_a_new_wait() {
        let mut clock = Clock::new(LIMITS);
        for _ in 0..6 {
            wait(&mut clock, Duration::from_secs(2)).await;
            clock.token();
        }
        assert_eq!(time_out(&mut clock).await, (Duration::from_secs(3), ErrorKind::TokenTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_counts_all_waits() {
        let mut clock = Clock::new(LIMITS);
        for _ in 0..9 {
            wait(&mut clock, Duration::from_secs(2)).await;
            clock.token();
        }
        assert_eq!(time_out(&mut clock).await, (Duration::from_secs(2), ErrorKind::TotalTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_uses_up_nothing() {
        let mut clock = Clock::new(LIMITS);
        wait(&mut clock, Duration::from_secs(1)).await;
        clock.token();
        // Everything that was asked for is there; the reader does something else.
        tokio::time::sleep(Duration::from_secs(1_000)).await;
        assert_eq!(time_out(&mut clock).await, (Duration::from_secs(3), ErrorKind::TokenTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_left_while_it_waited_gets_the_time_back() {
        let mut clock = Clock::new(LIMITS);
        clock.token();
        assert!(poll_fn(|task| Poll::Ready(clock.poll_wait(task))).await.is_pending());
        tokio::time::sleep(Duration::from_secs(1_000)).await;
        assert_eq!(time_out(&mut clock).await, (Duration::from_secs(3), ErrorKind::TokenTimeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_complete_answer_waits_for_its_farewell_only_shortly() {
        let mut clock = Clock::new(Limits::NONE);
        wait(&mut clock, Duration::from_secs(1_000)).await;
        clock.farewell();
        assert_eq!(time_out(&mut clock).await.0, FAREWELL);
    }
}
