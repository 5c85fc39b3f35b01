//! Structured output: how a model is asked, and what becomes of its answer.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use std::sync::{Arc, Mutex};

use common::rechunk::now;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use millstream_core::{
    ChatModel, Cx, Finish, Message, Messages, Model, Options, Out, Parts, Request, ResponseFormat, Result, Role,
    Runnable,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Country {
    name: String,
}

/// Says one thing, and keeps what it was asked.
struct Asked {
    says: &'static str,
    takes: bool,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl ChatModel for Asked {
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        self.requests.lock().unwrap().push(request);
        let says = self.says;
        let parts = Parts::write(cx, async move |out: Out| {
            for word in says.split_inclusive(' ') {
                out.text(word).await;
            }
            Ok(Finish::Stop)
        });
        Box::pin(async move { Ok(parts) })
    }

    fn takes_response_format(&self) -> bool {
        self.takes
    }
}

fn asked(says: &'static str, takes: bool) -> (Model, Arc<Mutex<Vec<Request>>>) {
    let requests = Arc::default();
    (Model::from(Asked { says, takes, requests: Arc::clone(&requests) }), requests)
}

fn ask(takes: bool, messages: impl Into<Messages>) -> Request {
    let (model, requests) = asked(r#"{"name": "France"}"#, takes);
    let country = now(model.structured::<Country>().run(messages).into_future()).unwrap();
    assert_eq!(country.name, "France");
    requests.lock().unwrap().pop().unwrap()
}

#[test]
fn a_provider_that_can_is_sent_the_schema() {
    let request = ask(true, "Which country?");
    assert_eq!(request.options.response_format, Some(ResponseFormat::of::<Country>()));
    assert_eq!(request.messages.len(), 1);
}

#[test]
fn any_other_model_is_told_the_schema_in_its_instructions() {
    let request = ask(false, "Which country?");
    assert_eq!(request.options, Options::default());
    assert_eq!(request.messages[0].role, Role::System);
    assert!(request.messages[0].text().contains(r#""required": ["name"]"#));
    assert_eq!(request.messages[1..], *Messages::from("Which country?"));

    let request = ask(false, [Message::system("Be brief."), Message::human("Which country?")]);
    let system = request.messages[0].text();
    assert!(system.starts_with("Be brief.\n\n") && system.contains(r#""required": ["name"]"#));
    assert_eq!(request.messages.len(), 2);
}

#[test]
fn what_is_no_object_is_told_in_words_everywhere() {
    let (model, requests) = asked("[1, 2]", true);
    let numbers = now(model.structured::<Vec<u8>>().run("Two numbers, please").into_future()).unwrap();
    assert_eq!(*numbers, [1, 2]);
    let request = requests.lock().unwrap().pop().unwrap();
    assert_eq!((request.options.response_format, request.messages.len()), (None, 2));
}

#[test]
fn drafts_are_streamed_and_a_wrong_answer_is_an_error() {
    let (model, _) = asked(r#"{"name": "French Guiana"}"#, true);
    let drafts: Vec<_> = now(model.structured::<Country>().run("Which?").stream().try_collect()).unwrap();
    let names: Vec<_> = drafts.iter().map(|draft| draft.get("name").cloned()).collect();
    assert_eq!(names, [None, Some(json!("French")), Some(json!("French Guiana")), Some(json!("French Guiana"))]);
    assert_eq!(drafts[3].whole(), Some(&Country { name: "French Guiana".into() }));

    let (model, _) = asked(r#"{"title": "France"}"#, true);
    let error = now(model.structured::<Country>().run("Which?").into_future()).unwrap_err();
    assert!(error.to_string().starts_with("the model's answer is no Country: the answer must have the field \"name\""));
}
