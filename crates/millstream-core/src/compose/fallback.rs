//! What runs when something fails.

use std::fmt;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use uuid::Uuid;

use crate::chain::Chain;
use crate::cx::{Cx, Label};
use crate::error::{Error, Result};
use crate::event::{Body, Channels, Kind};
use crate::execute::execute;
use crate::input::Input;
use crate::message::Message;
use crate::runnable::Runnable;
use crate::streamed::{Chunks, Streamed};

type Handles = Arc<dyn Fn(&Error) -> bool + Send + Sync>;
type Tell<I> = Arc<dyn Fn(I, &Error) -> I + Send + Sync>;

/// A runnable, and what runs in its place when it fails, in order. If all fail, the error is the first one's.
///
/// Nobody sees a failure before the first visible piece of an answer: pieces without text are held back until then. After it, a stream ends with the
/// error, which says that the answer is [partial](Error::is_partial): who has read half an answer must not get another one behind it (R06).
/// A run that is awaited has nothing to show before its end, so there everything can be made good.
///
/// ```
/// use millstream_core::{Error, ErrorKind, Lambda, Runnable};
///
/// let busy = Lambda::new(|_: String| Err::<String, _>(Error::new(ErrorKind::RateLimited, "busy")));
/// let idle = Lambda::new(|name: String| Ok(format!("Hello, {name}")));
/// let chain = busy.with_fallback(idle);
/// # futures_util::FutureExt::now_or_never(async {
/// assert_eq!(chain.run("Ada".to_owned()).await?, "Hello, Ada");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone)]
pub struct Fallbacks<I: Streamed, O: Streamed> {
    alternatives: Vec<Chain<I, O>>,
    handles: Option<Handles>,
    tell: Option<Tell<I>>,
    restarts: bool,
}

impl<I: Streamed> Fallbacks<I, Message> {
    /// Also begins again when something of the answer has been seen. The new answer begins with a start of its own, and whoever adds the pieces up gets
    /// the new answer alone; [`Body::Restarted`] tells readers of events which attempt is void. A parser behind it has given on what cannot be taken
    /// back: there the run fails.
    #[must_use]
    pub fn restarting(self) -> Self {
        Self { restarts: true, ..self }
    }
}

impl<I: Streamed, O: Streamed> Fallbacks<I, O> {
    /// A runnable, and nothing yet in its place.
    pub fn of(runnable: impl Runnable<Input = I, Output = O>) -> Self {
        Self { alternatives: vec![Chain::from_step(runnable)], handles: None, tell: None, restarts: false }
    }

    /// What runs when everything before has failed.
    #[must_use]
    pub fn with_fallback(mut self, runnable: impl Runnable<Input = I, Output = O>) -> Self {
        self.alternatives.push(Chain::from_step(runnable));
        self
    }

    /// For which failures; for all unless set. A run that was stopped, or waits for a person, has not failed.
    #[must_use]
    pub fn only_for(mut self, handles: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        self.handles = Some(Arc::new(handles));
        self
    }

    /// What the next runnable is given, made of the input and of the error of the one before.
    #[must_use]
    pub fn telling(mut self, tell: impl Fn(I, &Error) -> I + Send + Sync + 'static) -> Self {
        self.tell = Some(Arc::new(tell));
        self
    }

    fn handles(&self, error: &Error) -> bool {
        !error.is_passed_on() && self.handles.as_ref().is_none_or(|handles| handles(error))
    }
}

impl<I: Streamed, O: Streamed> fmt::Debug for Fallbacks<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallbacks").field("alternatives", &self.alternatives).finish_non_exhaustive()
    }
}

impl<I: Streamed, O: Streamed> Runnable for Fallbacks<I, O> {
    type Input = I;
    type Output = O;

    fn label(&self) -> Label {
        Label::new(Kind::Chain, "RunnableWithFallbacks").whole()
    }

    fn transform(&self, input: Input<I>, cx: Cx) -> Chunks<O> {
        let fallbacks = self.clone();
        let output = async_stream::try_stream! {
            let input = input.whole(&cx).await?;
            let (mut first, mut last) = (None::<Error>, None::<Error>);
            for (attempt, runnable) in (1..).zip(&fallbacks.alternatives) {
                let given = match (&fallbacks.tell, &last) {
                    (Some(tell), Some(error)) => tell(input.clone(), error),
                    _ => input.clone(),
                };
                let inside = cx.child(runnable.label());
                let superseded = inside.scope().run_id;
                let mut output = execute(runnable, Input::from_whole(given), inside).into_chunks();
                let mut unseen = Vec::new();
                let begun = first_visible::<O>(&mut output, &mut unseen).await;
                let mut failed = begun.err().map(|error| (error, false));
                if failed.is_none() {
                    for chunk in unseen {
                        yield chunk;
                    }
                    loop {
                        match output.try_next().await {
                            Ok(Some(chunk)) => yield chunk,
                            Ok(None) => return,
                            Err(error) => break failed = Some((error, true)),
                        }
                    }
                }
                let Some((error, is_partial)) = failed else { return };
                let is_handled = fallbacks.handles(&error) && (!is_partial || fallbacks.restarts);
                let error = error.after(attempt, is_partial);
                first.get_or_insert_with(|| error.clone());
                if !is_handled {
                    Err(error.clone())?;
                }
                if is_partial && fallbacks.alternatives.len() > attempt as usize {
                    restart(&cx, superseded, attempt + 1).await?;
                }
                last = Some(error);
            }
            if let Some(error) = first {
                Err(error)?;
            }
        };
        output.boxed()
    }
}

/// Tells that an answer begins again.
pub(super) async fn restart(cx: &Cx, superseded: Uuid, attempt: u32) -> Result<()> {
    if !cx.wants(Channels::MESSAGES) {
        return Ok(());
    }
    cx.emit(Body::Restarted { superseded, attempt }).await
}

/// Reads as far as the first chunk that anybody would see, or to the end.
pub(super) async fn first_visible<O: Streamed>(output: &mut Chunks<O>, read: &mut Vec<O::Chunk>) -> Result<()> {
    while let Some(chunk) = output.try_next().await? {
        let is_visible = O::piece(&chunk).is_visible();
        read.push(chunk);
        if is_visible {
            break;
        }
    }
    Ok(())
}
