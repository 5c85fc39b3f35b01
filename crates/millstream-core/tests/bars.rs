//! `a | b` joins steps of every kind, as `a.pipe(b)` does.

use futures_util::FutureExt;
use millstream_core::{
    Assign, Configurable, Lambda, Parallel, Passthrough, Pick, PickSome, Result, Retry, Runnable, Vars, vars,
};

/// Runs a step that never waits.
fn give<R: Runnable + Clone>(step: &R, input: impl Into<R::Input>) -> R::Output {
    step.run(input).into_future().now_or_never().expect("nothing waits here").expect("nothing fails here")
}

fn double(n: i64) -> Result<i64> {
    Ok(n * 2)
}

#[test]
fn maps_and_picks_are_joined_with_a_bar() {
    let map = Parallel::new().with("n", Lambda::new(double)).with("m", Passthrough::<i64>::new());
    let chain = map
        | Assign::new().with("k", Pick::<i64>::new("m") | Lambda::new(double))
        | (PickSome::new(["n", "k"]) | Passthrough::<Vars>::new());
    assert_eq!(give(&chain, 3), vars! { n: 6, k: 6 });
}

#[test]
fn what_stands_around_a_step_is_joined_with_a_bar() {
    let tried = Lambda::new(double).with_retry(Retry::default()) | Lambda::new(double);
    assert_eq!(give(&tried, 3), 12);
    let saved = Lambda::new(double).with_fallback(Lambda::new(double)) | Lambda::new(double);
    assert_eq!(give(&saved, 3), 12);
    let chosen = Configurable::new("which", "twice", Lambda::new(double)) | Lambda::new(double);
    assert_eq!(give(&chosen, 3), 12);
    let listed = Lambda::new(double).each() | Lambda::new(|all: Vec<i64>| Ok(all.len()));
    assert_eq!(give(&listed, vec![1, 2]), 2);
}
