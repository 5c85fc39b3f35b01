//! Models that are asked no faster than they may be: in time that is not real.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{self, BoxFuture};
use futures_util::{FutureExt, TryStreamExt};
use millstream_core::{ChatModel, Cx, Error, ErrorKind, Finish, Model, Parts, RateLimit, Request, Result, Runnable};
use proptest::prelude::*;
use tokio::time::Instant;

/// A model that notes who asked when, and takes a while to answer.
#[derive(Clone)]
struct Clocked {
    began: Instant,
    takes: Duration,
    asked: Arc<Mutex<Vec<(String, u128)>>>,
    alive: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Clocked {
    fn new(takes: Duration) -> Self {
        let (asked, alive, most) = Default::default();
        Self { began: Instant::now(), takes, asked, alive, most }
    }

    /// The milliseconds at which it was asked.
    fn times(&self) -> Vec<u128> {
        self.asked.lock().expect("nobody panicked").iter().map(|(_, time)| *time).collect()
    }

    fn who(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panicked").iter().map(|(who, _)| who.clone()).collect()
    }
}

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ChatModel for Clocked {
    fn open<'a>(&'a self, request: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        let who = request.messages[0].text();
        self.asked.lock().expect("nobody panicked").push((who.clone(), self.began.elapsed().as_millis()));
        if who == "refused" {
            return future::ready(Err(Error::new(ErrorKind::ProviderRejected, "no"))).boxed();
        }
        let alive = Alive(self.alive.clone());
        self.most.fetch_max(self.alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let takes = self.takes;
        let parts = Parts::write(cx, async move |out| {
            let _alive = alive;
            out.text("first ").await;
            tokio::time::sleep(takes).await;
            out.text("second").await;
            Ok(Finish::Stop)
        });
        future::ready(Ok(parts)).boxed()
    }
}

fn limited(model: &Clocked, limit: RateLimit) -> Model {
    Model::from(model.clone()).limited(limit)
}

#[tokio::test(start_paused = true)]
async fn requests_are_made_at_an_even_pace_after_the_first_ones() -> Result<()> {
    let clocked = Clocked::new(Duration::ZERO);
    let model = limited(&clocked, RateLimit::per_second(2.0).burst(3));
    future::try_join_all((0..6).map(|number| model.run(format!("{number}").as_str()).into_future())).await?;
    assert_eq!(clocked.times(), [0, 0, 0, 500, 1000, 1500]);
    // After a pause as many may come at once again, and no more however long it was.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = clocked.began.elapsed().as_millis();
    future::try_join_all((0..4).map(|number| model.run(format!("{number}").as_str()).into_future())).await?;
    let later: Vec<_> = clocked.times()[6..].iter().map(|time| time - before).collect();
    assert_eq!(later, [0, 0, 0, 500]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_comes_first_is_served_first_and_who_leaves_takes_nothing() -> Result<()> {
    let clocked = Clocked::new(Duration::ZERO);
    let model = limited(&clocked, RateLimit::per_second(1.0));
    model.run("a").await?;
    let [mut b, mut c, mut d, mut e] = ["b", "c", "d", "e"].map(|who| model.run(who).into_future());
    // Each takes its place in the line.
    for waiting in [&mut b, &mut c, &mut d, &mut e] {
        assert!(waiting.now_or_never().is_none());
    }
    // One that waits for its time, and one that waits behind another.
    drop((b, d));
    future::try_join(e, c).await?;
    assert_eq!(clocked.who(), ["a", "c", "e"]);
    assert_eq!(clocked.times(), [0, 1000, 2000]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_answer_holds_its_place_to_its_end() -> Result<()> {
    let clocked = Clocked::new(Duration::from_secs(1));
    let model = limited(&clocked, RateLimit::concurrent(2));
    future::try_join_all((0..5).map(|number| model.run(format!("{number}").as_str()).into_future())).await?;
    assert_eq!(clocked.who(), ["0", "1", "2", "3", "4"]);
    assert_eq!(clocked.times(), [0, 0, 1000, 1000, 2000]);
    assert_eq!(clocked.most.load(Ordering::SeqCst), 2);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_place_is_free_again_after_an_end_a_refusal_and_a_goodbye() -> Result<()> {
    let clocked = Clocked::new(Duration::from_secs(1));
    let model = limited(&clocked, RateLimit::concurrent(1));
    let mut left = model.run("left").stream();
    left.try_next().await?;
    let mut next = model.run("next").into_future();
    assert!((&mut next).now_or_never().is_none());
    drop(left);
    next.await?;
    model.run("refused").await.expect_err("it is refused");
    // The message has ended; its stream is still held.
    let mut read = model.run("read").stream();
    while read.try_next().await?.is_some() {}
    model.run("last").await?;
    drop(read);
    assert_eq!(clocked.who(), ["left", "next", "refused", "read", "last"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn clones_share_a_limit_and_a_waiter_for_a_place_uses_no_time() -> Result<()> {
    let clocked = Clocked::new(Duration::from_secs(10));
    let limit = RateLimit::per_second(1.0).at_once(1);
    let (one, other) = (limited(&clocked, limit.clone()), limited(&clocked, limit));
    future::try_join(one.run("one").into_future(), other.run("other").into_future()).await?;
    assert_eq!(clocked.times(), [0, 10_000]);
    one.run("third").await?;
    assert_eq!(clocked.times()[2], 20_000);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn odd_limits_are_limits() -> Result<()> {
    for rate in [f64::INFINITY, 1e12] {
        let clocked = Clocked::new(Duration::ZERO);
        let model = limited(&clocked, RateLimit::per_second(rate).burst(u32::MAX));
        for _ in 0..3 {
            model.run("?").await?;
        }
        assert_eq!(clocked.times(), [0, 0, 0]);
    }
    for rate in [0.0, -1.0, f64::NAN, 1e-300] {
        let clocked = Clocked::new(Duration::ZERO);
        let model = limited(&clocked, RateLimit::per_second(rate).at_once(0));
        model.run("?").await?;
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, model.run("?").into_future()).await.is_err());
    }
    Ok(())
}

proptest! {
    /// Whoever comes and goes, no window of a second has more than the burst and a second's worth.
    #[test]
    fn no_more_than_allowed_in_any_second(
        rate in 1_u32..8,
        burst in 1_u32..5,
        people in prop::collection::vec((0_u64..3000, prop::option::of(0_u64..1500)), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let clocked = Clocked::new(Duration::ZERO);
            let model = limited(&clocked, RateLimit::per_second(f64::from(rate)).burst(burst));
            let staying = people.iter().filter(|(_, patience)| patience.is_none()).count();
            let people = people.into_iter().map(|(comes, patience)| {
                let model = model.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(comes)).await;
                    let asked = model.run("?").into_future();
                    match patience {
                        None => asked.await.map(drop).unwrap(),
                        Some(patience) => {
                            let _ = tokio::time::timeout(Duration::from_millis(patience), asked).await;
                        }
                    }
                }
            });
            future::join_all(people).await;
            let times = clocked.times();
            assert!(times.len() >= staying);
            for (first, time) in times.iter().enumerate() {
                let within = times[first..].iter().filter(|other| **other < time + 1000).count();
                assert!(within <= (rate + burst) as usize, "{within} in a second: {times:?}");
            }
        });
    }
}
