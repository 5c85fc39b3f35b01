//! Another attempt at what failed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::fallback::{first_visible, restart};
use crate::chain::Chain;
use crate::cx::{Cx, Label, Telling};
use crate::error::Error;
use crate::event::{Body, Kind};
use crate::execute::execute;
use crate::input::Input;
use crate::message::Message;
use crate::runnable::Runnable;
use crate::streamed::{Chunks, Fold, Streamed};

/// How often what fails is run again, and after how long.
///
/// ```
/// use std::time::Duration;
///
/// use millstream_core::Retry;
///
/// let retry = Retry { attempts: 5, initial: Duration::from_millis(100), ..Retry::default() };
/// ```
#[derive(Clone)]
pub struct Retry {
    /// How often it runs at most, the first time included; 3 unless set.
    pub attempts: u32,
    /// How long to wait before the second time; half a second unless set.
    pub initial: Duration,
    /// By how much each wait is longer than the one before; 2 unless set.
    pub factor: f64,
    /// How long to wait at most; 128 seconds unless set. A provider that asks for a longer wait is not asked again.
    pub longest: Duration,
    /// Which failures are worth another time; the retryable ones unless set.
    pub when: Arc<dyn Fn(&Error) -> bool + Send + Sync>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            initial: Duration::from_millis(500),
            factor: 2.0,
            longest: Duration::from_secs(128),
            when: Arc::new(Error::is_retryable),
        }
    }
}

impl Retry {
    /// How long to wait after the attempt number `attempt`, counted from 1, that failed with `error`; `None` if it is not to be tried again.
    pub fn wait(&self, attempt: u32, error: &Error) -> Option<Duration> {
        if attempt >= self.attempts || error.is_passed_on() || !(self.when)(error) {
            return None;
        }
        let exponent = i32::try_from(attempt - 1).unwrap_or(i32::MAX);
        let own = self.initial.as_secs_f64() * self.factor.powi(exponent);
        let own = Duration::try_from_secs_f64(own).unwrap_or(self.longest).min(self.longest);
        match error.retry_after() {
            Some(asked) if asked > self.longest => None,
            Some(asked) => Some(asked.max(own)),
            None => Some(own),
        }
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("attempts", &self.attempts)
            .field("initial", &self.initial)
            .finish_non_exhaustive()
    }
}

/// A runnable that is run again when it fails: made by [`Runnable::with_retry`].
///
/// In a stream too, as long as nobody has seen anything of the answer: pieces without text are held back until then, and after it the stream ends
/// with the error (R06). Each attempt is an execution of its own, from the second on with the tag `retry:attempt:N`.
#[derive(Clone, Debug)]
pub struct Retried<I: Streamed, O: Streamed> {
    runnable: Chain<I, O>,
    retry: Retry,
    is_for_streams: bool,
    restarts: bool,
}

impl<I: Streamed> Retried<I, Message> {
    /// Also tries again when something of the answer has been seen: see [`Fallbacks::restarting`](super::Fallbacks::restarting).
    #[must_use]
    pub fn restarting(self) -> Self {
        Self { restarts: true, ..self }
    }
}

impl<I: Streamed, O: Streamed> Retried<I, O> {
    pub(crate) fn new(runnable: impl Runnable<Input = I, Output = O>, retry: Retry) -> Self {
        Self { runnable: Chain::from_step(runnable), retry, is_for_streams: true, restarts: false }
    }

    /// Tries again only where the output is waited for, as LangChain does: a stream fails at the first failure.
    #[must_use]
    pub fn only_when_waited_for(mut self) -> Self {
        self.is_for_streams = false;
        self
    }
}

impl<I: Streamed, O: Streamed> Runnable for Retried<I, O> {
    type Input = I;
    type Output = O;

    fn label(&self) -> Label {
        let label = self.runnable.label();
        if !self.is_for_streams {
            // What is streamed is the runnable itself.
            return label;
        }
        Label { kind: Kind::Chain, telling: Telling::Whole, ..label }
    }

    fn transform(&self, input: Input<I>, cx: Cx) -> Chunks<O> {
        if !self.is_for_streams && !cx.scope().invoked {
            return self.runnable.transform(input, cx);
        }
        let Self { runnable, retry, restarts, .. } = self.clone();
        let tells_itself = self.label().telling == Telling::Itself && cx.tells();
        let output = async_stream::try_stream! {
            let mut said = tells_itself.then(O::Fold::default);
            let input = input.gathered(&cx).await?;
            let mut attempt = 1;
            loop {
                let mut label = runnable.label();
                if attempt > 1 {
                    label.tags.push(format!("retry:attempt:{attempt}"));
                }
                let inside = cx.child(label);
                let superseded = inside.scope().run_id;
                let mut output = execute(&runnable, Input::from_whole(input.clone()), inside).into_chunks();
                let mut unseen = Vec::new();
                let begun = first_visible::<O>(&mut output, &mut unseen).await;
                let mut failed = begun.err().map(|error| (error, false));
                if failed.is_none() {
                    let mut given = stream::iter(unseen).map(Ok).chain(&mut output);
                    loop {
                        match given.try_next().await {
                            Ok(Some(chunk)) => {
                                said.as_mut().map_or(Ok(()), |said| said.push(chunk.clone()))?;
                                yield chunk;
                            }
                            Ok(None) => break,
                            Err(error) => break failed = Some((error, true)),
                        }
                    }
                }
                let Some((error, is_partial)) = failed else {
                    if let Some(said) = said {
                        let output = said.finish()?.into_payload();
                        cx.emit(Body::RunnableFinished { input: None, output }).await?;
                    }
                    return;
                };
                // What else the attempt had begun is not kept while the next one waits.
                drop(output);
                match retry.wait(attempt, &error).filter(|_| !is_partial || restarts) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => Err(error.after(attempt, is_partial))?,
                }
                attempt += 1;
                if is_partial {
                    restart(&cx, superseded, attempt).await?;
                }
            }
        };
        output.boxed()
    }
}
