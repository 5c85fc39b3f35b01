//! The command line.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

mod chat;
mod model;
mod serve;

/// Streams what language models produce to the people and programs that wait for it.
///
/// Without a command it serves: a chat page, Server-Sent Events and WebSocket, on one port.
#[derive(Debug, Parser)]
#[command(name = "millstream", version, max_term_width = 100, args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the chat page and the streaming endpoints (what happens without a command, too).
    Serve(serve::ServeArguments),
    /// Asks in the terminal: one question, or a conversation. Ctrl-C stops the answer and keeps its text.
    Chat(chat::ChatArguments),
}

const EXAMPLES: &str = "\
Examples:
  millstream                                        serve on http://127.0.0.1:8000
  millstream --listen 0.0.0.0:80                    serve to the network
  OPENAI_API_KEY=... millstream --model gpt-4o      with a model of OpenAI
  millstream --base-url http://127.0.0.1:11434/v1 --model llama3.2
                                                    with any OpenAI-shaped server
  millstream chat \"Explain LangGraph in 3 sentences\"
  curl -N 127.0.0.1:8000/chat/stream -H 'content-type: application/json' -d '{\"question\":\"Hello\"}'";

/// Reads the arguments and does what they say. Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 stopped by Ctrl-C.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("MILLSTREAM_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    match arguments.command {
        None => serve::run(arguments.serve),
        Some(Command::Serve(serve)) => serve::run(serve),
        Some(Command::Chat(chat)) => chat::run(chat),
    }
}

/// Says what went wrong, for a person.
fn fail(problem: impl std::fmt::Display, code: u8) -> ExitCode {
    // Nothing is left to do if standard error is closed.
    let _ = writeln!(std::io::stderr(), "millstream: {problem}");
    ExitCode::from(code)
}
