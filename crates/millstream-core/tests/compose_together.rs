//! What runs at the same time: branches of maps, elements of lists, runs of a batch, and how many of them.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::alive::Alive;
use futures_util::{StreamExt, TryStreamExt, stream};
use millstream_core::{
    Assign, Body, Error, ErrorKind, Lambda, Parallel, Passthrough, Pick, Result, Runnable, Vars, vars,
};
use tokio::time::{Instant, sleep};

fn map(alive: &Alive) -> Parallel<String> {
    ["a", "b", "c", "d"].iter().fold(Parallel::new(), |map, name| map.with(*name, alive.second()))
}

#[tokio::test(start_paused = true)]
async fn branches_run_together_or_as_many_as_may() {
    for (most, seconds) in [(None, 1), (Some(4), 1), (Some(3), 2), (Some(2), 2), (Some(1), 4)] {
        let (alive, began) = (Alive::default(), Instant::now());
        let run = map(&alive).run("x".to_owned());
        let run = match most {
            Some(most) => run.max_concurrency(most),
            None => run,
        };
        assert_eq!(run.await.unwrap(), vars! { a: "x", b: "x", c: "x", d: "x" });
        assert_eq!((began.elapsed().as_secs(), alive.most()), (seconds, most.unwrap_or(4)));
    }
}

#[tokio::test(start_paused = true)]
async fn branches_that_are_streamed_are_as_many_as_may_be() {
    let (alive, began) = (Alive::default(), Instant::now());
    let mut pieces = map(&alive).run("x".to_owned()).max_concurrency(3).stream();
    let mut names = Vec::new();
    while let Some(entries) = pieces.try_next().await.unwrap() {
        names.extend(entries.into_keys());
    }
    names.sort();
    assert_eq!((names.concat().as_str(), began.elapsed().as_secs(), alive.most()), ("abcd", 2, 3));
}

#[tokio::test(start_paused = true)]
async fn added_entries_are_made_together() {
    let (alive, began) = (Alive::default(), Instant::now());
    let add = || Pick::<String>::new("q").pipe(alive.second());
    let chain = Assign::new().with("a", add()).with("b", add());
    assert_eq!(chain.run(vars! { q: "x" }).await.unwrap(), vars! { q: "x", a: "x", b: "x" });
    assert_eq!((began.elapsed().as_secs(), alive.most()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn elements_run_together_or_as_many_as_may_and_keep_their_order() {
    let sleepy = Lambda::future(|seconds: u64, _| async move {
        sleep(Duration::from_secs(seconds)).await;
        Ok(seconds)
    });
    for (most, seconds) in [(9, 3), (1, 6)] {
        let began = Instant::now();
        let run = sleepy.clone().each().run(vec![3, 1, 2]).max_concurrency(most);
        assert_eq!(run.await.unwrap(), [3, 1, 2]);
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
    let alive = Alive::default();
    alive.second().each().run(vec!["x".to_owned(); 7]).max_concurrency(2).await.unwrap();
    assert_eq!((alive.most(), alive.ever()), (2, 7));
}

#[tokio::test(start_paused = true)]
async fn runs_of_a_batch_come_in_the_order_of_their_inputs_and_fail_alone() {
    let alive = Alive::default();
    let picky = alive.second().pipe(Lambda::new(|text: String| match text.as_str() {
        "b" => Err(Error::new(ErrorKind::Failed, "not b")),
        _ => Ok(text),
    }));
    for (most, seconds) in [(9, 1), (2, 2), (1, 3), (0, 3)] {
        let began = Instant::now();
        let outputs = picky.batch(["a", "b", "c"].map(str::to_owned)).at_most(most).await;
        let told: Vec<_> = outputs.iter().map(|output| output.as_ref().map_err(Error::to_string)).collect();
        assert_eq!(told, [Ok(&"a".to_owned()), Err("not b".to_owned()), Ok(&"c".to_owned())]);
        assert_eq!(began.elapsed().as_secs(), seconds, "at most {most}");
    }
    assert_eq!((alive.now(), alive.ever()), (0, 12));
}

#[tokio::test(start_paused = true)]
async fn runs_of_a_batch_are_there_when_they_are_complete() {
    let sleepy = Lambda::future(|seconds: u64, _| async move {
        sleep(Duration::from_secs(seconds)).await;
        if seconds == 2 { Err(Error::new(ErrorKind::Failed, "two")) } else { Ok(seconds) }
    });
    let mut completed = sleepy.batch([3u64, 1, 2]).as_completed();
    let began = Instant::now();
    let mut places = Vec::new();
    while let Some((place, output)) = completed.next().await {
        places.push((place, output.ok(), began.elapsed().as_secs()));
    }
    assert_eq!(places, [(1, Some(1), 1), (2, None, 2), (0, Some(3), 3)]);
}

/// A branch that is read slowly, and one that is not read at all for a while, lose nothing.
#[tokio::test(start_paused = true)]
async fn a_slow_branch_does_not_lose_what_a_fast_one_has_read() {
    let alive = Alive::default();
    let letters = Lambda::stream::<String, String, _>(|texts, _| {
        let letters = |text: Arc<str>| stream::iter(text.chars().map(|c| Ok(c.to_string().into())).collect::<Vec<_>>());
        texts.map_ok(letters).try_flatten().boxed()
    });
    let both = Parallel::new().with("fast", Passthrough::<String>::new()).with("slow", alive.spelled());
    let chain = letters.pipe(both);
    let mut pieces = chain.run("abcdef".to_owned()).stream();
    let began = Instant::now();
    let (mut fast, mut slow) = (String::new(), String::new());
    while let Some(entries) = pieces.try_next().await.unwrap() {
        for (name, piece) in entries {
            let text = piece.json().as_str().unwrap().to_owned();
            if &*name == "fast" {
                assert_eq!(began.elapsed().as_secs(), 0);
                fast += &text;
            } else {
                slow += &text;
            }
        }
    }
    assert_eq!((fast.as_str(), slow.as_str(), began.elapsed().as_secs()), ("abcdef", "abcdef", 6));
}

/// What one branch has read waits for the other, which may never ask for it.
#[tokio::test]
async fn a_branch_that_does_not_read_keeps_nobody_waiting() {
    let deaf = Lambda::stream::<String, String, _>(|_, _| stream::iter([Ok("heard nothing".into())]).boxed());
    let both = Parallel::new().with("all", Passthrough::<String>::new()).with("deaf", deaf);
    let letters: Vec<Arc<str>> = (0..1000).map(|n| n.to_string().into()).collect();
    let whole = letters.concat();
    let source = Lambda::stream::<String, String, _>(move |_, _| stream::iter(letters.clone()).map(Ok).boxed());
    let made = source.pipe(both);
    let expected = Vars::new().with("all", whole).with("deaf", "heard nothing");
    assert_eq!(made.run("go".to_owned()).await.unwrap(), expected);
    let folded: Result<Vec<_>> = made.run("go".to_owned()).stream().try_collect().await;
    assert_eq!(folded.unwrap().len(), 1001);
}

#[tokio::test]
async fn what_a_step_says_names_the_runs_around_it() {
    let says = Lambda::future(|text: String, cx| async move {
        cx.write("custom").await?;
        cx.dispatch("named", 1).await?;
        Ok(text)
    });
    let chain = Parallel::new().with("branch", says.named("speaker").pipe(Passthrough::new()));
    let mut events = chain.named("outer").run("x".to_owned()).events();
    let (mut names, mut said) = (Vec::new(), 0);
    while let Some(event) = events.try_next().await.unwrap() {
        let scope = &event.scope;
        if matches!(event.body, Body::RunnableStarted { .. }) {
            names.push((scope.run_id, scope.name.clone()));
        }
        if matches!(event.body, Body::Custom { .. } | Body::Dispatched { .. }) {
            let around: Vec<_> =
                scope.parent_ids.iter().map(|id| names.iter().find(|(known, _)| known == id)).collect();
            let around: Vec<_> = around.into_iter().map(|known| &*known.unwrap().1).collect();
            assert_eq!((&*scope.name, around), ("speaker", vec!["outer", "RunnableSequence"]));
            said += 1;
        }
    }
    assert_eq!(said, 2);
}
