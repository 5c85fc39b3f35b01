//! A model without weights: it answers from the project's own short guide, token by token.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;

use crate::cx::{Cx, Label};
use crate::error::Result;
use crate::event::Kind;
use crate::message::{Finish, Message, Role};
use crate::model::{ChatModel, Out, Parts, Request};
use crate::usage::{Usage, UsageSource};

mod answer;
mod guide;
mod retrieve;
mod terms;
mod tokens;
mod weather;
mod wish;

use answer::answer;
use weather::weather_city;

/// The demo model: in process, no key, no network, the same answer to the same question.
///
/// It looks the question up in Millstream's guide (a real retriever, no language model) and says so when asked what it is. If the request has
/// a tool `get_weather` and the question asks for a city's weather, it calls the tool. [`Demo::says`] makes it say given texts instead.
///
/// ```
/// use millstream_core::{Demo, Model, Runnable};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let model = Model::from(Demo::instant());
/// assert!(model.run("What are the stream modes?").await?.text().contains("updates"));
///
/// let scripted = Model::from(Demo::says(["Old pond", "A frog leaps in"]));
/// assert_eq!(scripted.run("A haiku, please").await?.text(), "Old pond");
/// assert_eq!(scripted.run("Go on").await?.text(), "A frog leaps in");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Demo {
    delay: Duration,
    script: Option<Arc<Script>>,
}

#[derive(Debug)]
struct Script {
    answers: Vec<String>,
    next: std::sync::atomic::AtomicUsize,
}

impl Default for Demo {
    /// At the pace of a fast model: 25 ms a token.
    fn default() -> Self {
        Self { delay: Duration::from_millis(25), script: None }
    }
}

impl Demo {
    /// As fast as its reader.
    pub fn instant() -> Self {
        Self::default().with_delay(Duration::ZERO)
    }

    /// Says `answers`, one a call, as fast as its reader; the last one repeats.
    pub fn says<T: Into<String>>(answers: impl IntoIterator<Item = T>) -> Self {
        let answers = answers.into_iter().map(Into::into).collect();
        Self { delay: Duration::ZERO, script: Some(Arc::new(Script { answers, next: 0.into() })) }
    }

    /// Waits for `delay` before each token; zero is as fast as its reader. A delay needs a Tokio runtime with time.
    #[must_use]
    pub fn with_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

impl Script {
    fn next(&self) -> String {
        let turn = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.answers.get(turn.min(self.answers.len().saturating_sub(1))).cloned().unwrap_or_default()
    }
}

/// What the model does with a request.
enum Reply {
    Says(String),
    CallsWeather { city: String },
}

impl Demo {
    fn reply(&self, request: &Request) -> Reply {
        if let Some(script) = &self.script {
            return Reply::Says(script.next());
        }
        let Some(last) = request.messages.last() else {
            return Reply::Says(answer("", &[]));
        };
        if last.role == Role::Tool {
            return Reply::Says(last.text());
        }
        let questions = questions(&request.messages);
        let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
        let (question, earlier) =
            questions.split_last().map_or(("", [].as_slice()), |(last, earlier)| (*last, earlier));
        let can_look = request.options.tools.iter().any(|tool| tool.name == "get_weather");
        match weather_city(question) {
            Some(city) if can_look => Reply::CallsWeather { city },
            _ => Reply::Says(answer(question, earlier)),
        }
    }

    async fn pause(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }

    async fn write(self, reply: Reply, input_tokens: u64, out: Out) -> Result<Finish> {
        let mut tokens = 0;
        let finish = match reply {
            Reply::Says(text) => {
                for token in tokens::tokens(&text) {
                    self.pause().await;
                    out.text(token).await;
                    tokens += 1;
                }
                Finish::Stop
            }
            Reply::CallsWeather { city } => {
                let args = json!({ "city": city }).to_string();
                let call = out.tool_call("call_weather_1", "get_weather").await;
                for piece in tokens::tokens(&args) {
                    self.pause().await;
                    out.arguments(call, piece).await?;
                    tokens += 1;
                }
                Finish::ToolCalls
            }
        };
        out.usage(Usage::new(input_tokens, tokens, UsageSource::Provider));
        Ok(finish)
    }
}

/// What the person asked, the oldest first.
fn questions(messages: &[Message]) -> Vec<String> {
    messages.iter().filter(|message| message.role == Role::Human).map(Message::text).collect()
}

impl ChatModel for Demo {
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        let reply = self.reply(&request);
        let input_tokens = request.messages.iter().map(|message| tokens::tokens(&message.text()).count() as u64).sum();
        let demo = self.clone();
        let parts = Parts::write(cx, move |out| demo.write(reply, input_tokens, out));
        Box::pin(async move { Ok(parts) })
    }

    fn label(&self) -> Label {
        Label::new(Kind::ChatModel, "Demo")
            .with_metadata("ls_provider", "millstream")
            .with_metadata("ls_model_name", "demo")
            .with_metadata("ls_model_type", "chat")
    }
}
