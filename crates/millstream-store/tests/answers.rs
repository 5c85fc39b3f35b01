//! Answers of models in a file: found again by other programs, bounded, and not for ever.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Directory, block_on};
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use millstream_core::{ChatModel, Cx, Finish, Model, Parts, Request, Result, Runnable};
use millstream_store::{Sqlite, SqliteCache};
use rusqlite::Connection;

/// A model that says its number, and counts how often it was asked.
#[derive(Clone, Default)]
struct Numbers(Arc<AtomicUsize>);

impl ChatModel for Numbers {
    fn open<'a>(&'a self, _: Request, cx: &'a Cx) -> BoxFuture<'a, Result<Parts>> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        let parts = Parts::write(cx, async move |out| {
            out.text("answer ").await;
            out.text(&number.to_string()).await;
            Ok(Finish::Stop)
        });
        future::ready(Ok(parts)).boxed()
    }
}

impl Numbers {
    fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    async fn ask(&self, cache: &SqliteCache, question: &str) -> Result<String> {
        let model = Model::from(self.clone()).cached(cache.clone());
        Ok(model.run(question).await?.text())
    }
}

#[test]
fn an_answer_is_found_again_by_another_program() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let numbers = Numbers::default();
    block_on(async {
        assert_eq!(numbers.ask(&Sqlite::open(&path)?.answers(1 << 20), "?").await?, "answer 0");
        assert_eq!(numbers.ask(&Sqlite::open(&path)?.answers(1 << 20), "?").await?, "answer 0");
        assert_eq!(numbers.calls(), 1);
        Ok(())
    })
}

#[test]
fn the_answer_that_was_not_needed_for_the_longest_time_goes_first() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let store = Sqlite::open(&path)?;
    let numbers = Numbers::default();
    block_on(async {
        let one = store.answers(1 << 20);
        numbers.ask(&one, "a").await?;
        let size = bytes(&path);
        // Room for two, and no more.
        let cache = store.answers(2 * size + size / 2);
        numbers.ask(&cache, "b").await?;
        numbers.ask(&cache, "a").await?;
        numbers.ask(&cache, "c").await?;
        assert_eq!(numbers.calls(), 3);
        assert_eq!(numbers.ask(&cache, "a").await?, "answer 0");
        assert_eq!(numbers.ask(&cache, "c").await?, "answer 2");
        assert_eq!(numbers.ask(&cache, "b").await?, "answer 3");
        assert_eq!(bytes(&path), 2 * size);
        // One that is larger than all the room takes none.
        let long = "a long question".repeat(100);
        for _ in 0..2 {
            numbers.ask(&cache, &long).await?;
        }
        assert_eq!((numbers.calls(), bytes(&path)), (6, 2 * size));
        Ok(())
    })
}

/// What the file says is kept, which has to be what is kept.
fn bytes(path: &Path) -> u64 {
    let file = Connection::open(path).expect("the file is there");
    let one = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
    let total = one("SELECT bytes FROM answers");
    assert_eq!(total, one("SELECT sum(octet_length(request) + octet_length(chunks)) FROM answer"));
    total.unsigned_abs()
}

#[test]
fn an_answer_that_is_too_old_is_asked_for_again_and_replaced() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let cache = Sqlite::open(&path)?.answers(1 << 20).time_to_live(Duration::from_secs(3600));
    let numbers = Numbers::default();
    let older = |seconds: i64| {
        let age = format!("UPDATE answer SET created_at = created_at - {}", seconds * 1000);
        Connection::open(&path).unwrap().execute_batch(&age).unwrap();
    };
    block_on(async {
        assert_eq!(numbers.ask(&cache, "?").await?, "answer 0");
        older(1800);
        assert_eq!(numbers.ask(&cache, "?").await?, "answer 0");
        older(1801);
        assert_eq!(numbers.ask(&cache, "?").await?, "answer 1");
        assert_eq!(numbers.ask(&cache, "?").await?, "answer 1");
        // From a clock that was wrong.
        older(-7200);
        assert_eq!(numbers.ask(&cache, "?").await?, "answer 2");
        let size = bytes(&path);
        older(3601);
        numbers.ask(&cache, "?").await?;
        assert_eq!(bytes(&path), size);
        Ok(())
    })
}

#[test]
fn requests_with_the_same_hash_are_told_apart() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let cache = Sqlite::open(&path)?.answers(1 << 20);
    let numbers = Numbers::default();
    block_on(async {
        numbers.ask(&cache, "a").await?;
        numbers.ask(&cache, "b").await?;
        let file = Connection::open(&path).unwrap();
        let collision = "UPDATE answer SET hash = (SELECT hash FROM answer WHERE instr(request, '\"b\"'))";
        file.execute_batch(collision).unwrap();
        assert_eq!(numbers.ask(&cache, "b").await?, "answer 1");
        Ok(())
    })
}

#[test]
fn a_damaged_answer_is_asked_for_again() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let cache = Sqlite::open(&path)?.answers(1 << 20);
    let numbers = Numbers::default();
    block_on(async {
        numbers.ask(&cache, "?").await?;
        for damage in ["{", "[]", r#"[[{"part":"end","finish":"stop"}]]"#] {
            let file = Connection::open(&path).unwrap();
            file.execute("UPDATE answer SET chunks = ?, bytes = bytes", [damage]).unwrap();
            let before = numbers.calls();
            numbers.ask(&cache, "?").await?;
            assert_eq!(numbers.calls(), before + 1, "{damage}");
        }
        numbers.ask(&cache, "?").await?;
        assert_eq!(numbers.calls(), 4);
        Ok(())
    })
}
