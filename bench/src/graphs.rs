//! What a superstep, a task and a token of a graph cost, beside the same graphs in LangGraph.
//!
//! What is counted is the time on a CPU of the whole process, so that neither a busy machine nor a thread that writes for another hides anything.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use crate::reference::{Reference, folder};
use crate::row::{Row, print_head};

mod ours;

use ours::Ours;

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

/// How many times less than the reference a row must cost.
const TIMES_LESS: f64 = 50.0;

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
    let database = Database::new("reference")?;
    let start = || Reference::start("graphs.py", &[OsStr::new(SAID), database.0.as_os_str()]);
    let mut reference = if alone { None } else { start().map_err(|error| eprintln!("bench: {error}")).ok() };
    print_head(reference.as_ref().map_or("graphs, in CPU time", Reference::versions), "langgraph");
    for case in cases {
        let size = if quick { case.size / 10 } else { case.size };
        let row = Row { name: case.name, size, most: case.most, times_less: Some(TIMES_LESS), quick };
        let order = order(case, size);
        row.print(
            || ours.run(case.graph, case.store, size),
            reference.as_mut().map(|reference| || reference.run(&order)),
        )?;
    }
    Ok(())
}

/// What the reference is asked for.
fn order(case: &Case, size: usize) -> String {
    let graph = match case.graph {
        Graph::Counter | Graph::JsonCounter => "counter",
        Graph::Chat => "chat",
        Graph::FanOut => "fan-out",
        Graph::Tokens => "tokens",
    };
    let store = match case.store {
        Store::Nowhere => "nowhere",
        Store::Memory => "memory",
        Store::Sqlite => "sqlite",
    };
    format!("{graph} {store} {size}")
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
