//! One turn of a session: what is asked, what is heard, and what of it is kept.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::Value;

use super::History;
use super::line::Place;
use super::recent::recent;
use super::with::{Spoken, WithHistory};
use crate::cx::{Cx, Label};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Kind, Outcome};
use crate::execute::execute;
use crate::input::Input;
use crate::message::{Block, Finish, Message, Messages};
use crate::runnable::Runnable;
use crate::streamed::{Chunks, Fold};
use crate::vars::Vars;

/// A chain that speaks in one session.
pub(super) struct Session<O: Spoken> {
    pub(super) with: WithHistory<O>,
    pub(super) name: Arc<str>,
}

impl<O: Spoken> Runnable for Session<O> {
    type Input = Vars;
    type Output = O;

    fn label(&self) -> Label {
        Label::new(Kind::Chain, "RunnableWithMessageHistory")
    }

    fn transform(&self, input: Input<Vars>, cx: Cx) -> Chunks<O> {
        let (with, name) = (self.with.clone(), self.name.clone());
        let answer = async_stream::try_stream! {
            let vars = input.whole(&cx).await?;
            let question = question(&vars, &with.question)?;
            let place = with.lines.turn(&name).await;
            let before = recent(with.store.load(&name).await?, with.limit);
            let vars = vars.with(&*with.history, before);
            let mut turn = Turn::<O>::new(with.store, name, question, place);
            let mut chunks = execute(&with.chain, Input::from_whole(vars), cx.child(with.chain.label())).into_chunks();
            loop {
                match chunks.try_next().await {
                    Ok(Some(chunk)) => {
                        turn.hear(chunk.clone())?;
                        yield chunk;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        turn.fail(&error).await;
                        Err(error)?;
                    }
                }
            }
            turn.complete().await?;
        };
        answer.boxed()
    }
}

/// What the person says: a text, a message, or several.
fn question(vars: &Vars, name: &str) -> Result<Messages> {
    let asked = vars.get(name).ok_or_else(|| vars.missing("the conversation", name))?;
    let messages = asked.try_json().and_then(|asked| match asked {
        Value::String(text) => Ok(Messages::from(text.as_str())),
        Value::Array(messages) => messages.into_iter().map(Message::deserialize).collect(),
        message => Message::deserialize(message).map(Messages::from),
    });
    messages.map_err(|error| {
        let message = format!("the variable {name:?} must be a text, a message or a list of messages: {error}");
        Error::new(ErrorKind::InvalidInput, message).with_source(error)
    })
}

/// A question and as much of its answer as was heard. However it ends, what was said is kept once.
struct Turn<O: Spoken> {
    store: Arc<dyn History>,
    session: Arc<str>,
    question: Messages,
    /// Nothing once it is kept.
    answer: Option<O::Fold>,
    _place: Place,
}

impl<O: Spoken> Turn<O> {
    fn new(store: Arc<dyn History>, session: Arc<str>, question: Messages, place: Place) -> Self {
        Self { store, session, question, answer: Some(O::Fold::default()), _place: place }
    }

    fn hear(&mut self, chunk: O::Chunk) -> Result<()> {
        self.answer.as_mut().map_or(Ok(()), |answer| answer.push(chunk))
    }

    /// Keeps the whole answer.
    async fn complete(mut self) -> Result<()> {
        match self.said(None) {
            Some(messages) => self.store.append(&self.session, messages).await,
            None => Ok(()),
        }
    }

    /// Keeps what was heard before the chain failed. That it failed is the error to tell, whatever the store says.
    async fn fail(&mut self, error: &Error) {
        let finish = match Outcome::of(error) {
            Outcome::Cancelled => Finish::Cancelled,
            Outcome::Truncated => Finish::Truncated,
            _ => Finish::Failed,
        };
        if let Some(messages) = self.said(Some(finish))
            && let Err(error) = self.store.append(&self.session, messages).await
        {
            tracing::warn!(code = error.code(), "what was said cannot be kept: {error}");
        }
    }

    /// The question and the answer, which ended as `early` says unless it had come to its own end; nothing if nothing was said, or it is kept already.
    fn said(&mut self, early: Option<Finish>) -> Option<Messages> {
        let mut answer = O::spoken(self.answer.take()?);
        if answer.text().is_empty() {
            return None;
        }
        // Providers refuse a conversation in which a call has no result.
        answer.content.retain(|block| !matches!(block, Block::ToolCall(_) | Block::InvalidToolCall { .. }));
        answer.finish = answer.finish.or(early);
        let mut messages = std::mem::take(&mut self.question);
        messages.push(answer);
        Some(messages)
    }
}

/// The run was stopped: nobody can wait for the store, which is why it begins when it is called.
impl<O: Spoken> Drop for Turn<O> {
    fn drop(&mut self) {
        if let Some(messages) = self.said(Some(Finish::Cancelled))
            && let Some(Err(error)) = self.store.append(&self.session, messages).now_or_never()
        {
            tracing::warn!(code = error.code(), "what was said cannot be kept: {error}");
        }
    }
}
