//! Where an agent goes from its model, and from its tools.

use std::sync::Arc;

use millstream_core::{Message, Result, Role};

use super::chat::Conversation;
use super::{AgentForm, TOOLS, ToolTasks, history};
use crate::build::END;
use crate::command::Target;

/// What the ways of an agent depend on.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) form: AgentForm,
    pub(super) tasks: ToolTasks,
    /// The tools whose word is the last.
    pub(super) direct: Arc<[String]>,
}

impl Route {
    /// To the tools if the model calls some, and to the end if not.
    pub(super) fn after_model<S: Conversation>(&self, state: &S) -> Result<Vec<Target<S>>> {
        let messages = state.messages()?;
        let calls: Vec<_> = history::open_calls(&messages).collect();
        if calls.is_empty() {
            // A call that could not be read has no tool, but the model has to hear of it.
            let asks = history::last_said(&messages).is_some_and(|(_, message)| history::asks(message));
            return Ok(vec![if asks { self.form.model_node() } else { END }.into()]);
        }
        Ok(match self.tasks {
            ToolTasks::PerMessage => vec![TOOLS.into()],
            ToolTasks::PerCall => {
                calls.into_iter().map(|call| Target::Call { node: TOOLS.into(), call: call.clone() }).collect()
            }
        })
    }

    /// Back to the model, unless the last word was said.
    pub(super) fn after_tools<S: Conversation>(&self, state: &S) -> Result<Vec<Target<S>>> {
        let messages = state.messages()?;
        let ends = match history::last_said(&messages) {
            Some((place, said)) => self.ends_with(said, &messages[place + 1..]),
            None => false,
        };
        Ok(vec![if ends { END } else { self.form.model_node() }.into()])
    }

    fn ends_with(&self, said: &Message, results: &[Message]) -> bool {
        let results = results.iter().filter(|message| message.role == Role::Tool);
        let mut ran = results.filter_map(|result| result.name.as_deref());
        match self.form {
            AgentForm::LangGraph => {
                ran.any(|name| self.is_direct(name)) || said.tool_calls().any(|call| self.is_direct(&call.name))
            }
            AgentForm::LangChain => said.tool_calls().count() > 0 && ran.all(|name| self.is_direct(name)),
        }
    }

    /// Whether the run could not go on as `answer` wants.
    pub(super) fn needs_more_steps(&self, answer: &Message, remaining: Option<u64>) -> bool {
        let Some(remaining) = remaining.filter(|_| self.form == AgentForm::LangGraph) else { return false };
        let asks = history::asks(answer);
        // Tools need a step, and then the model another. The reference has these words also for an answer in the very last step.
        let all_direct = answer.tool_calls().all(|call| self.is_direct(&call.name));
        (remaining < 1 && all_direct) || (remaining < 2 && asks)
    }

    fn is_direct(&self, name: &str) -> bool {
        self.direct.iter().any(|direct| direct == name)
    }
}
