//! `cargo xtask bench`: what a token costs on its way through Millstream, beside a proxy that only copies bytes.
//!
//! Three processes on the loopback: a provider that streams as a script says, the server (or the proxy) in the middle, and this driver.
//! The middle is measured from outside, by the kernel's own account of its threads and memory. Both ends are the same in one run, so the
//! ratios hold on any machine; the absolute figures are this machine's.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod client;
mod measure;
mod middle;
mod provider;
mod proxy;
mod scenario;

/// Compares the server with a plain byte proxy, on the same streams.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// The server's binary; the one beside this program unless given.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Only the rows whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// A tenth of the work, to see that everything runs.
    #[arg(long)]
    quick: bool,
}

/// The other processes of a benchmark are this program too.
#[derive(Subcommand)]
enum Part {
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
    let arguments = Arguments::parse();
    let done = match arguments.part {
        Some(Part::Provider(script)) => provider::serve(&script),
        Some(Part::Proxy { target }) => proxy::serve(target),
        None => scenario::run_all(arguments.server, &arguments.only, arguments.quick),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
