//! Dropping a call, or its answer, closes the connection to the provider at once.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use std::time::{Duration, Instant};

use common::collect;
use common::provider::{builder, open};
use futures_util::StreamExt;
use millstream_testkit::provider::{Exchange, MockProvider, Script};

const AT_ONCE: Duration = Duration::from_millis(100);

async fn closes_at_once(exchange: &Exchange, dropped: Instant) {
    let closed = exchange.closed().await;
    assert!(closed.saturating_duration_since(dropped) < AT_ONCE, "{:?} after the drop", closed - dropped);
}

#[tokio::test]
async fn before_the_headers() {
    let provider = MockProvider::start([Script::silence()]).await;
    let model = builder(&provider).build().unwrap();
    let opening = open(&model, "hi");
    let stalled = async {
        let exchange = provider.exchange(0).await;
        exchange.stalled(1).await;
        exchange
    };
    let exchange = tokio::select! {
        _ = opening => panic!("it opened"),
        exchange = stalled => exchange,
    };
    // The select has dropped the call.
    closes_at_once(&exchange, Instant::now()).await;
}

#[tokio::test]
async fn before_the_first_token() {
    for script in [Script::answer(["Hello"]).stall_before_body(), Script::answer(["Hello"]).stall_at(20)] {
        let provider = MockProvider::start([script]).await;
        let model = builder(&provider).build().unwrap();
        let mut answer = open(&model, "hi").await.unwrap();
        let exchange = provider.exchange(0).await;
        tokio::select! {
            part = answer.next() => panic!("{part:?}"),
            () = exchange.stalled(1) => {}
        }
        let dropped = Instant::now();
        drop(answer);
        closes_at_once(&exchange, dropped).await;
    }
}

#[tokio::test]
async fn in_the_middle() {
    let provider =
        MockProvider::start([Script::endless("la "), Script::endless("la ").pace(Duration::from_millis(1))]).await;
    let model = builder(&provider).build().unwrap();
    for number in 0..2 {
        let mut answer = open(&model, "sing").await.unwrap();
        for _ in 0..50 {
            answer.next().await.unwrap().unwrap();
        }
        let exchange = provider.exchange(number).await;
        let dropped = Instant::now();
        drop(answer);
        closes_at_once(&exchange, dropped).await;
        exchange.ended().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_not_read_holds_the_provider_back() {
    let provider = MockProvider::start([Script::endless("la ")]).await;
    let model = builder(&provider).build().unwrap();
    let mut answer = open(&model, "sing").await.unwrap();
    answer.next().await.unwrap().unwrap();
    let exchange = provider.exchange(0).await;
    // The buffers between fill up; then the provider stands still, and what it could write is bounded by them.
    loop {
        let before = exchange.progress().written;
        let more = exchange.until(|progress| progress.written > before);
        if tokio::time::timeout(Duration::from_millis(300), more).await.is_err() {
            break;
        }
        assert!(before < 64 << 20, "nothing holds it back");
    }
    drop(answer);
    exchange.closed().await;
}

#[test]
fn one_model_serves_one_runtime_after_the_other() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let providers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let provider = providers.block_on(MockProvider::start([]));
    provider.otherwise(|_| Script::answer(["Hello"]));
    let model = builder(&provider).build().unwrap();
    for _ in 0..5 {
        let outcome = runtime().block_on(async { collect(open(&model, "hi").await.unwrap()).await });
        assert_eq!(outcome.message().text(), "Hello");
    }
}
