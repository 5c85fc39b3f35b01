//! `millstream serve`.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use millstream::store::Sqlite;
use millstream_server::{Config, Server, Stopper};

use super::fail;
use super::model::{self, ModelArguments};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", env = "MILLSTREAM_LISTEN", default_value = "127.0.0.1:8000", value_parser = address)]
    listen: SocketAddr,
    #[command(flatten)]
    model: ModelArguments,
    /// The system prompt of the chat and of the agent.
    #[arg(long, value_name = "TEXT", default_value = "You are a helpful assistant.")]
    system: String,
    /// Where conversations are kept: "sqlite:FILE", a file that is created if it is not there, or "memory:", which ends with the server.
    #[arg(long, value_name = "STORE", env = "MILLSTREAM_STORE", default_value = STORE, value_parser = store)]
    store: Store,
    /// An origin of another site whose pages may use this server, or "*" for all. May be given several times.
    #[arg(long = "cors-origin", value_name = "ORIGIN", value_parser = origin)]
    cors_origins: Vec<String>,
    /// A name under which the server may be asked, besides localhost: needed behind a proxy that passes its own name on. May be given several
    /// times.
    #[arg(long = "host", value_name = "NAME", value_parser = host)]
    hosts: Vec<String>,
    /// How long a run goes on when nobody reads it any more: seconds, 0 to stop it at once, or "forever".
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = linger)]
    linger: Linger,
    /// After how many seconds of silence a keep-alive is sent.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    heartbeat: Duration,
    /// How many worker threads; one per core unless given.
    #[arg(long, value_name = "COUNT")]
    workers: Option<NonZeroUsize>,
}

const STORE: &str = "sqlite:millstream.db";

/// Where conversations are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Store {
    Memory,
    Sqlite(PathBuf),
}

/// How long a run goes on without readers; clap would read an `Option` as an argument that may be left out.
#[derive(Clone, Copy, Debug)]
struct Linger(Option<Duration>);

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found =
        text.to_socket_addrs().map_err(|_| "write ADDR:PORT, for example 127.0.0.1:8000 or [::1]:8000".to_owned())?;
    found.next().ok_or_else(|| "no such address".to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    let is_origin = |authority: &str| !authority.is_empty() && !authority.contains(['/', '?', '#', ' ']);
    let valid =
        text == "*" || text == "null" || text.split_once("://").is_some_and(|(_, authority)| is_origin(authority));
    if valid {
        Ok(text.to_owned())
    } else {
        Err("write an origin without a path, for example https://app.example.com".to_owned())
    }
}

fn host(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && !text.contains(['/', ':', ' ', '@']);
    if plain {
        Ok(text.to_owned())
    } else {
        Err("write a name without scheme and port, for example chat.example.com".to_owned())
    }
}

/// An environment variable that is set to nothing says nothing.
fn store(text: &str) -> Result<Store, String> {
    let text = if text.trim().is_empty() { STORE } else { text };
    match text.split_once(':') {
        Some(("memory", "")) => Ok(Store::Memory),
        Some(("sqlite", file)) if !file.is_empty() => Ok(Store::Sqlite(file.into())),
        _ => Err("write memory: or sqlite:FILE, for example sqlite:millstream.db".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let value: f64 = text.parse().map_err(|_| "write a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(value) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("write a number of seconds greater than 0".to_owned()),
    }
}

fn linger(text: &str) -> Result<Linger, String> {
    match text {
        "forever" => Ok(Linger(None)),
        "0" => Ok(Linger(Some(Duration::ZERO))),
        _ => seconds(text)
            .map(|duration| Linger(Some(duration)))
            .map_err(|_| "write a number of seconds, or forever".to_owned()),
    }
}

/// Serves until a signal comes.
pub(crate) fn run(arguments: ServeArguments) -> ExitCode {
    let found = match arguments.model.find() {
        Ok(found) => found,
        Err(error) => return fail(error, 2),
    };
    let config = Config {
        listen: arguments.listen,
        workers: arguments.workers,
        linger: arguments.linger.0,
        heartbeat: arguments.heartbeat,
        hosts: arguments.hosts,
        cors_origins: arguments.cors_origins,
        ..Config::default()
    };
    let (info, says) = (model::info(&found), found.to_string());
    let system = arguments.system;
    let shared = Arc::new((found, system));
    let (chat, agent) = (shared.clone(), shared);
    let server = Server::new(config)
        .chat(move || model::chat(&chat.0, &chat.1))
        .agent(move || model::agent(&agent.0, &agent.1))
        .model_info(info);
    let kept = match &arguments.store {
        Store::Memory => "memory".to_owned(),
        Store::Sqlite(file) => file.display().to_string(),
    };
    let server = match arguments.store {
        Store::Memory => server,
        Store::Sqlite(file) => match Sqlite::open(file) {
            Ok(store) => server.store(store),
            Err(error) => return fail(format!("{error}; --store says where conversations are kept"), 1),
        },
    };
    // Before the server is there: whoever sees that it is may stop it at once.
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(format!("cannot listen for signals: {error}"), 1),
    };
    let running = match server.start() {
        Ok(running) => running,
        Err(error) => return fail(error, 1),
    };
    if let Err(error) = signals.stop(running.stopper()) {
        return fail(format!("cannot listen for signals: {error}"), 1);
    }
    let url = running.url();
    let greeting = format!(
        "millstream serves {url}\n  model   {says}\n  page    {url}/\n  curl    curl -N {url}/chat/stream -H 'content-type: \
         application/json' -d '{{\"question\":\"Explain LangGraph in 3 sentences\"}}'\n  agent   {url}/agent/stream, conversations in {kept}\n  socket  {}/ws/chat\n\nCtrl-C stops it.\n",
        url.replacen("http", "ws", 1)
    );
    // Whoever started the server may have closed its end; the server is there all the same.
    let _ = std::io::stdout().write_all(greeting.as_bytes());
    let _ = std::io::stdout().flush();
    running.wait();
    ExitCode::SUCCESS
}

/// Ctrl-C and SIGTERM, which stop the server in good order. They are heard from the time this is made.
struct Signals {
    runtime: tokio::runtime::Runtime,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let inside = runtime.enter();
            let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            drop(inside);
            Ok(Self { runtime, interrupt, terminate })
        }
        #[cfg(not(unix))]
        Ok(Self { runtime })
    }

    /// Stops the server at the first signal.
    #[cfg_attr(not(unix), expect(unused_mut, reason = "the signals of Unix are read"))]
    fn stop(mut self, stopper: Stopper) -> std::io::Result<()> {
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            self.runtime.block_on(async {
                #[cfg(unix)]
                tokio::select! {
                    _ = self.interrupt.recv() => {}
                    _ = self.terminate.recv() => {}
                }
                #[cfg(not(unix))]
                let _ = tokio::signal::ctrl_c().await;
            });
            stopper.stop();
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_named_by_what_they_are() {
        assert_eq!(store("memory:"), Ok(Store::Memory));
        assert_eq!(store("sqlite:a/b:c.db"), Ok(Store::Sqlite("a/b:c.db".into())));
        assert_eq!(store(" "), Ok(Store::Sqlite("millstream.db".into())));
        for wrong in ["memory", "memory:x", "sqlite:", "millstream.db", "postgres://x"] {
            assert!(store(wrong).is_err(), "{wrong}");
        }
    }
}
