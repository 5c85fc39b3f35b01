//! What a superstep costs that saves a checkpoint: `cargo run --release -p millstream-store --example cost`.
//!
//! Each step adds a message of 500 bytes to a list and changes a counter; its task's output is saved with it. The time of the processor is that
//! of all threads, of the program and of the kernel; it is known on Linux only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{FuturesOrdered, StreamExt, TryStreamExt};
use millstream_core::Result;
use millstream_graph::{
    Change, CheckpointMetadata, CheckpointSource, Checkpointer, Memory, NewCheckpoint, TaskWrite, WriteKind,
};
use millstream_store::Sqlite;
use uuid::Uuid;

const STEPS: u64 = 20_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let path = std::env::temp_dir().join(format!("millstream-cost-{}.db", std::process::id()));
    println!("{STEPS} supersteps, microseconds for each");
    for (durability, waiting) in [("async", 16), ("sync", 0)] {
        for runs in [1, 8, 64] {
            measure(&format!("memory, {durability}, {runs} runs"), Memory::new(), runs, waiting).await?;
            measure(&format!("SQLite, {durability}, {runs} runs"), Sqlite::open(&path)?, runs, waiting).await?;
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

async fn measure(name: &str, store: impl Checkpointer, runs: u64, waiting: usize) -> Result<()> {
    let (start, processor) = (Instant::now(), processor());
    let all = (0..runs).map(|run| one_run(&store, run, STEPS / runs, waiting));
    join_all(all).await.into_iter().collect::<Result<Vec<()>>>()?;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / STEPS as f64;
    let wall = each(start.elapsed());
    match processor.zip(self::processor()) {
        Some((before, after)) => println!("{name:<26} {wall:6.1} wall {:6.1} processor", each(after - before)),
        None => println!("{name:<26} {wall:6.1} wall"),
    }
    Ok(())
}

/// A run, which has so many saves under way as a graph has with this durability.
async fn one_run(store: &impl Checkpointer, run: u64, steps: u64, waiting: usize) -> Result<()> {
    let (thread, namespace): (Arc<str>, Arc<str>) = (format!("thread {run}").into(), "".into());
    let (messages, count): (Arc<str>, Arc<str>) = ("messages".into(), "count".into());
    let next: Arc<str> = r#"{"tasks":[{"node":"chat"}]}"#.into();
    let mut parent = None;
    let mut saves = FuturesOrdered::new();
    for step in 0..steps {
        let id = Uuid::from_u64_pair(run + 1, step + 1);
        let message: Arc<str> =
            format!(r#"{{"type":"human","content":"{:460}","id":"{step}"}}"#, "What is said. ").into();
        let write = TaskWrite { task: Uuid::from_u64_pair(step, run), kind: WriteKind::Output, value: message.clone() };
        let checkpoint = NewCheckpoint {
            thread: thread.clone(),
            namespace: namespace.clone(),
            id,
            parent,
            metadata: CheckpointMetadata {
                source: CheckpointSource::Loop,
                step: step as i64,
                parents: Default::default(),
                run: Default::default(),
            },
            created_at: 1_800_000_000_000 + step as i64,
            changes: vec![
                (messages.clone(), Change::List { keep: usize::MAX, elements: vec![message] }),
                (count.clone(), Change::Whole(step.to_string().into())),
            ],
            next: next.clone(),
            writes: vec![write],
        };
        saves.push_back(store.put(checkpoint));
        while saves.len() > waiting {
            saves.next().await.transpose()?;
        }
        parent = Some(id);
    }
    saves.try_collect().await
}

/// How long the threads of this program have run, in user code and in the kernel.
fn processor() -> Option<Duration> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let times = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += times.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanoseconds))
}
