use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use millstream_core::{
    Block, CallIndex, ChatModel, Cx, Error, ErrorKind, Finish, Kind, Label, PartSource, PartWriter, Parts, Request,
    Result, Usage,
};
use tokio::time::Sleep;

/// A model that does exactly what its [`Turn`]s say, one a call, and remembers what it was asked.
///
/// Clones are the same model. Pauses are Tokio's, so that a test with paused time waits for nothing.
///
/// ```
/// use millstream_core::{Model, Runnable};
/// use millstream_testkit::{ScriptedModel, Turn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> millstream_core::Result<()> {
/// let scripted = ScriptedModel::new([Turn::says(["Hel", "lo"]), Turn::says(["Half"]).cut()]);
/// let model = Model::from(scripted.clone());
/// assert_eq!(model.run("hi").await?.text(), "Hello");
/// assert_eq!(model.run("again").await.unwrap_err().code(), "truncated");
/// assert_eq!(scripted.requests()[1].messages[0].text(), "again");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScriptedModel {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    turns: Mutex<VecDeque<Turn>>,
    requests: Mutex<Vec<Request>>,
    dropped: AtomicUsize,
}

/// What the model does in one call. Each step is one piece of the answer.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    before_open: Duration,
    refusal: Option<Error>,
    steps: Vec<Step>,
    ending: Ending,
}

#[derive(Clone, Debug)]
enum Step {
    Pause(Duration),
    Text(String),
    Reasoning(String),
    Call { id: String, name: String },
    Arguments { id: String, json: String },
    Block(Block),
    Usage(Usage),
}

/// How the turn ends after its last step.
#[derive(Clone, Debug, Default)]
enum Ending {
    /// `tool_calls` if there are any, else `stop`.
    #[default]
    Natural,
    Finish(Finish),
    Fails(Error),
    Cut,
    Hangs,
}

impl ScriptedModel {
    /// A model with these turns. A call for which none is left fails and says so.
    pub fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let model = Self::default();
        lock(&model.shared.turns).extend(turns);
        model
    }

    /// Adds a turn.
    pub fn push(&self, turn: Turn) {
        lock(&self.shared.turns).push_back(turn);
    }

    /// What it was asked, call by call.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// How many calls and answers were dropped before their end.
    pub fn dropped(&self) -> usize {
        self.shared.dropped.load(Ordering::SeqCst)
    }
}

impl Turn {
    /// An answer of these tokens, each a piece of its own.
    pub fn says<Token: AsRef<str>>(tokens: impl IntoIterator<Item = Token>) -> Self {
        Self::default().text(tokens)
    }

    /// A call that does not open.
    pub fn refuses(error: Error) -> Self {
        Self { refusal: Some(error), ..Self::default() }
    }

    /// Text, token by token.
    #[must_use]
    pub fn text<Token: AsRef<str>>(self, tokens: impl IntoIterator<Item = Token>) -> Self {
        self.steps(tokens.into_iter().map(|token| Step::Text(token.as_ref().to_owned())))
    }

    /// Reasoning, token by token.
    #[must_use]
    pub fn reasoning<Token: AsRef<str>>(self, tokens: impl IntoIterator<Item = Token>) -> Self {
        self.steps(tokens.into_iter().map(|token| Step::Reasoning(token.as_ref().to_owned())))
    }

    /// A tool call whose arguments come in these fragments.
    #[must_use]
    pub fn tool_call<Fragment: AsRef<str>>(
        self,
        id: &str,
        name: &str,
        arguments: impl IntoIterator<Item = Fragment>,
    ) -> Self {
        let opened = self.steps([Step::Call { id: id.to_owned(), name: name.to_owned() }]);
        arguments.into_iter().fold(opened, |turn, fragment| turn.arguments(id, fragment.as_ref()))
    }

    /// More arguments of a call that was begun, for calls that interleave.
    #[must_use]
    pub fn arguments(self, id: &str, json: &str) -> Self {
        self.steps([Step::Arguments { id: id.to_owned(), json: json.to_owned() }])
    }

    /// A block that comes whole.
    #[must_use]
    pub fn block(self, block: Block) -> Self {
        self.steps([Step::Block(block)])
    }

    /// What the answer costs.
    #[must_use]
    pub fn usage(self, usage: Usage) -> Self {
        self.steps([Step::Usage(usage)])
    }

    /// A pause before the next step.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        self.steps([Step::Pause(pause)])
    }

    /// A pause before each step so far.
    #[must_use]
    pub fn pace(mut self, pause: Duration) -> Self {
        self.steps = self.steps.into_iter().flat_map(|step| [Step::Pause(pause), step]).collect();
        self
    }

    /// A pause before the call opens.
    #[must_use]
    pub fn delay_open(self, pause: Duration) -> Self {
        Self { before_open: pause, ..self }
    }

    /// Only the first `count` steps; follow it with the ending that is wanted there.
    #[must_use]
    pub fn first(mut self, count: usize) -> Self {
        self.steps.truncate(count);
        self
    }

    /// Ends with this reason.
    #[must_use]
    pub fn finish(self, finish: Finish) -> Self {
        Self { ending: Ending::Finish(finish), ..self }
    }

    /// Ends with this error.
    #[must_use]
    pub fn fails(self, error: Error) -> Self {
        Self { ending: Ending::Fails(error), ..self }
    }

    /// Ends without the end of the message.
    #[must_use]
    pub fn cut(self) -> Self {
        Self { ending: Ending::Cut, ..self }
    }

    /// Never ends: nothing more comes.
    #[must_use]
    pub fn hangs(self) -> Self {
        Self { ending: Ending::Hangs, ..self }
    }

    fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps.extend(steps);
        self
    }
}

impl ChatModel for ScriptedModel {
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        lock(&self.shared.requests).push(request);
        let turn = lock(&self.shared.turns).pop_front();
        let guard = Guard { shared: self.shared.clone(), ended: false };
        Box::pin(async move {
            let mut guard = guard;
            let turn = turn.ok_or_else(|| {
                guard.ended = true;
                Error::new(ErrorKind::Internal, "the scripted model has no turn left")
            })?;
            if !turn.before_open.is_zero() {
                tokio::time::sleep(turn.before_open).await;
            }
            if let Some(refusal) = turn.refusal {
                guard.ended = true;
                return Err(refusal);
            }
            let playing =
                Playing { steps: turn.steps.into(), ending: turn.ending, calls: Vec::new(), pause: None, guard };
            Ok(Parts::new(cx, playing))
        })
    }

    fn label(&self) -> Label {
        Label::new(Kind::ChatModel, "ScriptedModel")
    }
}

/// Counts what is dropped too early.
#[derive(Debug)]
struct Guard {
    shared: Arc<Shared>,
    ended: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

struct Playing {
    steps: VecDeque<Step>,
    ending: Ending,
    calls: Vec<(String, CallIndex)>,
    pause: Option<Pin<Box<Sleep>>>,
    guard: Guard,
}

impl PartSource for Playing {
    fn poll_fill(&mut self, task: &mut Context<'_>, out: &mut PartWriter) -> Poll<Result<bool>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(task));
                self.pause = None;
            }
            match self.steps.pop_front() {
                Some(Step::Pause(pause)) => self.pause = Some(Box::pin(tokio::time::sleep(pause))),
                Some(step) => {
                    let written = self.write(step, out);
                    self.guard.ended |= written.is_err();
                    return Poll::Ready(written.map(|()| true));
                }
                None => return self.end(out),
            }
        }
    }
}

impl Playing {
    fn write(&mut self, step: Step, out: &mut PartWriter) -> Result<()> {
        match step {
            Step::Pause(_) => {}
            Step::Text(text) => out.text(&text),
            Step::Reasoning(text) => out.reasoning(&text),
            Step::Call { id, name } => {
                let call = out.tool_call(&id, &name);
                self.calls.push((id, call));
            }
            Step::Arguments { id, json } => {
                let call = self.calls.iter().find(|(known, _)| *known == id);
                let (_, call) = call.ok_or_else(|| {
                    Error::new(
                        ErrorKind::Internal,
                        format!("the script has arguments for the call {id:?} that it never began"),
                    )
                })?;
                out.arguments(*call, &json)?;
            }
            Step::Block(block) => out.block(block),
            Step::Usage(usage) => out.usage(usage),
        }
        Ok(())
    }

    fn end(&mut self, out: &mut PartWriter) -> Poll<Result<bool>> {
        self.guard.ended = !matches!(self.ending, Ending::Hangs);
        match &self.ending {
            Ending::Hangs => Poll::Pending,
            Ending::Cut => Poll::Ready(Ok(false)),
            Ending::Fails(error) => Poll::Ready(Err(error.clone())),
            Ending::Finish(finish) => {
                out.end(*finish);
                Poll::Ready(Ok(false))
            }
            Ending::Natural => {
                out.end(if self.calls.is_empty() { Finish::Stop } else { Finish::ToolCalls });
                Poll::Ready(Ok(false))
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
