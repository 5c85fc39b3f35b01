//! Counts what runs: how many futures and streams of a test are alive, and how many there were at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, TryStreamExt};
use millstream_core::{Chain, Lambda};
use tokio::time::{Duration, sleep};

/// What is alive. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alive(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    ever: AtomicUsize,
}

/// One thing that is alive.
pub(crate) struct Life(Alive);

impl Alive {
    pub(crate) fn begin(&self) -> Life {
        let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        self.0.ever.fetch_add(1, Ordering::SeqCst);
        Life(self.clone())
    }

    pub(crate) fn now(&self) -> usize {
        self.0.now.load(Ordering::SeqCst)
    }

    pub(crate) fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    /// How many there have been.
    pub(crate) fn ever(&self) -> usize {
        self.0.ever.load(Ordering::SeqCst)
    }

    /// A step that takes a second, and gives what it was given.
    pub(crate) fn second(&self) -> Chain<String, String> {
        let alive = self.clone();
        Lambda::future(move |text: String, _| {
            let life = alive.begin();
            async move {
                let _life = life;
                sleep(Duration::from_secs(1)).await;
                Ok(text)
            }
        })
    }

    /// A step that gives what it was given letter by letter, one a second.
    pub(crate) fn spelled(&self) -> Chain<String, String> {
        let alive = self.clone();
        Lambda::stream::<String, String, _>(move |texts, _| {
            let life = alive.begin();
            let letters = texts.map_ok(|text| {
                let letters: Vec<_> = text.chars().map(|letter| Ok(letter.to_string().into())).collect();
                futures_util::stream::iter(letters)
            });
            let slowly = letters.try_flatten().then(move |letter| {
                let _ = &life;
                async move {
                    sleep(Duration::from_secs(1)).await;
                    letter
                }
            });
            slowly.boxed()
        })
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}
