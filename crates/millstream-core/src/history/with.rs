//! A chain that remembers.

use std::fmt;
use std::sync::Arc;

use super::History;
use super::line::Lines;
use super::session::Session;
use crate::chain::Chain;
use crate::message::Message;
use crate::streamed::{Fold, Streamed};
use crate::vars::Vars;

/// What a chain may give that remembers what it said: a message or a text.
pub trait Spoken: Streamed {
    /// What the pieces so far are as the model's message, whether or not they are all there.
    fn spoken(pieces: Self::Fold) -> Message;
}

impl Spoken for Message {
    fn spoken(pieces: Self::Fold) -> Message {
        pieces.partial()
    }
}

impl Spoken for String {
    fn spoken(pieces: Self::Fold) -> Message {
        Message::ai(pieces.finish().unwrap_or_default())
    }
}

/// A chain whose conversations are kept, made by [`Chain::with_history`]: LangChain's `RunnableWithMessageHistory`. Clones share the lines of those who
/// wait to speak.
pub struct WithHistory<O: Streamed> {
    pub(super) chain: Chain<Vars, O>,
    pub(super) store: Arc<dyn History>,
    pub(super) question: Arc<str>,
    pub(super) history: Arc<str>,
    pub(super) limit: usize,
    pub(super) lines: Lines,
}

impl<O: Spoken> Chain<Vars, O> {
    /// This chain with a memory: in each [session](WithHistory::session) the variable `history` is what was said before, and what is asked in the
    /// variable `question` is kept with its answer. The question may be a text, a message, or a list of messages.
    ///
    /// A turn is kept when its answer is complete, before the run ends; if that fails, the run does. Of an answer that was stopped, cut or failed, what
    /// had come is kept, and its `finish` says so. If nothing was said, nothing is kept, and the question is not either: a run that is awaited says
    /// nothing before it is whole. Wishes to call tools are left out,
    /// since nobody gives them results. A session has one turn at a time; others wait, in the order of asking. That is so for one `WithHistory`
    /// and its clones: two of them over the same store do not know of each other.
    ///
    /// ```
    /// use millstream_core::{Demo, MemoryHistory, Model, Prompt, Runnable, Text, vars};
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let prompt = Prompt::new().system("You are brief.").placeholder("history").human("{question}");
    /// let chain = prompt | Model::from(Demo::says(["Hello Ada.", "You are Ada."])) | Text;
    ///
    /// let chat = chain.with_history(MemoryHistory::default(), "question", "history");
    /// let ada = chat.session("ada");
    /// ada.run(vars! { question: "I am Ada." }).await?;
    /// assert_eq!(ada.run(vars! { question: "Who am I?" }).await?, "You are Ada.");
    /// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
    /// ```
    pub fn with_history(
        self,
        store: impl History,
        question: impl Into<Arc<str>>,
        history: impl Into<Arc<str>>,
    ) -> WithHistory<O> {
        WithHistory {
            chain: self,
            store: Arc::new(store),
            question: question.into(),
            history: history.into(),
            limit: usize::MAX,
            lines: Lines::default(),
        }
    }
}

impl<O: Spoken> WithHistory<O> {
    /// The chain tells the model no more than the last turns, of so many bytes of text at most. All are kept.
    #[must_use]
    pub fn recent(self, bytes: usize) -> Self {
        Self { limit: bytes, ..self }
    }

    /// The chain as it speaks in the session `name`.
    pub fn session(&self, name: impl Into<Arc<str>>) -> Chain<Vars, O> {
        Chain::from_step(Session { with: self.clone(), name: name.into() })
    }
}

impl<O: Streamed> Clone for WithHistory<O> {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            store: self.store.clone(),
            question: self.question.clone(),
            history: self.history.clone(),
            limit: self.limit,
            lines: self.lines.clone(),
        }
    }
}

impl<O: Streamed> fmt::Debug for WithHistory<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, question, history, .. } = self;
        f.debug_struct("WithHistory")
            .field("chain", chain)
            .field("question", question)
            .field("history", history)
            .finish_non_exhaustive()
    }
}
