//! The scripted model does what its turns say, and its runs keep to the grammar of events.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{
    Block, Channels, ChatModel, Cx, Error, ErrorKind, Finish, Message, Model, Options, Outcome, Prompt, Request,
    Runnable, Text, Usage, UsageSource, vars,
};
use millstream_testkit::{ScriptedModel, Turn, watch};
use tokio::time::Instant;

fn model(turns: impl IntoIterator<Item = Turn>) -> (ScriptedModel, Model) {
    let scripted = ScriptedModel::new(turns);
    (scripted.clone(), scripted.into())
}

#[tokio::test]
async fn each_call_takes_a_turn_and_each_step_is_a_piece() {
    let turn = Turn::default()
        .reasoning(["hm"])
        .text(["Hel", "lo"])
        .tool_call("a", "f", ["{\"n\":", "1}"])
        .tool_call("b", "g", ["{"])
        .arguments("b", "}")
        .usage(Usage::new(3, 4, UsageSource::Provider));
    let (scripted, model) = model([turn, Turn::says(["bye"]).finish(Finish::Length)]);
    let chunks: Vec<_> = model.run("hi").stream().try_collect().await.unwrap();
    assert_eq!(chunks.len(), 11, "{chunks:?}");
    assert_eq!(chunks[1].to_string(), "Hel");
    let message = model.run("and now").await.unwrap();
    assert_eq!((message.text().as_str(), message.finish), ("bye", Some(Finish::Length)));
    let asked: Vec<String> = scripted.requests().iter().map(|request| request.messages[0].text()).collect();
    assert_eq!(asked, ["hi", "and now"]);
    assert_eq!(model.run("once more").await.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(scripted.dropped(), 0);
}

#[tokio::test]
async fn it_fails_where_it_is_told_to() {
    let error = || Error::new(ErrorKind::ProviderFailed, "on purpose");
    let turns = [
        Turn::refuses(error()),
        Turn::says(["a", "b", "c"]).first(2).fails(error()),
        Turn::says(["a"]).cut(),
        Turn::default().arguments("never begun", "{}"),
    ];
    let (_, model) = model(turns);
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        let (mut text, mut end) = (String::new(), "complete");
        let mut chunks = model.run("hi").stream();
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => text += &chunk.to_string(),
                Err(error) => end = error.code(),
            }
        }
        outcomes.push((text, end));
    }
    let outcomes: Vec<_> = outcomes.iter().map(|(text, end)| (text.as_str(), *end)).collect();
    assert_eq!(outcomes, [("", "provider_failed"), ("ab", "provider_failed"), ("a", "truncated"), ("", "internal")]);
}

#[tokio::test(start_paused = true)]
async fn pauses_are_virtual() {
    let turn = Turn::says(["a", "b"]).pace(Duration::from_secs(60)).delay_open(Duration::from_secs(60));
    let (_, model) = model([turn]);
    let start = Instant::now();
    assert_eq!(model.run("hi").await.unwrap().text(), "ab");
    assert_eq!(start.elapsed().as_secs(), 180);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_counted() {
    let hour = Duration::from_secs(3600);
    let (scripted, model) = model([Turn::says(["a"]).hangs(), Turn::says(["b"]).delay_open(hour), Turn::says(["c"])]);
    let mut chunks = model.run("hi").stream();
    chunks.next().await.unwrap().unwrap();
    assert!(tokio::time::timeout(hour, chunks.next()).await.is_err());
    assert_eq!(scripted.dropped(), 0);
    drop(chunks);
    assert_eq!(scripted.dropped(), 1);
    assert!(tokio::time::timeout(hour / 2, model.run("hi")).await.is_err());
    assert_eq!(scripted.dropped(), 2);
    // Never polled to its end.
    drop(scripted.open(Request::new("hi", Options::default()), &Cx::detached()).await.unwrap());
    assert_eq!(scripted.dropped(), 3);
}

#[tokio::test]
async fn runs_of_every_ending_keep_to_the_grammar() {
    let error = || Error::new(ErrorKind::ProviderFailed, "on purpose");
    let image = Block::NonStandard { value: serde_json::json!({"type": "x"}) };
    let whole = Turn::default().reasoning(["hm"]).text(["a", "b"]).block(image).tool_call("a", "f", ["{}"]);
    let cases = [
        (whole.clone(), Outcome::Completed),
        (whole.clone().cut(), Outcome::Truncated),
        (whole.clone().fails(error()), Outcome::Failed),
        (Turn::refuses(error()), Outcome::Failed),
        (Turn::default(), Outcome::Completed),
    ];
    for channels in [Channels::ALL, Channels::MESSAGES, Channels::RUNNABLES, Channels::NONE] {
        for (turn, outcome) in cases.clone() {
            let (_, model) = model([turn]);
            let chain = Prompt::new().system("Be brief.").human("{q}").pipe(model).pipe(Text);
            let (events, error) = watch(chain.run(vars! { q: "hi" }).channels(channels).events()).await;
            let last = serde_json::to_value(&events.last().unwrap().body).unwrap();
            assert_eq!(last["outcome"], serde_json::to_value(outcome).unwrap());
            assert_eq!(error.is_none(), outcome == Outcome::Completed);
        }
    }
}

#[tokio::test]
async fn a_stopped_run_keeps_to_the_grammar() {
    let (scripted, model) = model([Turn::says(["a"]).hangs()]);
    let token = tokio_util::sync::CancellationToken::new();
    let run = model.run(vec![Message::human("hi")]).cancel_with(token.clone());
    let stop = async {
        while scripted.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        token.cancel();
    };
    let ((events, error), ()) = tokio::join!(watch(run.events()), stop);
    assert_eq!(error.unwrap().kind(), ErrorKind::Cancelled);
    assert!(events.len() >= 2);
    assert_eq!(scripted.dropped(), 1);
}
