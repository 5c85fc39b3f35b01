//! A model that says exactly what a test tells it to say, when the test lets it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use millstream::{ChatModel, Cx, Error, Finish, Message, Messages, Out, Parts, Request, Result};
use tokio::sync::{Semaphore, watch};

/// One thing that the model does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Says a token.
    Say(String),
    /// Says the tokens that the question is a JSON list of.
    Recite,
    /// Thinks a token.
    Think(String),
    /// Calls a tool with these arguments, given in these pieces.
    Call(&'static str, Vec<&'static str>),
    /// The same, with an id other than `call_1`.
    CallAs(&'static str, &'static str, Vec<&'static str>),
    /// Waits for [`Stage::release`].
    Wait,
    /// The same, before the answer has begun: the provider has not sent its headers.
    WaitToOpen,
    /// Refuses to begin.
    FailToOpen(Error),
    /// Fails in the middle.
    Fail(Error),
    /// Panics with a text.
    Panic(&'static str),
    /// Says a token for ever, as fast as it is taken.
    Forever(&'static str),
    /// Says a token for ever, one a millisecond.
    Dripping(&'static str),
    /// Ends early, for this reason.
    End(Finish),
}

/// What has happened on the stage.
#[derive(Clone, Debug, Default)]
struct Log {
    requests: Vec<Messages>,
    alive: usize,
    last_left: Option<Instant>,
}

#[derive(Debug)]
struct Inner {
    answers: Vec<Vec<Step>>,
    log: watch::Sender<Log>,
    gate: Semaphore,
    next: Mutex<usize>,
}

/// The model, and its owner's view of it. Clones are the same stage.
#[derive(Clone, Debug)]
pub struct Stage(Arc<Inner>);

impl Stage {
    /// A model that gives these answers, one a call; the last one repeats.
    pub fn plays(answers: impl IntoIterator<Item = Vec<Step>>) -> Self {
        let answers = answers.into_iter().collect();
        let inner = Inner { answers, log: watch::Sender::default(), gate: Semaphore::new(0), next: Mutex::new(0) };
        Self(Arc::new(inner))
    }

    /// A model that always does these things.
    pub fn does(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::plays([steps.into_iter().collect()])
    }

    /// A model that always says these tokens.
    pub fn says<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Self {
        Self::does(tokens.into_iter().map(|token| Step::Say(token.into())))
    }

    /// A model that says these tokens, each when [`Stage::release`] allows it.
    pub fn says_when_released<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Self {
        Self::does(tokens.into_iter().flat_map(|token| [Step::Wait, Step::Say(token.into())]))
    }

    /// Opens the gate for `count` waits.
    pub fn release(&self, count: usize) {
        self.0.gate.add_permits(count);
    }

    /// Opens the gate for good.
    pub fn release_all(&self) {
        self.release(Semaphore::MAX_PERMITS / 2);
    }

    /// How often the model was called.
    pub fn calls(&self) -> usize {
        self.0.log.borrow().requests.len()
    }

    /// What the model was asked, call by call.
    pub fn requests(&self) -> Vec<Messages> {
        self.0.log.borrow().requests.clone()
    }

    /// Comes back when the model has been called `count` times.
    ///
    /// # Panics
    /// When that does not happen.
    pub async fn called(&self, count: usize) {
        let mut log = self.0.log.subscribe();
        super::within(log.wait_for(|log| log.requests.len() >= count)).await.unwrap();
    }

    /// Comes back when every call has ended or was dropped; gives when the last one did.
    ///
    /// # Panics
    /// When that does not happen.
    pub async fn left(&self) -> Instant {
        let mut log = self.0.log.subscribe();
        let log = super::within(log.wait_for(|log| log.alive == 0 && log.last_left.is_some())).await.unwrap();
        log.last_left.unwrap()
    }

    /// How many calls are under way.
    pub fn alive(&self) -> usize {
        self.0.log.borrow().alive
    }

    fn enter(&self, request: Request) -> (Vec<Step>, Presence) {
        self.0.log.send_modify(|log| {
            log.requests.push(request.messages);
            log.alive += 1;
        });
        let mut next = self.0.next.lock().unwrap();
        let steps = self.0.answers[(*next).min(self.0.answers.len() - 1)].clone();
        *next += 1;
        (steps, Presence(self.clone()))
    }

    async fn pass(&self) {
        self.0.gate.acquire().await.unwrap().forget();
    }
}

/// A call that is under way; dropped with the call's future or parts.
struct Presence(Stage);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.0.log.send_modify(|log| {
            log.alive -= 1;
            log.last_left = Some(Instant::now());
        });
    }
}

impl ChatModel for Stage {
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        let question = request.messages.last().map(Message::text).unwrap_or_default();
        let (steps, presence) = self.enter(request);
        Box::pin(async move {
            for step in &steps {
                match step {
                    Step::WaitToOpen => self.pass().await,
                    Step::FailToOpen(error) => return Err(error.clone()),
                    _ => {}
                }
            }
            let stage = self.clone();
            Ok(Parts::write(cx, async move |out: Out| {
                let _presence = presence;
                stage.play(steps, &question, &out).await
            }))
        })
    }
}

impl Stage {
    async fn play(&self, steps: Vec<Step>, question: &str, out: &Out) -> Result<Finish> {
        for step in steps {
            match step {
                Step::Say(token) => out.text(&token).await,
                Step::Recite => {
                    let tokens: Vec<String> = serde_json::from_str(question).unwrap();
                    for token in tokens {
                        out.text(&token).await;
                    }
                }
                Step::Think(token) => out.reasoning(&token).await,
                Step::Call(name, pieces) => call(out, "call_1", name, pieces).await?,
                Step::CallAs(id, name, pieces) => call(out, id, name, pieces).await?,
                Step::Wait => self.pass().await,
                Step::Fail(error) => return Err(error),
                Step::Panic(text) => panic!("{text}"),
                Step::Forever(token) => loop {
                    out.text(token).await;
                },
                Step::Dripping(token) => loop {
                    out.text(token).await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                },
                Step::End(finish) => return Ok(finish),
                Step::WaitToOpen | Step::FailToOpen(_) => {}
            }
        }
        Ok(Finish::Stop)
    }
}

async fn call(out: &Out, id: &str, name: &str, pieces: Vec<&str>) -> Result<()> {
    let call = out.tool_call(id, name).await;
    for piece in pieces {
        out.arguments(call, piece).await?;
    }
    Ok(())
}
