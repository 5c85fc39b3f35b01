//! What a connection remembers: questions and their answers.

use millstream::{Message, Messages, Outcome};

use crate::run::ServerRun;

/// The history of a connection.
#[derive(Debug, Default)]
pub(super) struct Conversation(Messages);

impl Conversation {
    pub(super) fn history(&self) -> Messages {
        self.0.clone()
    }

    /// Adds a run that is over. One that failed leaves no trace; one that was stopped leaves what it had said.
    pub(super) fn remember(&mut self, run: &ServerRun) {
        let Some(finished) = run.log.finished() else { return };
        let answer = match (finished.outcome, run.log.answer()) {
            (Outcome::Completed, Some(answer)) => answer,
            (Outcome::Cancelled, Some(answer)) if !answer.text().is_empty() => Message::ai(answer.text()),
            _ => return,
        };
        if self.0.is_empty() {
            // A connection that came back to a run goes on with the conversation that the run belongs to.
            self.0 = run.conversation.clone();
        } else {
            self.0.extend(run.conversation.last().cloned());
        }
        self.0.push(answer);
    }
}
