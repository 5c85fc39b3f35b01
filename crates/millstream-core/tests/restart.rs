//! What happens to an answer that fails when something of it has been seen (R06).

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{
    Body, ChatModel, Cx, Error, ErrorKind, Event, Finish, MessageFold, Model, Out, Part, Parts, Request, Result, Retry,
    Runnable, Text,
};

/// Says its text, and fails behind it until its last answer.
struct Flaky {
    text: &'static str,
    failures: u32,
    calls: Arc<AtomicU32>,
}

impl Flaky {
    fn model(text: &'static str, failures: u32) -> Model {
        Model::from(Self { text, failures, calls: Arc::default() })
    }
}

impl ChatModel for Flaky {
    fn open<'a>(&'a self, _: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let (text, fails) = (self.text, call < self.failures);
        let parts = Parts::write(cx, async move |out: Out| {
            if !text.is_empty() {
                out.text(text).await;
            }
            if fails { Err(Error::new(ErrorKind::ProviderFailed, "gone")) } else { Ok(Finish::Stop) }
        });
        Box::pin(async move { Ok(parts) })
    }
}

fn at_once(attempts: u32) -> Retry {
    Retry { attempts, initial: Duration::ZERO, ..Retry::default() }
}

async fn all(mut events: impl StreamExt<Item = Result<Event>> + Unpin) -> (Vec<Event>, Option<Error>) {
    let (mut told, mut failed) = (Vec::new(), None);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => told.push(event),
            Err(error) => failed = Some(error),
        }
    }
    (told, failed)
}

#[tokio::test]
async fn an_answer_that_was_seen_ends_with_an_error_that_says_so() {
    let model = Flaky::model("half", 9).with_fallback(Flaky::model("whole", 0));
    let mut stream = model.run("?").stream();
    let mut fold = MessageFold::default();
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(chunk) => fold.push(&chunk).unwrap(),
            Err(error) => break error,
        }
    };
    assert_eq!(fold.partial().text(), "half");
    assert!(error.is_partial() && error.attempt() == Some(1));
    let public = error.public();
    assert!(public.partial && public.retryable && public.attempt == Some(1));
    // Awaited, nobody has seen anything.
    assert_eq!(model.run("?").await.unwrap().text(), "whole");
}

#[tokio::test]
async fn the_last_event_says_whether_something_was_seen() {
    for (text, seen) in [("half", true), ("", false)] {
        let (events, error) = all(Flaky::model(text, 9).run("?").events()).await;
        let Body::Finished(finished) = &events.last().unwrap().body else { panic!("{events:?}") };
        assert_eq!(finished.error.as_ref().unwrap().partial, seen, "{text:?}");
        assert_eq!(error.unwrap().is_partial(), seen);
    }
}

#[tokio::test]
async fn an_answer_may_begin_again_where_that_is_asked_for() {
    for restarting in [
        Flaky::model("half", 9).with_fallback(Flaky::model("whole", 0)).restarting().named("chain"),
        Flaky::model("whole", 2).with_retry(at_once(3)).restarting().named("chain"),
    ] {
        let chunks: Vec<_> = restarting.run("?").stream().try_collect().await.unwrap();
        let mut fold = MessageFold::default();
        chunks.iter().for_each(|chunk| fold.push(chunk).unwrap());
        assert_eq!(fold.finish().unwrap().text(), "whole");
    }
}

#[tokio::test]
async fn readers_of_events_are_told_which_attempt_is_void_and_its_message_ends() {
    let model = Flaky::model("half", 9).with_fallback(Flaky::model("whole", 0)).restarting();
    let (events, error) = all(model.run("?").events()).await;
    assert!(error.is_none());
    let told: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Restarted { superseded, attempt } => {
                let is_first = events.iter().any(|event| {
                    event.scope.run_id == *superseded
                        && matches!(&event.body, Body::Message { chunk } if chunk.to_string() == "half")
                });
                Some(format!("attempt {attempt} {is_first}"))
            }
            Body::Message { chunk } => Some(match chunk.last() {
                Some(Part::End { finish, .. }) => format!("{finish:?}"),
                _ => chunk.to_string(),
            }),
            _ => None,
        })
        .filter(|told| !told.is_empty())
        .collect();
    assert_eq!(told, ["half", "Failed", "attempt 2 true", "whole", "Stop"]);
    let Body::Finished(finished) = &events.last().unwrap().body else { panic!("{events:?}") };
    assert!(finished.error.is_none());
}

#[tokio::test]
async fn a_parser_cannot_take_back_what_it_has_given() {
    let chain = Flaky::model("half", 9).with_fallback(Flaky::model("whole", 0)).restarting().pipe(Text);
    let mut stream = chain.run("?").stream();
    let mut text = String::new();
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(piece) => text.push_str(&piece),
            Err(error) => break error,
        }
    };
    assert_eq!(text, "half");
    assert!(error.to_string().contains("began again behind a parser"), "{error}");
    assert_eq!(chain.run("?").await.unwrap(), "whole");
}
