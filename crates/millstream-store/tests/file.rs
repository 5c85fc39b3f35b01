//! The file: what is in it, what it costs, and files that cannot be used.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{Directory, block_on, get, id, list, new, stored, value, whole, write, writes};
use futures_util::FutureExt;
use millstream_core::{Error, ErrorKind, History, Messages, Result};
use millstream_graph::{Change, Checkpointer, NewCheckpoint, Stored, WriteKind};
use millstream_store::Sqlite;
use rusqlite::Connection;

fn why_not(path: &Path) -> String {
    let error = Sqlite::open(path).expect_err("it cannot be used");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    message
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_what_to_do() {
    let directory = Directory::new();
    let text = directory.join("notes.txt");
    std::fs::write(&text, "These are notes and no database. ".repeat(100)).unwrap();
    assert!(why_not(&text).contains("is not an SQLite database; give the path of another file"));
    assert_eq!(std::fs::read_to_string(&text).unwrap().len(), 3_300, "it is left alone");

    assert!(why_not(&directory.join("")).contains("is a directory; give the path of a file in it"));
    assert!(why_not(&directory.join("missing/store.db")).contains("missing is not a directory; create it first"));
    assert!(why_not(&text.join("store.db")).contains("notes.txt is not a directory"));
    // A directory in which even root creates no files.
    if cfg!(target_os = "linux") {
        assert!(why_not(Path::new("/proc/store.db")).contains("allow this user to write its directory"));
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let directory = Directory::new();
    let path = directory.join("other.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE mine (text TEXT)").unwrap();
    assert!(why_not(&path).contains("is a database of another program"));
    let tables: i64 = other.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_alone() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    drop(Sqlite::open(&path)?);
    let file = Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    let message = why_not(&path);
    assert!(message.contains("newer Millstream: its schema has version 99"), "{message}");
    let version: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
    Ok(())
}

#[test]
fn a_file_of_an_older_version_is_brought_up_to_date() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../src/sqlite/schema/1.sql")).unwrap();
    old.execute_batch("PRAGMA user_version = 1; PRAGMA application_id = 1298754668").unwrap();
    old.execute_batch("INSERT INTO graph (thread, namespace) VALUES ('old', '')").unwrap();
    drop(old);
    let store = Sqlite::open(&path)?;
    block_on(store.put(new(1, None, vec![("channel", whole("1"))])))?;
    block_on(store.append("session", Messages::from("Hello")))?;
    assert_eq!(block_on(store.load("session"))?.len(), 1);
    let file = Connection::open(&path).unwrap();
    let version: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 3);
    assert!(rows(&path).contains(&("graph".to_owned(), 2)));
    Ok(())
}

#[test]
fn an_empty_file_becomes_a_store() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    std::fs::write(&path, "").unwrap();
    block_on(Sqlite::open(&path)?.put(new(1, None, vec![])))?;
    let found = block_on(Sqlite::open(&path)?.list("thread", "", None, None))?;
    assert_eq!(found.len(), 1);
    Ok(())
}

#[test]
fn a_damaged_file_is_told_and_does_not_stop_the_store() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let store = Sqlite::open(&path)?;
    block_on(async {
        store
            .put(new(1, None, vec![("list", list(0, &["1", "2", "3"])), ("whole", whole("a text that is not short"))]))
            .await?;
        store.put(NewCheckpoint { thread: "other".into(), ..new(1, None, vec![]) }).await?;
        let file = Connection::open(&path).unwrap();
        let damages = [
            "DELETE FROM element WHERE json = '2'",
            "UPDATE list SET prefix = id, prefix_length = 1",
            "DELETE FROM list",
            "DELETE FROM value",
            "UPDATE checkpoint SET channels = x'ff'",
            "UPDATE checkpoint SET source = 9",
        ];
        for damage in damages {
            assert_ne!(file.execute(damage, []).unwrap(), 0, "{damage}");
            let error = store.get("thread", "", Some(id(1))).await.unwrap_err();
            assert_eq!(error.code(), "store_failed", "{damage}");
            assert!(error.to_string().contains("store.db is damaged"), "{damage}: {error}");
        }
        store.delete_thread("thread").await?;
        store.put(new(1, None, vec![])).await
    })
}

#[test]
fn what_was_saved_is_there_when_the_file_is_opened_again() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    for number in 1..=50 {
        let store = Sqlite::open(&path)?;
        let parent = (number > 1).then(|| number - 1);
        let text = format!("\"a text that is not short, of the step {number}\"");
        let changes = vec![("list", list(usize::MAX, &[&text])), ("whole", whole(&text))];
        block_on(
            store.put(NewCheckpoint {
                writes: vec![write(1, WriteKind::Output, &text)],
                ..new(number, parent, changes)
            }),
        )?;
        let found = block_on(get(&store, number))?;
        assert_eq!(value(&found, "whole"), Some(&Stored::Whole(text.as_str().into())));
        assert!(
            matches!(value(&found, "list"), Some(Stored::List(list)) if list.len() == number as usize && *list[number as usize - 1] == *text)
        );
    }
    Ok(())
}

#[test]
fn a_dropped_future_does_not_undo_its_call() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let store = Sqlite::open(&path)?;
    drop(store.put(new(1, None, vec![("list", list(0, &["1"]))])));
    drop(store.put_writes(writes(1, vec![write(1, WriteKind::Output, "done")])));
    let polled = store.put(new(2, Some(1), vec![]));
    // Once, and then not again.
    let _ = polled.now_or_never();
    // Dropping the store waits for what is queued.
    drop(store);
    let found = block_on(Sqlite::open(&path)?.list("thread", "", None, None))?;
    assert_eq!(found.len(), 2);
    assert_eq!(value(&found[0], "list"), Some(&stored(&["1"])));
    assert_eq!(found[1].writes, [write(1, WriteKind::Output, "done")]);
    Ok(())
}

/// Calls are done in the order in which they were made, in whatever order they are awaited, and also after the store was dropped.
#[test]
fn calls_may_outlive_the_store() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let store = Sqlite::open(&path)?;
    // The thread cannot write, so that all of them wait.
    let file = Connection::open(&path).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut calls: Vec<_> = (1..=1_000)
        .map(|number| {
            store.put(new(number, (number > 1).then(|| number - 1), vec![("list", list(usize::MAX, &["1"]))]))
        })
        .collect();
    file.execute_batch("ROLLBACK").unwrap();
    drop(store);
    calls.reverse();
    block_on(async {
        for call in calls {
            call.await?;
        }
        let newest = Sqlite::open(&path)?.get("thread", "", None).await?.expect("it was saved");
        assert!(matches!(value(&newest, "list"), Some(Stored::List(list)) if list.len() == 1_000));
        Ok(())
    })
}

/// Calls that share a transaction with one that fails: it is undone for all of them, and done again for the others.
#[test]
fn a_call_that_fails_takes_nothing_from_those_beside_it() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let store = Sqlite::open(&path)?;
    // The thread cannot write, so that all of them wait.
    let file = Connection::open(&path).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Whatever the thread takes first, the others come together.
    let first = store.put(NewCheckpoint { thread: "other".into(), ..new(1, None, vec![]) });
    let text = "\"a text that is not short\"";
    let steps = (1..=20).map(|number| {
        let changes = vec![("list", list(usize::MAX, &[text])), ("whole", whole(text))];
        let writes = vec![write(1, WriteKind::Output, text)];
        store.put(NewCheckpoint { writes, ..new(number, (number > 1).then(|| number - 1), changes) })
    });
    let calls: Vec<_> = steps.chain([store.put(new(99, Some(98), vec![]))]).collect();
    file.execute_batch("ROLLBACK").unwrap();
    drop(store);
    block_on(async {
        first.await?;
        let results = futures_util::future::join_all(calls).await;
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [vec![true; 20], vec![false]].concat());
        let found = Sqlite::open(&path)?.list("thread", "", None, None).await?;
        assert_eq!(found.len(), 20);
        assert_eq!(value(&found[0], "list"), Some(&stored(&[text; 20])));
        assert_eq!(value(&found[0], "whole"), Some(&Stored::Whole(text.into())));
        assert!(found[1..].iter().all(|checkpoint| checkpoint.writes == [write(1, WriteKind::Output, text)]));
        Ok(())
    })
}

#[test]
fn a_deleted_thread_leaves_nothing_in_the_file() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let store = Sqlite::open(&path)?;
    let fill = |thread: &'static str| {
        let store = store.clone();
        async move {
            for namespace in ["", "inner"] {
                for number in 1_u64..=40 {
                    let text = format!("\"a text that is not short, of the step {number}\"");
                    // Every third forks, which makes a list.
                    let keep = if number.is_multiple_of(3) { number as usize / 3 } else { usize::MAX };
                    let changes =
                        vec![("list", list(keep, &[&text, "end"])), ("whole", whole(&text)), ("short", whole("1"))];
                    let writes = vec![write(1, WriteKind::Output, &text)];
                    let checkpoint = new(number, (number > 1).then(|| number - 1), changes);
                    store
                        .put(NewCheckpoint { thread: thread.into(), namespace: namespace.into(), writes, ..checkpoint })
                        .await?;
                }
                // What is saved again leaves nothing of the first.
                let again = new(40, Some(39), vec![("whole", whole("\"another text that is not short\""))]);
                store.put(NewCheckpoint { thread: thread.into(), namespace: namespace.into(), ..again }).await?;
            }
            Ok::<(), Error>(())
        }
    };
    block_on(async {
        fill("kept").await?;
        let kept = rows(&path);
        assert!(kept.iter().all(|(table, count)| *count > 0 || table == "sequence"), "{kept:?}");
        fill("deleted").await?;
        assert!(rows(&path).iter().zip(&kept).all(|((table, now), (_, before))| now > before || table == "sequence"));
        store.delete_thread("deleted").await?;
        assert_eq!(rows(&path), kept);
        assert_eq!(store.list("kept", "inner", None, None).await?.len(), 40);
        store.delete_thread("kept").await?;
        assert!(rows(&path).iter().all(|(table, count)| *count == 0 || table == "sequence"), "{:?}", rows(&path));
        Ok(())
    })
}

/// How many rows each table has that graphs use.
fn rows(path: &Path) -> Vec<(String, i64)> {
    let count = |path| {
        let file = Connection::open(path)?;
        let mut tables = file.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' \
             AND name NOT LIKE 'document%' AND name NOT IN ('answer', 'answers', 'message', 'session') ORDER BY name",
        )?;
        let tables = tables.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        let count = |table: &str| file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        tables.into_iter().map(|table| Ok((table.clone(), count(&table)?))).collect::<rusqlite::Result<_>>()
    };
    count(path).expect("the file can be read")
}

/// A step of a conversation: one message of about 500 bytes, which is in the list and in what its task wrote.
fn said(run: u64, number: u64) -> NewCheckpoint {
    let message = format!(r#"{{"type":"human","content":"{:0455}","id":"{number:08}"}}"#, run);
    let change = Change::List { keep: number as usize - 1, elements: vec![Arc::from(message.as_str())] };
    NewCheckpoint {
        thread: format!("conversation {run}").into(),
        next: r#"{"tasks":["chat"]}"#.into(),
        writes: if number > 1 { vec![write(number, WriteKind::Output, &message)] } else { Vec::new() },
        ..new(number, (number > 1).then(|| number - 1), vec![("messages", change)])
    }
}

/// R37: what was said is saved twice, in the list and as the output of a task, and everything else costs less than once more.
#[test]
fn a_thousand_steps_of_a_conversation_cost_less_than_three_times_what_was_said() -> Result<()> {
    for runs in [1, 8] {
        let directory = Directory::new();
        let path = directory.join("store.db");
        let store = Sqlite::open(&path)?;
        let mut raw = 0;
        block_on(async {
            for number in 1..=1_000 {
                let step: Vec<NewCheckpoint> = (0..runs).map(|run| said(run, number)).collect();
                for new in &step {
                    let Change::List { elements, .. } = &new.changes[0].1 else { unreachable!() };
                    raw += elements[0].len();
                }
                futures_util::future::try_join_all(step.into_iter().map(|new| store.put(new))).await?;
            }
            Ok::<(), Error>(())
        })?;
        assert_eq!(raw as u64, runs * 500_000);
        // The last connection copies the log into the file.
        drop(store);
        let size = std::fs::metadata(&path).unwrap().len();
        let ratio = size as f64 / raw as f64;
        println!("{runs} conversations: {size} bytes for {raw}, {ratio:.2} times");
        assert!(ratio < 3.0, "{runs} conversations: {size} bytes for {raw}");
    }
    Ok(())
}

/// What is not asked for could not even be read.
#[test]
fn a_limited_list_does_not_read_the_rest() -> Result<()> {
    let directory = Directory::new();
    let path = directory.join("store.db");
    let store = Sqlite::open(&path)?;
    block_on(async {
        for number in 1..=100 {
            let text = format!("\"a text that is not short, of the step {number}\"");
            store.put(new(number, (number > 1).then(|| number - 1), vec![("whole", whole(&text))])).await?;
        }
        let file = Connection::open(&path).unwrap();
        file.execute("UPDATE checkpoint SET channels = x'ff' WHERE step < 60 OR step >= 70", []).unwrap();
        assert_eq!(store.list("thread", "", Some(id(71)), Some(10)).await?.len(), 10);
        assert!(store.list("thread", "", Some(id(71)), Some(11)).await.is_err());
        assert!(store.list("thread", "", None, Some(1)).await.is_err());
        Ok(())
    })
}

/// The history of a conversation has each message once, not once for each checkpoint that has it.
#[test]
fn a_long_history_shares_its_texts() -> Result<()> {
    let store = Sqlite::in_memory()?;
    block_on(async {
        for number in 1..=100 {
            store.put(said(1, number)).await?;
        }
        let history = store.list("conversation 1", "", None, None).await?;
        assert_eq!(history.len(), 100);
        let lists = history.iter().map(|checkpoint| match value(checkpoint, "messages") {
            Some(Stored::List(list)) => list,
            other => panic!("{other:?}"),
        });
        let longest = lists.clone().next().unwrap();
        for list in lists {
            assert!(list.iter().zip(longest).all(|(one, other)| Arc::ptr_eq(one, other)));
        }
        Ok(())
    })
}
