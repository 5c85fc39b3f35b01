//! The scenarios, and the table that they make.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::client::Reader;
use crate::measure::quantile;
use crate::middle::{Kind, Process, Programs};
use crate::provider::Script;

/// What one scenario gives for one middle, in the unit of its row.
struct Figures {
    server: f64,
    proxy: f64,
}

const PACED: &str = "CPU per token, 1,000 paced streams";
const SATURATED: &str = "CPU per token, 16 saturated streams";
const FIRST_TOKEN: &str = "time to first token";
const MEMORY: &str = "memory per open idle stream";

/// Runs the scenarios whose name contains `only`, and prints a row for each.
pub(crate) fn run_all(server: Option<PathBuf>, only: &str, quick: bool) -> Result<(), String> {
    let programs = Programs::find(server)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let scale = if quick { 10 } else { 1 };
    println!(
        "{:<44} {:>12} {:>12} {:>8}   budget",
        "/chat/stream beside a plain byte proxy", "millstream", "proxy", "ratio"
    );
    runtime.block_on(async {
        if PACED.contains(only) {
            let script = Script { tokens: 100, interval: 50, stall: false };
            let figures = both(async |kind| cpu_per_token(&programs, kind, &script, 1000 / scale).await).await?;
            row(PACED, "us", &figures, "<= 1x");
        }
        if SATURATED.contains(only) {
            let script = Script { tokens: 50_000 / scale, interval: 0, stall: false };
            let figures = both(async |kind| cpu_per_token(&programs, kind, &script, 16).await).await?;
            row(SATURATED, "us", &figures, "<= 3x");
        }
        if FIRST_TOKEN.contains(only) {
            let script = Script { tokens: 1, interval: 0, stall: false };
            let [median, slow] = first_tokens(&programs, &script, 2000 / scale).await?;
            row("time to first token, median", "us", &median, "");
            row("time to first token, p99", "us", &slow, "");
            println!(
                "{:<44} {:>8.2} us {:>22}   < 1000 us",
                "time to first token, added at p99",
                slow.server - slow.proxy,
                ""
            );
        }
        if MEMORY.contains(only) {
            let script = Script { tokens: 1, interval: 0, stall: true };
            let figures = both(async |kind| memory_per_stream(&programs, kind, &script, 2000 / scale).await).await?;
            row(MEMORY, "KiB", &figures, "< 32 KiB");
        }
        Ok(())
    })
}

async fn both(measure: impl AsyncFn(Kind) -> Result<f64, String>) -> Result<Figures, String> {
    Ok(Figures { proxy: measure(Kind::Proxy).await?, server: measure(Kind::Server).await? })
}

fn row(name: &str, unit: &str, figures: &Figures, budget: &str) {
    let Figures { server, proxy } = figures;
    println!("{name:<44} {server:>8.2} {unit:<3} {proxy:>8.2} {unit:<3} {:>7.2}x   {budget}", server / proxy);
}

fn start(programs: &Programs, kind: Kind, script: &Script) -> Result<(Process, Process), String> {
    let provider = Process::provider(script)?;
    let middle = programs.middle(kind, provider.address)?;
    Ok((provider, middle))
}

/// Microseconds of CPU in the middle per token, with `streams` at once.
async fn cpu_per_token(programs: &Programs, kind: Kind, script: &Script, streams: usize) -> Result<f64, String> {
    let (_provider, middle) = start(programs, kind, script)?;
    let mut warm = open(kind, &middle, 1).await?;
    let reader = warm.pop().ok_or("no reader")?;
    reader.end().await.map_err(|error| error.to_string())?;
    let before = middle.account()?;
    let mut readers = JoinSet::new();
    for _ in 0..streams {
        let address = middle.address;
        readers.spawn(async move { Reader::ask(kind, address).await?.end().await });
    }
    while let Some(read) = readers.join_next().await {
        read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    }
    let used = middle.account()?.cpu - before.cpu;
    Ok(used.as_secs_f64() * 1e6 / (streams * script.tokens) as f64)
}

/// Microseconds from question to first token, one after the other, at the median and at p99.
async fn first_tokens(programs: &Programs, script: &Script, count: usize) -> Result<[Figures; 2], String> {
    let mut samples = [Vec::new(), Vec::new()];
    let proxy = start(programs, Kind::Proxy, script)?;
    let server = start(programs, Kind::Server, script)?;
    // In turn, so that a machine that slows down slows both.
    for turn in 0..count + 50 {
        for (which, (kind, middle)) in [(Kind::Proxy, &proxy.1), (Kind::Server, &server.1)].into_iter().enumerate() {
            let mut reader = Reader::ask(kind, middle.address).await.map_err(|error| error.to_string())?;
            let first = reader.first_token().await.map_err(|error| error.to_string())?;
            reader.end().await.map_err(|error| error.to_string())?;
            if turn >= 50 {
                samples[which].push(first);
            }
        }
    }
    let mut at = |share| {
        let [proxy, server] = samples.each_mut().map(|samples| micros(quantile(samples, share)));
        Figures { server, proxy }
    };
    Ok([at(0.5), at(0.99)])
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// KiB of memory in the middle per stream that has said one token and is silent.
async fn memory_per_stream(programs: &Programs, kind: Kind, script: &Script, streams: usize) -> Result<f64, String> {
    let (_provider, middle) = start(programs, kind, script)?;
    // A few first, so that what a process needs once is not counted.
    let _warm = open(kind, &middle, 20).await?;
    let before = middle.account()?;
    let _open = open(kind, &middle, streams).await?;
    let after = middle.account()?;
    Ok(after.memory.saturating_sub(before.memory) as f64 / 1024.0 / streams as f64)
}

/// Streams that have said their first token.
async fn open(kind: Kind, middle: &Process, streams: usize) -> Result<Vec<Reader>, String> {
    let mut readers = Vec::with_capacity(streams);
    for _ in 0..streams {
        let mut reader = Reader::ask(kind, middle.address).await.map_err(|error| error.to_string())?;
        reader.first_token().await.map_err(|error| error.to_string())?;
        readers.push(reader);
    }
    Ok(readers)
}
