//! Calls of a model at a mock provider.

use millstream_core::{ChatModel, Cx, Messages, Options, Parts, Request, Result};
use millstream_models::{Limits, OpenAi, OpenAiBuilder};
use millstream_testkit::provider::MockProvider;

pub(crate) fn builder(provider: &MockProvider) -> OpenAiBuilder {
    // A limit that nothing reaches: a test that waits for ever is found by its runner.
    OpenAi::builder("mock-model").base_url(provider.base_url()).key("sk-SECRET").limits(Limits::NONE)
}

pub(crate) async fn open(model: &OpenAi, question: &str) -> Result<Parts> {
    model.open(Request::new(question, Options::default()), &Cx::detached()).await
}

pub(crate) async fn ask(model: &OpenAi, messages: impl Into<Messages>, options: Options) -> Result<Parts> {
    model.open(Request::new(messages, options), &Cx::detached()).await
}
