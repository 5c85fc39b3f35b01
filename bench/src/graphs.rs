//! What a superstep, a task and a token of a graph cost, beside the same graphs in LangGraph.
//!
//! What is counted is the time on a CPU of the whole process, so that neither a busy machine nor a thread that writes for another hides anything.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::measure::median;

mod ours;
mod reference;

use ours::Ours;
use reference::Reference;

/// What is said in each message of a conversation.
const SAID: &str =
    "Supersteps run everything that is ready, side by side, and apply what was written when all of it is done.";

/// A graph that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Graph {
    /// One node that adds 1 to a number and leads to itself, so many times.
    Counter,
    /// The same on a state of JSON values.
    JsonCounter,
    /// One node that says something and leads to itself, so many times.
    Chat,
    /// So many sends in one step to a node that appends to a list.
    FanOut,
    /// One node with a model that says so many tokens, which are watched.
    Tokens,
}

/// Where a graph keeps its checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    Nowhere,
    Memory,
    Sqlite,
}

/// A row of the table.
struct Case {
    name: &'static str,
    graph: Graph,
    store: Store,
    /// Steps, tasks or tokens.
    size: usize,
    /// How many microseconds each of them may take.
    most: Option<f64>,
}

const CASES: &[Case] = &[
    case("step of a counter", Graph::Counter, Store::Nowhere, 1000, Some(5.0)),
    case("step of a counter, in memory", Graph::Counter, Store::Memory, 1000, None),
    case("step of a counter, in SQLite", Graph::Counter, Store::Sqlite, 1000, Some(50.0)),
    case("step of a counter on JSON", Graph::JsonCounter, Store::Nowhere, 1000, Some(5.0)),
    case("step of a chat of 1,000", Graph::Chat, Store::Nowhere, 1000, Some(5.0)),
    case("step of a chat of 1,000, in memory", Graph::Chat, Store::Memory, 1000, None),
    case("step of a chat of 1,000, in SQLite", Graph::Chat, Store::Sqlite, 1000, Some(50.0)),
    case("task of a fan-out of 100", Graph::FanOut, Store::Nowhere, 100, Some(5.0)),
    case("task of a fan-out of 100, in memory", Graph::FanOut, Store::Memory, 100, None),
    case("task of a fan-out of 100, in SQLite", Graph::FanOut, Store::Sqlite, 100, Some(50.0)),
    case("token in messages mode", Graph::Tokens, Store::Nowhere, 1000, None),
];

/// How many times less than the reference a row may cost.
const TIMES_LESS: f64 = 50.0;
/// How many of our runs there are for each of the reference's, which take so much longer.
const OURS: usize = 10;
/// A row goes on for so long, if it has had its rounds.
const ENOUGH: Duration = Duration::from_secs(3);

const fn case(name: &'static str, graph: Graph, store: Store, size: usize, most: Option<f64>) -> Case {
    Case { name, graph, store, size, most }
}

/// Runs the cases whose name contains `only`, and prints a row for each; without the reference if it is `alone`, or cannot be had.
pub(crate) fn run_all(only: &str, quick: bool, alone: bool) -> Result<(), String> {
    let mut cases = CASES.iter().filter(|case| case.name.contains(only)).peekable();
    if cases.peek().is_none() {
        return Ok(());
    }
    let ours = Ours::new()?;
    let mut reference = if alone { None } else { Reference::start().map_err(|error| eprintln!("bench: {error}")).ok() };
    let versions = reference.as_ref().map_or("graphs, in CPU time", |reference| reference.versions());
    println!("{versions:<44} {:>12} {:>12} {:>8}   budget", "millstream", "langgraph", "ratio");
    for case in cases {
        let (rounds, scale) = if quick { (2, 10) } else { (5, 1) };
        let verdict = row(case, &ours, reference.as_mut(), rounds, case.size / scale)?;
        // What a run costs once is too large a part of a short one.
        println!("{}", if quick { "" } else { verdict });
    }
    Ok(())
}

/// Measures both in turn, so that a machine that slows down slows both; the first runs only warm up. Prints the row, and gives the verdict.
fn row(
    case: &Case,
    ours: &Ours,
    mut reference: Option<&mut Reference>,
    rounds: usize,
    size: usize,
) -> Result<&'static str, String> {
    let (mut own, mut other) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for round in 0..=100 {
        if round > rounds && started.elapsed() > ENOUGH {
            break;
        }
        for _ in 0..OURS {
            let used = ours.run(case.graph, case.store, size)?;
            own.extend((round > 0).then_some(used));
        }
        if let Some(reference) = &mut reference {
            let used = reference.run(case.graph, case.store, size)?;
            other.extend((round > 0).then_some(used));
        }
    }
    let each = |samples: &mut [Duration]| median(samples).as_secs_f64() * 1e6 / size as f64;
    let own = each(&mut own);
    let (other, ratio) = match reference {
        Some(_) => {
            let other = each(&mut other);
            (format!("{other:.2} us"), Some(other / own))
        }
        None => ("-".to_owned(), None),
    };
    let shown = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.0}x"));
    let most = case.most.map_or(String::new(), |most| format!("< {most:.0} us, "));
    let is_kept = case.most.is_none_or(|most| own < most) && ratio.is_none_or(|ratio| ratio >= TIMES_LESS);
    print!("{:<44} {own:>9.2} us {other:>12} {shown:>8}   {most}>= {TIMES_LESS:.0}x", case.name);
    Ok(if is_kept { "" } else { "   MISSED" })
}

/// Where this benchmark keeps what it makes: beside what cargo builds.
fn folder() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = own.ancestors().nth(2).ok_or("this program is in no folder that cargo made")?;
    let folder = target.join("bench");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

/// A place for a database, where none is before and after.
struct Database(PathBuf);

impl Database {
    fn new(whose: &str) -> Result<Self, String> {
        let database = Self(folder()?.join(format!("{whose}.sqlite")));
        database.remove();
        Ok(database)
    }

    fn remove(&self) {
        for ending in ["", "-shm", "-wal"] {
            let mut name = self.0.clone().into_os_string();
            name.push(ending);
            // Mostly it is not there; a database that cannot be removed is one that cannot be made, which is told.
            let _ = fs::remove_file(&name);
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.remove();
    }
}
