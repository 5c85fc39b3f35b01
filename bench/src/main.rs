//! `cargo xtask bench`: what a token costs on its way through Millstream, beside a proxy that only copies bytes; what it costs in a chain, beside
//! LangChain; and what a superstep of a graph costs, beside LangGraph.
//!
//! For the streams there are three processes on the loopback: a provider that streams as a script says, the server (or the proxy) in the middle, and this driver.
//! The middle is measured from outside, by the kernel's own account of its threads and memory. Both ends are the same in one run, so the
//! ratios hold on any machine; the absolute figures are this machine's.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod chains;
mod client;
mod graphs;
mod measure;
mod middle;
mod provider;
mod proxy;
mod reference;
mod row;
mod scenario;

/// Compares the server with a plain byte proxy on the same streams, and chains and graphs with the same ones in LangChain and LangGraph.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// The server's binary; the one beside this program unless given.
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    /// Only the rows whose name contains this.
    #[arg(long, default_value = "", global = true)]
    only: String,
    /// A tenth of the work, to see that everything runs.
    #[arg(long, global = true)]
    quick: bool,
    /// Chains and graphs without LangChain and LangGraph beside them.
    #[arg(long, global = true)]
    alone: bool,
}

#[derive(Subcommand)]
enum Part {
    /// The server beside a byte proxy.
    Streams,
    /// Chains beside LangChain.
    Chains,
    /// Graphs beside LangGraph.
    Graphs,
    // The other processes of a benchmark are this program too.
    /// The scripted provider; prints its address.
    #[command(hide = true)]
    Provider(provider::Script),
    /// The byte proxy; prints its address.
    #[command(hide = true)]
    Proxy {
        /// Where to.
        target: std::net::SocketAddr,
    },
}

fn main() -> ExitCode {
    let Arguments { part, server, only, quick, alone } = Arguments::parse();
    let done = match part {
        Some(Part::Provider(script)) => provider::serve(&script),
        Some(Part::Proxy { target }) => proxy::serve(target),
        Some(Part::Streams) => scenario::run_all(server, &only, quick),
        Some(Part::Chains) => chains::run_all(&only, quick, alone),
        Some(Part::Graphs) => graphs::run_all(&only, quick, alone),
        None => scenario::run_all(server, &only, quick)
            .and_then(|()| {
                println!();
                chains::run_all(&only, quick, alone)
            })
            .and_then(|()| {
                println!();
                graphs::run_all(&only, quick, alone)
            }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
