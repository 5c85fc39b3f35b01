//! Whatever ends a run, or a part of one, ends everything inside.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use common::alive::Alive;
use futures_util::{StreamExt, TryStreamExt, stream};
use millstream_core::{
    Assign, Body, Branch, Chain, Configurable, Error, ErrorKind, Finish, Lambda, Model, Outcome, Parallel, Part,
    Passthrough, Pick, Retry, Runnable, Text, Vars, vars,
};
use millstream_testkit::{ScriptedModel, Turn, Validator, watch_with};
use tokio::time::{Duration, sleep};

fn fails() -> Chain<String, String> {
    Lambda::future(|_: String, _| async {
        sleep(Duration::from_millis(500)).await;
        Err(Error::new(ErrorKind::RateLimited, "no"))
    })
}

/// Chains of everything, in which something is alive whenever they run.
fn chains(alive: &Alive) -> Vec<Chain<Vars, Vars>> {
    let spelled = || Pick::<String>::new("q").pipe(alive.spelled());
    let second = || Pick::<String>::new("q").pipe(alive.second());
    let whole = Lambda::new(|text: String| Ok(vars! { q: text }));
    let each = Lambda::new(|text: String| Ok(vec![text; 3])).pipe(alive.second().each());
    vec![
        Parallel::new().with("a", spelled()).with("b", second()).with("c", Passthrough::<Vars>::new()).named("map"),
        Parallel::new().with("a", Parallel::new().with("b", spelled()).with("c", spelled())).named("maps"),
        Assign::new().with("a", spelled()).with("b", second()).pipe(Passthrough::new()),
        spelled().pipe(alive.spelled()).pipe(whole.clone()).pipe(Assign::new().with("b", second())),
        Branch::new().when(|_| true, spelled()).otherwise(second()).pipe(whole.clone()),
        Configurable::new("c", "a", spelled()).pipe(alive.second()).pipe(whole.clone()),
        Pick::<String>::new("q").pipe(fails().with_fallback(alive.spelled())).pipe(whole.clone()),
        Parallel::new().with("e", Pick::<String>::new("q").pipe(each)).with("f", spelled()).named("lists"),
        spelled().with_retry(Retry::default()).pipe(whole),
    ]
}

#[tokio::test(start_paused = true)]
async fn dropping_a_stream_or_its_events_at_any_point_stops_everything_inside() {
    let alive = Alive::default();
    for chain in chains(&alive) {
        for half_seconds in 0..12 {
            let after = Duration::from_millis(500 * half_seconds + 250);
            let mut pieces = chain.run(vars! { q: "abc" }).stream();
            let mut watched = chain.run(vars! { q: "abc" }).events();
            let read = async { while pieces.try_next().await.unwrap().is_some() {} };
            let ended = tokio::time::timeout(after, read).await.is_ok();
            assert!(ended || alive.now() > 0 || half_seconds == 0, "it was running: {chain:?}");
            let watch = async { while watched.try_next().await.unwrap().is_some() {} };
            let _ = tokio::time::timeout(after, watch).await;
            drop((pieces, watched));
            assert_eq!(alive.now(), 0, "after {after:?}: {chain:?}");
            let _ = tokio::time::timeout(after, chain.run(vars! { q: "abc" }).into_future()).await;
            assert_eq!(alive.now(), 0, "awaited for {after:?}: {chain:?}");
        }
    }
    assert!(alive.ever() > 100);
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_fails_ends_the_others() {
    let alive = Alive::default();
    let map = Parallel::new().with("a", alive.spelled()).with("b", fails()).with("c", alive.second());
    for invoked in [true, false] {
        let began = tokio::time::Instant::now();
        let run = map.run("abc".to_owned());
        let error =
            if invoked { run.await.unwrap_err() } else { run.stream().try_collect::<Vec<_>>().await.unwrap_err() };
        assert_eq!((error.to_string().as_str(), alive.now()), ("no", 0));
        assert_eq!(began.elapsed(), Duration::from_millis(500));
    }
}

/// Whoever adds entries fails as soon as one of them does, although what comes has not come yet.
#[tokio::test(start_paused = true)]
async fn an_added_entry_that_fails_ends_what_is_passed_on() {
    let alive = Alive::default();
    let slow = alive.spelled().pipe(Lambda::stream::<String, Vars, _>(|texts, _| {
        texts.map_ok(|text| [("q".into(), millstream_core::Piece::Text(text))].into()).boxed()
    }));
    let eager = Lambda::stream::<Vars, String, _>(|pieces, _| {
        pieces.map(|_| Err(Error::new(ErrorKind::Failed, "at once"))).boxed()
    });
    let chain = slow.pipe(Assign::new().with("x", eager));
    let began = tokio::time::Instant::now();
    let error = chain.run("abcdef".to_owned()).stream().try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!((error.to_string().as_str(), began.elapsed().as_secs()), ("at once", 1));
}

/// What an attempt had begun is not kept while the next one is waited for.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_failed_is_gone_while_the_next_one_waits() {
    let alive = Alive::default();
    let attempt = Parallel::new().with("a", alive.second()).with("b", fails());
    let chain = attempt.with_retry(Retry { attempts: 2, initial: Duration::from_secs(60), ..Retry::default() });
    let mut pieces = chain.run("x".to_owned()).stream();
    let waiting = tokio::time::timeout(Duration::from_secs(30), pieces.next()).await;
    assert!(waiting.is_err());
    assert_eq!((alive.now(), alive.ever()), (0, 1));
}

#[tokio::test]
async fn a_panic_inside_ends_the_run_as_failed() {
    let panics = Lambda::new(|text: String| if text == "x" { panic!("secret") } else { Ok(text) });
    let map = Parallel::new().with("a", panics).with("b", Passthrough::<String>::new());
    let (events, error) = watch_with(Validator::new(), map.run("x".to_owned()).events()).await;
    let Body::Finished(finished) = &events.last().unwrap().body else { panic!("no end") };
    assert_eq!(finished.outcome, Outcome::Failed);
    assert!(!error.unwrap().to_string().contains("secret"));
}

/// Who has heard enough ends what is before: a model is not read to its end for nobody.
#[tokio::test]
async fn a_step_that_ends_early_drops_what_is_before_it() {
    let scripted = ScriptedModel::new([Turn::says(["one ", "two ", "three"]), Turn::says(["one ", "two"])]);
    let first = Lambda::stream::<String, String, _>(|texts, _| texts.take(1).boxed());
    let chain = Model::from(scripted.clone()).pipe(Text).pipe(first);
    let pieces: Vec<_> = chain.run("?").stream().try_collect().await.unwrap();
    assert_eq!((pieces.concat().as_str(), scripted.dropped()), ("one ", 1));

    let validator = Validator::new().where_things_are_given_up();
    let (events, error) = watch_with(validator, chain.run("?").events()).await;
    assert!(error.is_none(), "{error:?}");
    let ends: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Message { chunk } => chunk.last(),
            _ => None,
        })
        .collect();
    assert!(matches!(ends.last(), Some(Part::End { finish: Finish::Cancelled, .. })), "{ends:?}");
}

/// A generator that gives nothing where a value is needed fails for everybody.
#[tokio::test]
async fn a_generator_without_a_value_fails_however_it_is_read() {
    let nothing = Lambda::stream::<String, i64, _>(|_, _| stream::empty().boxed());
    let after = Lambda::stream::<i64, String, _>(|numbers, _| numbers.map_ok(|n| n.to_string().into()).boxed());
    let chain = nothing.pipe(after);
    let awaited = chain.run("x".to_owned()).await.unwrap_err();
    let streamed = chain.run("x".to_owned()).stream().try_collect::<Vec<_>>().await.unwrap_err();
    let (_, told) = watch_with(Validator::new(), chain.run("x".to_owned()).events()).await;
    assert_eq!([awaited.code(), streamed.code(), told.unwrap().code()], ["truncated"; 3]);
}
