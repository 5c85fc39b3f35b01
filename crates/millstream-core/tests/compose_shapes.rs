//! Chains of unusual shapes: very long, deeply nested, without branches, with the same name twice.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{Assign, Chain, Configurable, Lambda, Parallel, Passthrough, Pick, Result, Runnable, Vars, vars};
use millstream_testkit::watch;

fn longer() -> Chain<String, String> {
    Lambda::stream::<String, String, _>(|texts, _| texts.boxed()).pipe(Passthrough::new())
}

/// Awaits, streams and watches it.
async fn read(chain: &Chain<String, String>) -> [String; 2] {
    let awaited = chain.run("x".to_owned()).await.unwrap();
    let streamed: Result<Vec<_>> = chain.run("x".to_owned()).stream().try_collect().await;
    let (_, error) = watch(chain.run("x".to_owned()).events()).await;
    assert!(error.is_none(), "{error:?}");
    [awaited, streamed.unwrap().concat()]
}

#[tokio::test]
async fn two_hundred_steps_in_a_row() {
    let chain = (0..100).fold(longer(), |chain, _| chain.pipe(longer()));
    assert_eq!(read(&chain).await, ["x", "x"]);
    let right = (0..100).fold(longer(), |chain, _| longer().pipe(chain));
    assert_eq!(read(&right).await, ["x", "x"]);
}

#[tokio::test]
async fn sixty_sequences_in_each_other() {
    let chain = (0..60).fold(longer(), |chain, depth| longer().pipe(chain).named(format!("depth {depth}")));
    assert_eq!(read(&chain).await, ["x", "x"]);
}

#[tokio::test]
async fn maps_in_maps() {
    let nested = (0..30).fold(longer(), |chain, _| Parallel::new().with("in", chain).pipe(Pick::<String>::new("in")));
    assert_eq!(read(&nested).await, ["x", "x"]);
}

#[tokio::test]
async fn a_map_without_entries_gives_none() {
    let none = Parallel::<String>::new();
    assert_eq!(none.run("x".to_owned()).await.unwrap(), Vars::new());
    let pieces: Vec<_> = none.run("x".to_owned()).stream().try_collect().await.unwrap();
    assert!(pieces.is_empty());
    let inside = Parallel::new().with("none", none.clone()).with("same", Passthrough::<String>::new());
    assert_eq!(inside.run("x".to_owned()).await.unwrap(), Vars::new().with("none", Vars::new()).with("same", "x"));
    let behind = none.pipe(Lambda::new(|vars: Vars| Ok(vars.is_empty())));
    let (_, error) = watch(behind.run("x".to_owned()).events()).await;
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test]
async fn the_second_of_a_name_takes_the_place_of_the_first() {
    let say = |word: &'static str| Lambda::new(move |_: Vars| Ok(word.to_owned()));
    let map = Parallel::new().with("a", say("first")).with("a", say("second"));
    assert_eq!(map.run(vars! {}).await.unwrap(), vars! { a: "second" });
    let assigned = Assign::new().with("a", say("first")).with("a", say("second"));
    assert_eq!(assigned.run(vars! { a: "given" }).await.unwrap(), vars! { a: "second" });
    let same: Vec<_> = assigned.run(vars! { a: "given" }).stream().try_collect().await.unwrap();
    assert_eq!(same.len(), 1, "what was given is not told: {same:?}");
}

#[tokio::test]
async fn a_choice_that_is_not_there_names_those_that_are() {
    let choice = Configurable::new("model", "small", Passthrough::<String>::new()).or("large", longer());
    let chain = longer().pipe(choice);
    for value in ["medium".into(), serde_json::json!(3)] {
        let awaited = chain.run("x".to_owned()).configure("model", value.clone()).await.unwrap_err();
        let streamed = chain.run("x".to_owned()).configure("model", value.clone()).stream();
        let streamed = streamed.try_collect::<Vec<_>>().await.unwrap_err();
        for error in [awaited, streamed] {
            assert_eq!(error.to_string(), format!("`model` cannot be {value}: choose one of small, large"));
        }
        watch(chain.run("x".to_owned()).configure("model", value).events()).await;
    }
    assert_eq!(chain.run("x".to_owned()).configure("other", "medium").await.unwrap(), "x");
    assert_eq!(chain.run("x".to_owned()).configure("model", "large").await.unwrap(), "x");
}
