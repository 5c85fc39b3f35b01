//! What a token costs through a prompt, a model and a parser, however it is watched, beside the same chains in LangChain; and what watching adds.
//!
//! The model is in memory, or it is a provider in a process of its own: then its bytes are read from a socket, as users' are.

use std::ffi::OsStr;
use std::fmt::Write as _;

use crate::middle::Process;
use crate::provider::Script;
use crate::reference::Reference;
use crate::row::{Row, print_head};

mod added;
mod ours;

use ours::Ours;

/// What is asked.
const QUESTION: &str = "Explain graphs in 3 sentences.";
/// Tokens of an answer.
const TOKENS: usize = 1000;
/// Pieces of the answer that is JSON.
const PIECES: usize = 1024;
/// Bytes in each of them. With tokens of four, LangChain would take minutes: at each it reads the whole answer again.
const WIDTH: usize = 64;

/// A chain that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    /// A prompt, a model and the parser of text.
    Text,
    /// The same with the parser of JSON.
    Json,
    /// Two of text side by side, each saying half.
    Map,
}

/// How it is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    /// Only the whole output.
    Awaited,
    /// The output, piece by piece.
    Streamed,
    /// The same, and each piece is looked at, where that is work.
    LookedAt,
    /// Everything that happens.
    Events,
    /// Everything, each event written as JSON.
    Written,
    /// What the model does, each event written as JSON.
    ModelWritten,
}

/// Where the model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Memory,
    Provider,
}

/// What is run on both sides.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    chain: Chain,
    watched: Watched,
    place: Place,
    /// Tokens, or pieces of JSON.
    size: usize,
}

const CASES: &[Case] = &[
    case("token, awaited", Chain::Text, Watched::Awaited, Place::Memory),
    case("token, streamed", Chain::Text, Watched::Streamed, Place::Memory),
    case("token, all events", Chain::Text, Watched::Events, Place::Memory),
    case("token, all events as JSON", Chain::Text, Watched::Written, Place::Memory),
    case("token, events of the model as JSON", Chain::Text, Watched::ModelWritten, Place::Memory),
    case("token of a map of two, streamed", Chain::Map, Watched::Streamed, Place::Memory),
    Case { size: PIECES, ..case("piece of 64 KiB of JSON", Chain::Json, Watched::Streamed, Place::Memory) },
    Case { size: PIECES, ..case("piece of 64 KiB of JSON, looked at", Chain::Json, Watched::LookedAt, Place::Memory) },
    case("token of a provider, awaited", Chain::Text, Watched::Awaited, Place::Provider),
    case("token of a provider, streamed", Chain::Text, Watched::Streamed, Place::Provider),
    case("token of a provider, all events", Chain::Text, Watched::Events, Place::Provider),
    case("token of a provider, all events as JSON", Chain::Text, Watched::Written, Place::Provider),
];

const fn case(name: &'static str, chain: Chain, watched: Watched, place: Place) -> Case {
    Case { name, chain, watched, place, size: TOKENS }
}

/// Runs the cases whose name contains `only`, and prints a row for each; without the reference if it is `alone`, or cannot be had.
pub(crate) fn run_all(only: &str, quick: bool, alone: bool) -> Result<(), String> {
    let mut cases = CASES.iter().filter(|case| case.name.contains(only)).peekable();
    if cases.peek().is_none() && !added::is_wanted(only) {
        return Ok(());
    }
    let scale = if quick { 10 } else { 1 };
    let provider = Process::provider(&Script { tokens: TOKENS / scale, interval: 0, stall: false })?;
    let json = json_of(PIECES / scale * WIDTH);
    let ours = Ours::new(provider.address, &json)?;
    let width = WIDTH.to_string();
    let start = || Reference::start("chains.py", &[QUESTION, &json, &width].map(OsStr::new));
    let mut reference = if alone { None } else { start().map_err(|error| eprintln!("bench: {error}")).ok() };
    print_head(reference.as_ref().map_or("chains, in CPU time", Reference::versions), "langchain");
    for case in cases {
        let case = Case { size: case.size / scale, ..*case };
        let row = Row { name: case.name, size: case.size, most: None, times_less: None, quick };
        let order = case.order(&provider);
        row.print(|| ours.run(&case), reference.as_mut().map(|reference| || reference.run(&order)))?;
    }
    added::run_all(only, quick, &ours, reference.as_mut(), &provider)
}

impl Case {
    /// What the reference is asked for.
    fn order(&self, provider: &Process) -> String {
        let chain = match self.chain {
            Chain::Text => "text",
            Chain::Json => "json",
            Chain::Map => "map",
        };
        let watched = match self.watched {
            Watched::Awaited => "awaited",
            // What it gives has been made already.
            Watched::Streamed | Watched::LookedAt => "streamed",
            Watched::Events => "events",
            Watched::Written => "written",
            Watched::ModelWritten => "model-written",
        };
        let place = match self.place {
            Place::Memory => "memory".to_owned(),
            Place::Provider => provider.address.to_string(),
        };
        format!("{chain} {watched} {place} {}", self.size)
    }
}

/// A list of objects, and a text that makes it as long as it must be.
fn json_of(length: usize) -> String {
    const ROOM: usize = 200;
    let mut json = "[".to_owned();
    let mut id = 0;
    while json.len() + ROOM < length {
        // Writing to a `String` cannot fail.
        let _ = write!(json, r#"{{"id":{id},"name":"thing {id}","price":{id}.5,"tags":["new","small"],"left":null}},"#);
        id += 1;
    }
    let rest = length.saturating_sub(json.len() + r#"""]"#.len());
    json + "\"" + &"-".repeat(rest) + "\"]"
}
