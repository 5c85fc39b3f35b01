//! What a connection remembers: questions and their answers, unless the server keeps them.

use std::collections::VecDeque;
use std::sync::Arc;

use millstream::{Message, Messages, Outcome};
use uuid::Uuid;

use crate::app::Talk;
use crate::run::ServerRun;

/// The history of a connection: its turns, the oldest forgotten first when they become too many.
#[derive(Debug)]
pub(super) struct Conversation {
    turns: VecDeque<Turn>,
    bytes: usize,
    limit: usize,
    /// The conversation that the server keeps, if the connection is about one.
    thread: Option<Arc<str>>,
}

#[derive(Debug)]
struct Turn {
    /// The run that answered; none for turns of an earlier connection.
    run: Option<Uuid>,
    messages: Vec<Message>,
    bytes: usize,
}

impl Conversation {
    /// An empty history that keeps at most `limit` bytes of text; or the conversation `thread`, which the server keeps.
    pub(super) fn new(limit: usize, thread: Option<Arc<str>>) -> Self {
        Self { turns: VecDeque::new(), bytes: 0, limit, thread }
    }

    /// What the next question belongs to.
    pub(super) fn talk(&self) -> Talk {
        match &self.thread {
            Some(thread) => Talk::Kept(thread.clone()),
            None => Talk::Brought(self.history()),
        }
    }

    fn history(&self) -> Messages {
        self.turns.iter().flat_map(|turn| turn.messages.iter().cloned()).collect()
    }

    /// Adds a run that is over, once. One that failed leaves no trace; one that was stopped leaves what it had said. One of a conversation that the
    /// server keeps is there already.
    pub(super) fn remember(&mut self, run: &ServerRun) {
        let kept = run.log.finished().is_some_and(|end| matches!(end.outcome, Outcome::Completed | Outcome::Cancelled));
        let answer = run.log.answer().map(|answer| answer.text()).unwrap_or_default();
        let known = self.turns.iter().any(|turn| turn.run == Some(run.id));
        if !kept || known || answer.is_empty() || run.conversation.is_empty() {
            return;
        }
        let (history, question) = run.conversation.split_at(run.conversation.len().saturating_sub(1));
        if self.turns.is_empty() && !history.is_empty() {
            // A connection that came back to a run goes on with the conversation that the run belongs to.
            self.push(None, history.to_vec());
        }
        // The text alone: calls of tools that were never run may not stand in a history without their results.
        self.push(Some(run.id), question.iter().cloned().chain([Message::ai(answer)]).collect());
    }

    fn push(&mut self, run: Option<Uuid>, messages: Vec<Message>) {
        let bytes = messages.iter().map(|message| message.text().len()).sum();
        self.bytes += bytes;
        self.turns.push_back(Turn { run, messages, bytes });
        while self.bytes > self.limit
            && let Some(oldest) = self.turns.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }
}
