//! One runnable on many inputs, each in a run of its own.

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt, stream};

use crate::error::Result;
use crate::run::Run;
use crate::runnable::Runnable;

type Describe<O> = Box<dyn Fn(usize, Run<O>) -> Run<O> + Send + Sync>;

/// Runs of one runnable, one for each input: await it for what each gave, in the order of the inputs, or read what each gave as soon as it is there. A
/// run that fails fails alone.
///
/// ```
/// use millstream_core::{Error, ErrorKind, Lambda, Runnable};
///
/// let half = Lambda::new(|n: i64| match n % 2 {
///     0 => Ok(n / 2),
///     _ => Err(Error::new(ErrorKind::Failed, format!("{n} is odd"))),
/// });
/// # futures_util::FutureExt::now_or_never(async {
/// let halves = half.batch([2, 3, 4]).at_most(2).await;
/// assert_eq!(halves[0].as_ref().unwrap(), &1);
/// assert_eq!(halves[1].as_ref().unwrap_err().to_string(), "3 is odd");
/// # }).unwrap();
/// ```
#[must_use = "a batch does nothing until it is awaited or read"]
pub struct Batch<R: Runnable> {
    runnable: R,
    inputs: Vec<R::Input>,
    at_once: usize,
    describe: Describe<R::Output>,
}

impl<R: Runnable + Clone> Batch<R> {
    pub(crate) fn new(runnable: R, inputs: Vec<R::Input>) -> Self {
        Self { runnable, inputs, at_once: usize::MAX, describe: Box::new(|_, run| run) }
    }

    /// How many run at the same time; all unless set.
    pub fn at_most(mut self, runs: usize) -> Self {
        self.at_once = runs.max(1);
        self
    }

    /// What is said of each run, which is given with the place of its input: its tags, its metadata, its id.
    pub fn each(mut self, describe: impl Fn(usize, Run<R::Output>) -> Run<R::Output> + Send + Sync + 'static) -> Self {
        self.describe = Box::new(describe);
        self
    }

    /// What each run gave, with the place of its input, as soon as it is there.
    pub fn as_completed(self) -> impl Stream<Item = (usize, Result<R::Output>)> + Send + Unpin {
        let at_once = self.at_once;
        stream::iter(self.runs()).buffer_unordered(at_once)
    }

    fn runs(self) -> Vec<BoxFuture<'static, (usize, Result<R::Output>)>> {
        let Self { runnable, inputs, describe, .. } = self;
        let run = |(place, input)| {
            let run = describe(place, runnable.run(input));
            async move { (place, run.await) }.boxed()
        };
        inputs.into_iter().enumerate().map(run).collect()
    }
}

impl<R: Runnable + Clone> IntoFuture for Batch<R> {
    type Output = Vec<Result<R::Output>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let at_once = self.at_once;
        stream::iter(self.runs()).buffered(at_once).map(|(_, output)| output).collect().boxed()
    }
}
