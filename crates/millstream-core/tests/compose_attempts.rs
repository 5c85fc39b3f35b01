//! Fallbacks and retries: what is made good, what is said of it, and how long it takes.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use millstream_core::{
    Body, Chain, Error, ErrorKind, Lambda, Model, Outcome, Result, Retry, Runnable, Text, ToolStep, tool,
};
use millstream_testkit::{ScriptedModel, Turn, Validator, watch_with};
use serde_json::json;
use tokio::time::Instant;

fn busy(text: &str) -> Error {
    Error::new(ErrorKind::RateLimited, text)
}

/// Says the pieces of its turns, one turn each time it runs; the last word of a turn may be a failure.
fn says(turns: impl IntoIterator<Item = Vec<Result<&'static str>>>) -> Chain<String, String> {
    let turns: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(turns.into_iter().collect()));
    Lambda::stream::<String, String, _>(move |texts, _| {
        let turn = turns.lock().unwrap().pop_front().expect("a turn");
        let said = texts.map_ok(move |_| stream::iter(turn.clone()).map_ok(Arc::from));
        said.try_flatten().boxed()
    })
}

fn fails(text: &str) -> Chain<String, String> {
    let error = busy(text);
    Lambda::new(move |_| Err(error.clone()))
}

/// What is streamed until it ends, and how.
async fn streamed(step: &(impl Runnable<Input = String, Output = String> + Clone)) -> (String, Option<Error>) {
    let (mut said, mut pieces) = (String::new(), step.run("x".to_owned()).stream());
    loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => said += &piece,
            Ok(None) => return (said, None),
            Err(error) => return (said, Some(error)),
        }
    }
}

fn told(error: Option<Error>) -> Option<(String, Option<u32>, bool)> {
    error.map(|error| (error.to_string(), error.attempt(), error.is_partial()))
}

#[tokio::test]
async fn a_failure_before_anything_is_seen_is_made_good() {
    let silent = || says([vec![Ok(""), Err(busy("silent"))], vec![Ok(""), Err(busy("silent"))]]);
    let chain = silent().with_fallback(says([vec![Ok("he"), Ok("llo")], vec![Ok("hello")]]));
    assert_eq!(streamed(&chain).await.0, "hello");
    assert_eq!(chain.run("x".to_owned()).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_failure_after_something_was_seen_ends_a_stream_and_not_what_is_awaited() {
    let half = || vec![Ok("half"), Err(busy("broken"))];
    let chain = says([half(), half()]).with_fallback(says([vec![Ok("whole")]]));
    let (said, error) = streamed(&chain).await;
    assert_eq!((said.as_str(), told(error)), ("half", Some(("broken".to_owned(), Some(1), true))));
    assert_eq!(chain.run("x".to_owned()).await.unwrap(), "whole");
}

#[tokio::test]
async fn several_fallbacks_run_in_order_and_the_first_error_is_told() {
    let chain = fails("first").with_fallback(fails("second")).with_fallback(fails("third"));
    let awaited = chain.run("x".to_owned()).await.unwrap_err();
    for error in [awaited, streamed(&chain).await.1.unwrap()] {
        assert_eq!(told(Some(error)), Some(("first".to_owned(), Some(1), false)));
    }
    let third = chain.with_fallback(says([vec![Ok("fourth")], vec![Ok("fourth")]]));
    assert_eq!(streamed(&third).await.0, "fourth");
    assert_eq!(third.run("x".to_owned()).await.unwrap(), "fourth");
}

#[tokio::test]
async fn a_fallback_that_breaks_says_which_attempt_it_was() {
    let chain = fails("first").with_fallback(says([vec![Ok("ha"), Err(busy("second"))]]));
    let (said, error) = streamed(&chain).await;
    assert_eq!((said.as_str(), told(error)), ("ha", Some(("second".to_owned(), Some(2), true))));
}

#[tokio::test]
async fn only_the_failures_that_are_meant_are_made_good() {
    let refused = || Lambda::new(|_: String| Err::<String, _>(Error::new(ErrorKind::Unauthorized, "refused")));
    let instead = || says([vec![Ok("instead")], vec![Ok("instead")]]);
    let chain = refused().with_fallback(instead()).only_for(Error::is_retryable);
    assert_eq!(chain.run("x".to_owned()).await.unwrap_err().to_string(), "refused");
    let later = fails("busy").with_fallback(refused()).with_fallback(instead()).only_for(Error::is_retryable);
    let error = streamed(&later).await.1;
    assert_eq!(told(error), Some(("refused".to_owned(), Some(2), false)));
    let stopped = Lambda::new(|_: String| Err::<String, _>(Error::cancelled())).with_fallback(instead());
    assert_eq!(stopped.run("x".to_owned()).await.unwrap_err().code(), "cancelled");
}

#[tokio::test]
async fn what_runs_instead_can_be_told_why() {
    let chain = fails("busy").with_fallback(fails("also busy"));
    let chain = chain.with_fallback(Lambda::new(|text: String| Ok(format!("[{text}]"))));
    let chain = chain.telling(|text, error| format!("{text}, but {error}"));
    assert_eq!(chain.run("x".to_owned()).await.unwrap(), "[x, but also busy]");
    assert_eq!(streamed(&chain).await.0, "[x, but also busy]");
}

#[tokio::test(start_paused = true)]
async fn retries_wait_longer_each_time_and_as_long_as_asked() {
    let retry = Retry { attempts: 4, initial: Duration::from_secs(1), factor: 3.0, ..Retry::default() };
    let began = Instant::now();
    let error = fails("busy").with_retry(retry.clone()).run("x".to_owned()).await.unwrap_err();
    assert_eq!(told(Some(error)), Some(("busy".to_owned(), Some(4), false)));
    assert_eq!(began.elapsed().as_secs(), 1 + 3 + 9);

    let asks = |seconds| vec![Err(busy("busy").with_retry_after(Some(Duration::from_secs(seconds))))];
    let chain = says([asks(20), asks(2), vec![Ok("done")]]).with_retry(retry.clone());
    let began = Instant::now();
    assert_eq!(streamed(&chain).await.0, "done");
    assert_eq!(began.elapsed().as_secs(), 20 + 3);

    let chain = says([asks(20)]).with_retry(Retry { longest: Duration::from_secs(10), ..retry });
    let began = Instant::now();
    assert_eq!(told(streamed(&chain).await.1), Some(("busy".to_owned(), Some(1), false)));
    assert_eq!(began.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_tried_again_until_something_is_seen() {
    let turns = || [vec![Ok(""), Err(busy("1"))], vec![Ok("se"), Ok("en"), Err(busy("2"))], vec![Ok("whole")]];
    let (said, error) = streamed(&says(turns()).with_retry(Retry::default())).await;
    assert_eq!((said.as_str(), told(error)), ("seen", Some(("2".to_owned(), Some(2), true))));
    assert_eq!(says(turns()).with_retry(Retry::default()).run("x".to_owned()).await.unwrap(), "whole");
    let waited = says(turns()).with_retry(Retry::default()).only_when_waited_for();
    assert_eq!(streamed(&waited).await.1.unwrap().to_string(), "1");
}

#[tokio::test(start_paused = true)]
async fn what_will_not_get_better_is_not_tried_again() {
    let wrong = Lambda::new(|_: String| Err::<String, _>(Error::new(ErrorKind::InvalidInput, "wrong")));
    let began = Instant::now();
    let error = wrong.clone().with_retry(Retry::default()).run("x".to_owned()).await.unwrap_err();
    assert_eq!((error.attempt(), began.elapsed().as_secs()), (Some(1), 0));
    let always = Retry { when: Arc::new(|_| true), ..Retry::default() };
    assert_eq!(wrong.with_retry(always).run("x".to_owned()).await.unwrap_err().attempt(), Some(3));
}

/// The message of the model that failed is closed, and the run is complete.
#[tokio::test(start_paused = true)]
async fn a_run_that_was_made_good_has_completed() {
    let broken = || Turn::says([""; 0]).reasoning(["hm"]).fails(busy("busy"));
    let first = Model::from(ScriptedModel::new([Turn::refuses(busy("busy")), broken()]));
    let second = Model::from(ScriptedModel::new([Turn::says(["hello"]), Turn::says(["hello"])]));
    let chain = first.pipe(Text).with_fallback(second.pipe(Text));
    for _ in 0..2 {
        let validator = Validator::new().where_things_are_given_up();
        let (events, error) = watch_with(validator, chain.run("?").events()).await;
        assert!(error.is_none(), "{error:?}");
        let Body::Finished(finished) = &events.last().unwrap().body else { panic!("no end") };
        assert_eq!(finished.outcome, Outcome::Completed);
    }
}

/// A tool tells itself what it does; that it is tried again is told around it.
#[tokio::test(start_paused = true)]
async fn a_tool_that_is_tried_again_begins_and_ends_as_often() {
    let again = |waited: bool| {
        let tool = tool("echo", "Says it.", json!({ "type": "object" }), async |call, _| call.args.to_string());
        let step = ToolStep::new(tool).with_retry(Retry::default());
        if waited { step.only_when_waited_for() } else { step }
    };
    let around = |waited| {
        let again = again(waited);
        Lambda::future(move |text: String, cx| {
            let again = again.clone();
            async move { again.invoke(json!({ "text": text }), &cx).await }
        })
    };
    for waited in [false, true] {
        watch_with(Validator::new(), again(waited).run(json!({})).events()).await;
        watch_with(Validator::new(), around(waited).run("x".to_owned()).events()).await;
    }
}
