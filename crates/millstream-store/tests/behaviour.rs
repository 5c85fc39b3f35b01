//! What every store does: each test runs on each of them.

mod common;

use std::collections::BTreeMap;

use common::{block_on, get, id, list, new, stored, task, value, whole, write, writes};
use millstream_core::{ErrorKind, Result};
use millstream_graph::{
    Change, CheckpointMetadata, CheckpointSource, Checkpointer, Memory, NewCheckpoint, Stored, TaskWrite, WriteKind,
};
use millstream_store::Sqlite;
use uuid::Uuid;

/// Makes a test of each function for each store.
macro_rules! on_every_store {
    ($($name:ident)*) => {
        mod memory {
            $(#[test] fn $name() { super::block_on(super::$name(&super::Memory::new())).unwrap() })*
        }
        mod sqlite {
            $(#[test] fn $name() { super::block_on(super::$name(&super::Sqlite::in_memory().unwrap())).unwrap() })*
        }
        mod sqlite_file {
            $(#[test] fn $name() {
                let directory = super::common::Directory::new();
                let store = super::Sqlite::open(directory.join("store.db")).unwrap();
                super::block_on(super::$name(&store)).unwrap()
            })*
        }
    };
}

on_every_store! {
    nothing_is_there_at_first
    a_checkpoint_comes_back_as_it_was_saved
    the_newest_has_the_greatest_id
    a_list_of_checkpoints_is_newest_first
    channels_that_did_not_change_are_the_same
    a_channel_changes_its_kind
    lists_grow_shrink_and_change_at_their_end
    a_list_keeps_no_more_than_there_was
    a_fork_from_the_middle_leaves_the_other_branch_alone
    forks_of_forks_of_forks
    elements_are_replaced_at_every_step
    writes_replace_those_of_the_same_task_and_kind
    writes_with_a_checkpoint_go_to_its_parent
    an_unknown_parent_is_an_error_and_saves_nothing
    writes_after_an_unknown_checkpoint_are_an_error
    a_checkpoint_that_is_saved_again_replaces_the_first
    threads_and_namespaces_do_not_mix
    a_thread_is_deleted_with_everything_in_it
    any_text_comes_back
    large_values_come_back
    many_calls_at_once
}

async fn nothing_is_there_at_first(store: &dyn Checkpointer) -> Result<()> {
    assert_eq!(store.get("thread", "", None).await?, None);
    assert_eq!(store.get("thread", "", Some(id(1))).await?, None);
    assert_eq!(store.list("thread", "", None, None).await?, []);
    store.delete_thread("thread").await?;
    store.put(new(1, None, vec![])).await?;
    assert_eq!(store.get("thread", "", Some(id(2))).await?, None);
    assert_eq!(store.get("thread", "inner", None).await?, None);
    Ok(())
}

async fn a_checkpoint_comes_back_as_it_was_saved(store: &dyn Checkpointer) -> Result<()> {
    let sources = [CheckpointSource::Input, CheckpointSource::Loop, CheckpointSource::Update, CheckpointSource::Fork];
    let mut parent = None;
    for (number, source) in (1..).zip(sources) {
        let parents =
            (0..number - 1).map(|depth| (format!("outer:{depth}"), id(100 + depth))).collect::<BTreeMap<_, _>>();
        let run = serde_json::Map::from_iter([("user".to_owned(), number.into())]);
        let metadata = CheckpointMetadata { source, step: number as i64 - 2, parents, run };
        let changes =
            vec![("zebra", whole("1")), ("ape", whole(r#"{"bananas":["yellow","green"]}"#)), ("list", list(0, &["1"]))];
        store.put(NewCheckpoint { metadata: metadata.clone(), ..new(number, parent, changes) }).await?;

        let found = get(store, number).await?;
        assert_eq!((found.id, found.parent), (id(number), parent.map(id)));
        assert_eq!(found.metadata, metadata);
        assert_eq!(found.created_at, 1_800_000_000_000 + number as i64);
        assert_eq!(&*found.next, format!("next {number}"));
        assert_eq!(found.writes, []);
        let expected = [
            ("ape".into(), Stored::Whole(r#"{"bananas":["yellow","green"]}"#.into())),
            ("list".into(), stored(&["1"])),
            ("zebra".into(), Stored::Whole("1".into())),
        ];
        assert_eq!(found.values, expected, "by their names");
        parent = Some(number);
    }
    Ok(())
}

async fn the_newest_has_the_greatest_id(store: &dyn Checkpointer) -> Result<()> {
    for number in [2, 5, 3] {
        store.put(new(number, None, vec![])).await?;
    }
    assert_eq!(store.get("thread", "", None).await?.map(|newest| newest.id), Some(id(5)));
    store.put(NewCheckpoint { id: Uuid::max(), ..new(6, None, vec![]) }).await?;
    assert_eq!(store.get("thread", "", None).await?.map(|newest| newest.id), Some(Uuid::max()));
    Ok(())
}

async fn a_list_of_checkpoints_is_newest_first(store: &dyn Checkpointer) -> Result<()> {
    for number in [1, 2, 3, 5, 6] {
        store.put(new(number, None, vec![("number", whole(&number.to_string()))])).await?;
    }
    let cases: [(Option<u64>, Option<usize>, &[u64]); 9] = [
        (None, None, &[6, 5, 3, 2, 1]),
        (None, Some(2), &[6, 5]),
        (None, Some(0), &[]),
        (None, Some(usize::MAX), &[6, 5, 3, 2, 1]),
        (Some(6), None, &[5, 3, 2, 1]),
        (Some(5), Some(2), &[3, 2]),
        (Some(4), None, &[3, 2, 1]),
        (Some(1), None, &[]),
        (Some(9), Some(1), &[6]),
    ];
    for (before, limit, expected) in cases {
        let list = store.list("thread", "", before.map(id), limit).await?;
        let found: Vec<Uuid> = list.iter().map(|checkpoint| checkpoint.id).collect();
        assert_eq!(
            found,
            expected.iter().map(|number| id(*number)).collect::<Vec<_>>(),
            "before {before:?}, {limit:?}"
        );
        for checkpoint in list {
            assert_eq!(store.get("thread", "", Some(checkpoint.id)).await?, Some(checkpoint));
        }
    }
    Ok(())
}

async fn channels_that_did_not_change_are_the_same(store: &dyn Checkpointer) -> Result<()> {
    let long = format!("\"{}\"", "long ".repeat(20));
    store
        .put(new(1, None, vec![("long", whole(&long)), ("short", whole("1")), ("list", list(0, &["1", "2"]))]))
        .await?;
    store.put(new(2, Some(1), vec![])).await?;
    store.put(new(3, Some(2), vec![("other", whole("true")), ("short", Change::Gone)])).await?;
    assert_eq!(get(store, 2).await?.values, get(store, 1).await?.values);
    let third = get(store, 3).await?;
    assert_eq!(value(&third, "long"), Some(&Stored::Whole(long.as_str().into())));
    assert_eq!(value(&third, "list"), Some(&stored(&["1", "2"])));
    assert_eq!(value(&third, "other"), Some(&Stored::Whole("true".into())));
    assert_eq!(value(&third, "short"), None);
    assert_eq!(third.values.len(), 3);
    // A checkpoint without a parent begins with nothing.
    store.put(new(4, None, vec![("other", whole("1"))])).await?;
    assert_eq!(get(store, 4).await?.values.len(), 1);
    Ok(())
}

async fn a_channel_changes_its_kind(store: &dyn Checkpointer) -> Result<()> {
    store.put(new(1, None, vec![("channel", whole("[1]")), ("gone", Change::Gone)])).await?;
    store.put(new(2, Some(1), vec![("channel", list(1, &["2"]))])).await?;
    store.put(new(3, Some(2), vec![("channel", whole("3"))])).await?;
    store.put(new(4, Some(3), vec![("channel", Change::Gone)])).await?;
    store.put(new(5, Some(4), vec![("channel", list(3, &["5"]))])).await?;
    assert_eq!(value(&get(store, 1).await?, "channel"), Some(&Stored::Whole("[1]".into())));
    assert_eq!(value(&get(store, 2).await?, "channel"), Some(&stored(&["2"])));
    assert_eq!(value(&get(store, 3).await?, "channel"), Some(&Stored::Whole("3".into())));
    assert_eq!(get(store, 4).await?.values, []);
    assert_eq!(get(store, 5).await?.values, [("channel".into(), stored(&["5"]))]);
    Ok(())
}

async fn lists_grow_shrink_and_change_at_their_end(store: &dyn Checkpointer) -> Result<()> {
    let steps: [(usize, &[&str], &[&str]); 9] = [
        (0, &[], &[]),
        (0, &["a", "b"], &["a", "b"]),
        (2, &["c"], &["a", "b", "c"]),
        (3, &[], &["a", "b", "c"]),
        (2, &["d", "e"], &["a", "b", "d", "e"]),
        (3, &[], &["a", "b", "d"]),
        (3, &["f"], &["a", "b", "d", "f"]),
        (1, &["g"], &["a", "g"]),
        (0, &[], &[]),
    ];
    for (number, (keep, elements, _)) in (1..).zip(steps) {
        store.put(new(number, (number > 1).then(|| number - 1), vec![("list", list(keep, elements))])).await?;
    }
    for (number, (_, _, expected)) in (1..).zip(steps) {
        assert_eq!(get(store, number).await?.values, [("list".into(), stored(expected))], "step {number}");
    }
    Ok(())
}

async fn a_list_keeps_no_more_than_there_was(store: &dyn Checkpointer) -> Result<()> {
    store.put(new(1, None, vec![("list", list(usize::MAX, &["a"]))])).await?;
    store.put(new(2, Some(1), vec![("list", list(usize::MAX, &["b"]))])).await?;
    // The first branch has made the list longer than it was here.
    store.put(new(3, Some(1), vec![("list", list(2, &["c"]))])).await?;
    assert_eq!(value(&get(store, 2).await?, "list"), Some(&stored(&["a", "b"])));
    assert_eq!(value(&get(store, 3).await?, "list"), Some(&stored(&["a", "c"])));
    Ok(())
}

async fn a_fork_from_the_middle_leaves_the_other_branch_alone(store: &dyn Checkpointer) -> Result<()> {
    store.put(new(1, None, vec![("list", list(0, &["1"])), ("count", whole("1"))])).await?;
    for number in 2..=5 {
        let json = number.to_string();
        store
            .put(new(
                number,
                Some(number - 1),
                vec![("list", list(number as usize - 1, &[&json])), ("count", whole(&json))],
            ))
            .await?;
    }
    store.put(new(6, Some(2), vec![("list", list(2, &["six"]))])).await?;
    store.put(new(7, Some(6), vec![("list", list(3, &["seven"]))])).await?;
    store.put(new(8, Some(5), vec![("list", list(5, &["8"]))])).await?;
    store.put(new(9, Some(7), vec![("list", list(4, &["nine"]))])).await?;
    assert_eq!(value(&get(store, 9).await?, "list"), Some(&stored(&["1", "2", "six", "seven", "nine"])));
    assert_eq!(value(&get(store, 9).await?, "count"), Some(&Stored::Whole("2".into())));
    assert_eq!(value(&get(store, 8).await?, "list"), Some(&stored(&["1", "2", "3", "4", "5", "8"])));
    assert_eq!(value(&get(store, 8).await?, "count"), Some(&Stored::Whole("5".into())));
    assert_eq!(value(&get(store, 6).await?, "list"), Some(&stored(&["1", "2", "six"])));
    Ok(())
}

/// Deeper than any chain of lists may be.
async fn forks_of_forks_of_forks(store: &dyn Checkpointer) -> Result<()> {
    let names: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    store.put(new(1, None, vec![("list", list(0, &["first", "left"]))])).await?;
    for (number, name) in (2..).zip(&names) {
        // Each keeps what the one before it added, and leaves what it added behind that.
        store.put(new(number, Some(number - 1), vec![("list", list(number as usize - 1, &[name, "left"]))])).await?;
    }
    for number in [2, 17, 18, 19, 100, 201] {
        let mut expected = vec!["first"];
        expected.extend(names[..number as usize - 1].iter().map(String::as_str));
        expected.push("left");
        assert_eq!(value(&get(store, number).await?, "list"), Some(&stored(&expected)), "checkpoint {number}");
    }
    Ok(())
}

/// As with a message that grows.
async fn elements_are_replaced_at_every_step(store: &dyn Checkpointer) -> Result<()> {
    store.put(new(1, None, vec![("list", list(0, &["a", "b", "1"]))])).await?;
    for number in 2..=40 {
        store.put(new(number, Some(number - 1), vec![("list", list(2, &[&number.to_string()]))])).await?;
    }
    for number in 1..=40 {
        assert_eq!(value(&get(store, number).await?, "list"), Some(&stored(&["a", "b", &number.to_string()])));
    }
    Ok(())
}

async fn writes_replace_those_of_the_same_task_and_kind(store: &dyn Checkpointer) -> Result<()> {
    store.put(new(1, None, vec![])).await?;
    store
        .put_writes(writes(1, vec![write(2, WriteKind::Output, "first"), write(1, WriteKind::Error, "second")]))
        .await?;
    store
        .put_writes(writes(1, vec![write(0, WriteKind::Resume, "third"), write(2, WriteKind::Interrupt, "fourth")]))
        .await?;
    store.put_writes(writes(1, vec![])).await?;
    store
        .put_writes(writes(1, vec![write(2, WriteKind::Output, "again"), write(1, WriteKind::Error, "once more")]))
        .await?;
    store.put_writes(writes(1, vec![write(3, WriteKind::Output, "a"), write(3, WriteKind::Output, "b")])).await?;
    let expected = [
        write(2, WriteKind::Output, "again"),
        write(1, WriteKind::Error, "once more"),
        write(0, WriteKind::Resume, "third"),
        write(2, WriteKind::Interrupt, "fourth"),
        write(3, WriteKind::Output, "b"),
    ];
    assert_eq!(get(store, 1).await?.writes, expected);
    assert_eq!(store.list("thread", "", None, None).await?[0].writes, expected);

    // And after another checkpoint was used.
    store.put(new(2, Some(1), vec![])).await?;
    store.put_writes(writes(2, vec![write(1, WriteKind::Output, "of the second")])).await?;
    store.put_writes(writes(1, vec![write(1, WriteKind::Error, "late"), write(4, WriteKind::Output, "new")])).await?;
    let found = get(store, 1).await?.writes;
    assert_eq!(found.len(), 6);
    assert_eq!((&found[1], &found[5]), (&write(1, WriteKind::Error, "late"), &write(4, WriteKind::Output, "new")));
    assert_eq!(get(store, 2).await?.writes, [write(1, WriteKind::Output, "of the second")]);
    Ok(())
}

async fn writes_with_a_checkpoint_go_to_its_parent(store: &dyn Checkpointer) -> Result<()> {
    store.put(new(1, None, vec![])).await?;
    store.put_writes(writes(1, vec![write(1, WriteKind::Output, "early")])).await?;
    let last = vec![write(2, WriteKind::Output, "last"), write(1, WriteKind::Output, "replaced")];
    store.put(NewCheckpoint { writes: last, ..new(2, Some(1), vec![]) }).await?;
    let expected = [write(1, WriteKind::Output, "replaced"), write(2, WriteKind::Output, "last")];
    assert_eq!(get(store, 1).await?.writes, expected);
    assert_eq!(get(store, 2).await?.writes, []);
    Ok(())
}

async fn an_unknown_parent_is_an_error_and_saves_nothing(store: &dyn Checkpointer) -> Result<()> {
    let error = store.put(new(2, Some(1), vec![])).await.expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains(&id(1).to_string()), "{error}");
    assert_eq!(store.get("thread", "", None).await?, None);

    store.put(new(1, None, vec![])).await?;
    let wrong = NewCheckpoint { namespace: "inner".into(), ..new(2, Some(1), vec![("channel", whole("1"))]) };
    assert_eq!(store.put(wrong).await.expect_err("it is refused").kind(), ErrorKind::InvalidInput);
    let writes = vec![write(1, WriteKind::Output, "lost")];
    let wrong = NewCheckpoint { writes, ..new(3, Some(2), vec![("channel", whole("1"))]) };
    assert_eq!(store.put(wrong).await.expect_err("it is refused").kind(), ErrorKind::InvalidInput);
    assert_eq!(store.list("thread", "", None, None).await?.len(), 1);
    assert_eq!(store.list("thread", "inner", None, None).await?, []);
    assert_eq!(get(store, 1).await?.writes, []);
    Ok(())
}

async fn writes_after_an_unknown_checkpoint_are_an_error(store: &dyn Checkpointer) -> Result<()> {
    let lost = || vec![write(1, WriteKind::Output, "lost")];
    assert_eq!(store.put_writes(writes(1, lost())).await.expect_err("it is refused").kind(), ErrorKind::InvalidInput);
    store.put(new(1, None, vec![])).await?;
    assert_eq!(store.put_writes(writes(2, lost())).await.expect_err("it is refused").kind(), ErrorKind::InvalidInput);
    assert_eq!(get(store, 1).await?.writes, []);
    Ok(())
}

/// A caller that did not hear whether it was saved may save it again.
async fn a_checkpoint_that_is_saved_again_replaces_the_first(store: &dyn Checkpointer) -> Result<()> {
    store.put(new(1, None, vec![("list", list(0, &["1"]))])).await?;
    let second = || NewCheckpoint {
        writes: vec![write(1, WriteKind::Output, "done")],
        ..new(2, Some(1), vec![("list", list(1, &["2"]))])
    };
    store.put(second()).await?;
    store.put_writes(writes(2, vec![write(2, WriteKind::Output, "of the first")])).await?;
    store.put(second()).await?;
    assert_eq!(value(&get(store, 2).await?, "list"), Some(&stored(&["1", "2"])));
    assert_eq!(get(store, 1).await?.writes, [write(1, WriteKind::Output, "done")]);
    assert_eq!(get(store, 2).await?.writes, []);
    store.put_writes(writes(2, vec![write(2, WriteKind::Output, "of the second")])).await?;
    assert_eq!(get(store, 2).await?.writes, [write(2, WriteKind::Output, "of the second")]);
    assert_eq!(store.list("thread", "", None, None).await?.len(), 2);
    Ok(())
}

async fn threads_and_namespaces_do_not_mix(store: &dyn Checkpointer) -> Result<()> {
    let places = [("a", ""), ("b", ""), ("a", "b"), ("ab", ""), ("", "a"), ("", ""), ("a", "b|c"), ("A", "")];
    for (number, (thread, namespace)) in places.into_iter().enumerate() {
        for step in 1..=3 {
            // The same ids everywhere.
            let text = format!("\"the {number}th place, step {step}, which is longer than what is short\"");
            let changes = vec![("list", list(usize::MAX, &[&text])), ("value", whole(&text))];
            let writes = if step == 1 { vec![] } else { vec![write(1, WriteKind::Output, &text)] };
            let checkpoint = new(step, (step > 1).then(|| step - 1), changes);
            store
                .put(NewCheckpoint { thread: thread.into(), namespace: namespace.into(), writes, ..checkpoint })
                .await?;
        }
    }
    store.delete_thread("b").await?;
    store.delete_thread("").await?;
    for (number, (thread, namespace)) in places.into_iter().enumerate() {
        let list = store.list(thread, namespace, None, None).await?;
        if ["b", ""].contains(&thread) {
            assert_eq!(list, []);
            continue;
        }
        let text = |step: u64| format!("\"the {number}th place, step {step}, which is longer than what is short\"");
        assert_eq!(list.len(), 3);
        assert_eq!(value(&list[0], "list"), Some(&stored(&[&text(1), &text(2), &text(3)])));
        assert_eq!(value(&list[1], "value"), Some(&Stored::Whole(text(2).as_str().into())));
        assert_eq!(list[2].writes, [write(1, WriteKind::Output, &text(2))]);
    }
    Ok(())
}

async fn a_thread_is_deleted_with_everything_in_it(store: &dyn Checkpointer) -> Result<()> {
    for _ in 0..2 {
        for namespace in ["", "inner", "inner|innermost"] {
            let first = new(1, None, vec![("list", list(0, &["1", "2"]))]);
            store.put(NewCheckpoint { namespace: namespace.into(), ..first }).await?;
            let second = new(2, Some(1), vec![("list", list(1, &["3"]))]);
            let writes = vec![write(1, WriteKind::Output, "done")];
            store.put(NewCheckpoint { namespace: namespace.into(), writes, ..second }).await?;
        }
        assert_eq!(value(&get(store, 2).await?, "list"), Some(&stored(&["1", "3"])));
        store.delete_thread("thread").await?;
        for namespace in ["", "inner", "inner|innermost"] {
            assert_eq!(store.get("thread", namespace, None).await?, None);
            assert_eq!(store.list("thread", namespace, None, None).await?, []);
        }
        assert_eq!(
            store.put(new(3, Some(2), vec![])).await.expect_err("it is refused").kind(),
            ErrorKind::InvalidInput
        );
    }
    Ok(())
}

async fn any_text_comes_back(store: &dyn Checkpointer) -> Result<()> {
    let texts = [
        "",
        " ",
        "\0",
        "a\0b",
        "ü",
        "日本語",
        "🦀 and 👩‍👩‍👧",
        "\u{feff}",
        "\u{10ffff}",
        "'; DROP TABLE graph; --",
        "\r\n",
        "%_?1",
    ];
    for (number, text) in (1..).zip(texts) {
        let changes = vec![(text, whole(text)), ("list", list(0, &[text, "", text]))];
        let place = |checkpoint| NewCheckpoint { thread: text.into(), namespace: text.into(), ..checkpoint };
        store.put(NewCheckpoint { next: text.into(), ..place(new(number, None, changes)) }).await?;
        let writes = vec![write(1, WriteKind::Output, text)];
        store.put(NewCheckpoint { writes, ..place(new(100 + number, Some(number), vec![])) }).await?;

        let found = store.get(text, text, Some(id(number))).await?.expect("the checkpoint is there");
        assert_eq!(value(&found, text), Some(&Stored::Whole(text.into())), "{text:?}");
        assert_eq!(value(&found, "list"), Some(&stored(&[text, "", text])));
        assert_eq!(&*found.next, text);
        assert_eq!(found.writes, [write(1, WriteKind::Output, text)]);
    }
    Ok(())
}

async fn large_values_come_back(store: &dyn Checkpointer) -> Result<()> {
    let large = "0123456789".repeat(300_000);
    let numbers: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let many: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let changes =
        vec![("large", whole(&large)), ("list", list(0, &[&large, "small", &large])), ("many", list(0, &many))];
    store.put(NewCheckpoint { next: large.as_str().into(), ..new(1, None, changes) }).await?;
    store.put_writes(writes(1, vec![write(1, WriteKind::Output, &large)])).await?;
    store.put(new(2, Some(1), vec![("many", list(5_000, &["end"]))])).await?;
    let found = get(store, 1).await?;
    assert!(value(&found, "large") == Some(&Stored::Whole(large.as_str().into())));
    assert!(value(&found, "list") == Some(&stored(&[&large, "small", &large])));
    assert!(value(&found, "many") == Some(&stored(&many)));
    assert!(&*found.next == large.as_str() && &*found.writes[0].value == large.as_str());
    let mut shorter = many[..5_000].to_vec();
    shorter.push("end");
    assert!(value(&get(store, 2).await?, "many") == Some(&stored(&shorter)));
    Ok(())
}

/// More than any queue holds, and one in ten of them wrong: each is answered for itself.
async fn many_calls_at_once(store: &dyn Checkpointer) -> Result<()> {
    let calls = (1_u64..=1_000).map(|number| {
        let parent = number.is_multiple_of(10).then_some(5_000);
        let thread = format!("thread {}", number % 7).into();
        store.put(NewCheckpoint { thread, ..new(number, parent, vec![("number", whole(&number.to_string()))]) })
    });
    let results = futures_util::future::join_all(calls).await;
    for (number, result) in (1_u64..).zip(results) {
        assert_eq!(result.is_err(), number.is_multiple_of(10), "checkpoint {number}");
        let found = store.get(&format!("thread {}", number % 7), "", Some(id(number))).await?;
        assert_eq!(found.is_some(), !number.is_multiple_of(10), "checkpoint {number}");
    }
    let tasks = (0..500).map(|number| TaskWrite { task: task(number), kind: WriteKind::Output, value: "done".into() });
    store.put(new(1, None, vec![])).await?;
    futures_util::future::try_join_all(tasks.map(|task| store.put_writes(writes(1, vec![task])))).await?;
    assert_eq!(get(store, 1).await?.writes.len(), 500);
    Ok(())
}
