//! A program that saves checkpoints is killed at any moment: what it was told is saved is there, and nothing is there by half.
//!
//! The program is this test itself, started again with `MILLSTREAM_KILL_FILE` set. It says on its output what was acknowledged.

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Directory, block_on, id, list, new, value, whole, write};
use futures_util::future::join_all;
use millstream_core::{Error, Result};
use millstream_graph::{Checkpoint, Checkpointer, NewCheckpoint, Stored, WriteKind};
use millstream_store::Sqlite;

const FILE: &str = "MILLSTREAM_KILL_FILE";

/// Conversations that are saved at the same time.
const THREADS: u64 = 5;

const KILLS: u64 = 8;

#[test]
fn what_was_acknowledged_survives_kill_9() {
    if let Some(path) = std::env::var_os(FILE) {
        block_on(saves_until_it_is_killed(Path::new(&path))).unwrap();
        return;
    }
    let directory = Directory::new();
    let path = directory.join("store.db");
    let mut seed = std::env::var("MILLSTREAM_KILL_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("MILLSTREAM_KILL_SEED={seed}");
    let mut acknowledged = HashMap::new();
    for kill in 1..=KILLS {
        // xorshift: which number is the last that is waited for.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let lines = 1 + seed % 700;
        let killed_at = killed_after(&path, lines, &mut acknowledged).unwrap();
        println!("kill {kill}: after {killed_at} lines, {lines} were waited for");
        block_on(everything_is_there(&path, &mut acknowledged)).unwrap();
    }
}

/// Starts the program, and kills it when it has said so many lines. It goes on meanwhile, so that the kill comes at any moment of its work.
fn killed_after(path: &Path, lines: u64, acknowledged: &mut HashMap<u64, u64>) -> Result<u64> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--exact", "--nocapture", "what_was_acknowledged_survives_kill_9"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().expect("its output is a pipe");
    let mut said = 0;
    for line in BufReader::new(out).lines() {
        // The test harness has its say as well. The last line may be cut, and then it was not heard.
        let line = line?;
        let Some((thread, number)) =
            line.strip_prefix("saved ").and_then(|line| line.strip_suffix('.')?.split_once(' '))
        else {
            continue;
        };
        acknowledged.insert(thread.parse().expect("a number"), number.parse().expect("a number"));
        said += 1;
        if said == lines {
            // SIGKILL. What it said before is read until the end.
            child.kill()?;
        }
    }
    assert!(!child.wait()?.success());
    assert!(said >= lines, "it ended by itself after {said} lines");
    Ok(said)
}

async fn saves_until_it_is_killed(path: &Path) -> Result<()> {
    let store = Sqlite::open(path)?;
    let conversations = (0..THREADS).map(|thread| {
        let store = store.clone();
        async move {
            let newest = store.get(&name(thread), "", None).await?;
            for number in newest.map_or(1, |newest| newest.metadata.step as u64 + 2).. {
                store.put(step(thread, number)).await?;
                let line = format!("saved {thread} {number}.\n");
                let mut out = std::io::stdout().lock();
                out.write_all(line.as_bytes())?;
                out.flush()?;
            }
            Ok::<(), Error>(())
        }
    });
    join_all(conversations).await.into_iter().collect()
}

/// A step of a conversation. Every seventh is a fork that leaves out three elements.
fn step(thread: u64, number: u64) -> NewCheckpoint {
    let text = text(thread, number);
    let keep = if number.is_multiple_of(7) { length(number - 1) - 3 } else { usize::MAX };
    let changes = vec![("list", list(keep, &[&text])), ("whole", whole(&text)), ("short", whole(&number.to_string()))];
    let (parent, writes) = match number {
        1 => (None, vec![]),
        _ => (Some(number - 1), vec![write(1, WriteKind::Output, &text), write(2, WriteKind::Output, &text)]),
    };
    NewCheckpoint { thread: name(thread).into(), writes, ..new(number, parent, changes) }
}

fn name(thread: u64) -> String {
    format!("conversation {thread}")
}

fn text(thread: u64, number: u64) -> String {
    // Some are longer than a page.
    let length = if number.is_multiple_of(10) { 6_000 } else { 200 };
    format!("\"{thread} {number} {}\"", "x".repeat(length))
}

/// How many elements the list of a step has.
fn length(number: u64) -> usize {
    (number - 3 * (number / 7)) as usize
}

async fn everything_is_there(path: &Path, acknowledged: &mut HashMap<u64, u64>) -> Result<()> {
    let store = Sqlite::open(path)?;
    for thread in 0..THREADS {
        let mut found: Vec<Checkpoint> = store.list(&name(thread), "", None, None).await?;
        found.reverse();
        let saved = found.len() as u64;
        let told = acknowledged.get(&thread).copied().unwrap_or(0);
        // One may have been saved, and the kill came before it was told.
        assert!(
            saved >= told && saved <= told + 1,
            "conversation {thread}: {told} were acknowledged, {saved} are there"
        );
        // It was read, and so it stays.
        acknowledged.insert(thread, saved);
        let mut expected: Vec<String> = Vec::new();
        for (number, checkpoint) in (1_u64..).zip(&found) {
            if number.is_multiple_of(7) {
                expected.truncate(expected.len() - 3);
            }
            expected.push(text(thread, number));
            let text = text(thread, number);
            assert_eq!((checkpoint.id, checkpoint.parent), (id(number), (number > 1).then(|| id(number - 1))));
            assert_eq!(value(checkpoint, "short"), Some(&Stored::Whole(number.to_string().as_str().into())));
            assert_eq!(value(checkpoint, "whole"), Some(&Stored::Whole(text.as_str().into())));
            let Some(Stored::List(elements)) = value(checkpoint, "list") else { panic!("step {number} has a list") };
            assert!(elements.iter().map(|element| &**element).eq(expected.iter().map(String::as_str)), "step {number}");
            // The writes of a step came with the next one.
            let writes: Vec<&str> = checkpoint.writes.iter().map(|write| &*write.value).collect();
            let after = self::text(thread, number + 1);
            assert_eq!(writes, if number < saved { vec![after.as_str(); 2] } else { vec![] }, "step {number}");
        }
    }
    Ok(())
}
