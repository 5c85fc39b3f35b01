//! The node that asks the model.

use std::borrow::Cow;
use std::sync::Arc;

use millstream_core::{Body, Channels, Cx, Kind, Label, Message, Model, Payload, REMOVE_ALL, Result, Runnable};
use serde_json::json;

use super::AgentForm;
use super::chat::Conversation;
use super::history;
use super::route::Route;
use crate::command::Command;
use crate::node::Node;

/// What the agent says when its run may not go on for long enough; the reference's words.
const NO_MORE_STEPS: &str = "Sorry, need more steps to process this request.";

/// Asks a model what is next.
pub(super) struct ModelNode {
    model: Model,
    system: Option<Message>,
    name: Option<Arc<str>>,
    route: Route,
}

impl ModelNode {
    pub(super) fn new(model: Model, system: Option<Message>, name: Option<Arc<str>>, route: Route) -> Self {
        Self { model, system, name, route }
    }

    async fn ask(&self, messages: &[Message], cx: &Cx) -> Result<Message> {
        let asked: Vec<Message> = self.system.iter().chain(messages).cloned().collect();
        match self.route.form {
            AgentForm::LangChain => self.model.invoke(asked, cx).await,
            // There the model stands in a sequence behind the prompt, which whoever reads events sees.
            AgentForm::LangGraph => {
                let cx = cx.child(Label::new(Kind::Chain, "call_model")).waited_for();
                let told = cx.tells();
                if told {
                    let input = Payload::new(json!({ "messages": messages }));
                    cx.emit(Body::RunnableStarted { input: Some(input) }).await?;
                }
                let answer = self.model.invoke(asked, &cx).await?;
                if told {
                    let output = Payload::new(answer.clone());
                    cx.emit(Body::RunnableFinished { input: None, output }).await?;
                }
                Ok(answer)
            }
        }
    }
}

impl<S: Conversation> Node<S> for ModelNode {
    async fn run(&self, state: Arc<S>, cx: Cx) -> Result<Command<S>> {
        let there = state.messages()?;
        let whole = history::whole(&there);
        let mut answer = self.ask(&whole, &cx).await?;
        if self.name.is_some() || self.route.form == AgentForm::LangGraph {
            answer.name = self.name.as_ref().map(|name| name.to_string());
        }
        if self.route.needs_more_steps(&answer, state.remaining_steps()) {
            let id = answer.id.take();
            answer = Message::ai(NO_MORE_STEPS);
            answer.id = id;
        }
        let said = match whole {
            Cow::Borrowed(_) => vec![answer],
            Cow::Owned(whole) => [Message::remove(REMOVE_ALL)].into_iter().chain(whole).chain([answer]).collect(),
        };
        let update = S::saying(said);
        if self.route.form == AgentForm::LangGraph || !cx.wants(Channels::RUNNABLES) {
            return Ok(Command::none().update(update));
        }
        // There the node answers with a list of one command.
        let shown = json!([{ "$command": { "update": &update } }]);
        Ok(Command::none().update(update).shown_as(shown))
    }
}
