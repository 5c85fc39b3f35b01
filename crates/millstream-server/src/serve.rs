//! Starting and stopping: one current-thread runtime per worker, each with its own listening socket on the same port.
//!
//! Waking another thread costs more than everything else that is done for a token, so a run, its provider connection and the reader that
//! started it stay on one worker; the kernel spreads connections over the workers' sockets (`SO_REUSEPORT`).

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use millstream::graph::{Chat, Checkpointer, Graph, Memory};
use millstream::{Chain, History, Message, Runnable, Vars};
use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{self, App};
use crate::config::Config;
use crate::run::Runs;

mod accept;

/// How long the readers of a stopping server have to take what is left.
const GRACE: Duration = Duration::from_secs(5);

type ChatFactory = dyn Fn() -> Chain<Vars, Message> + Send + Sync;
type AgentFactory = dyn Fn() -> millstream::Result<Graph<Chat>> + Send + Sync;
/// Gives a graph the place where it keeps its conversations.
type Keep = dyn Fn(Graph<Chat>) -> Graph<Chat> + Send + Sync;

/// A server to start: see the crate's first page for an example.
#[must_use = "a server does nothing until it is started"]
pub struct Server {
    config: Config,
    chat: Option<Arc<ChatFactory>>,
    agent: Option<Arc<AgentFactory>>,
    keep: Arc<Keep>,
    history: Arc<dyn History>,
    model: Value,
}

/// Why a server did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Somebody else has the address.
    #[error(
        "{0} is in use; stop what listens there, or choose another port with --listen ADDR:PORT (port 0 takes a free one)"
    )]
    AddressInUse(SocketAddr),
    /// `MILLSTREAM_LISTEN` is set to something else than an address.
    #[error("MILLSTREAM_LISTEN is {0:?}; set it to ADDR:PORT, for example 127.0.0.1:8000, or to nothing")]
    NoAddress(String),
    /// The address is not one of this machine, or may not be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A worker could not start.
    #[error("cannot start a worker thread: {0}")]
    Worker(#[source] io::Error),
    /// There is nothing to serve.
    #[error("the server has nothing to serve; give it a chain with Server::chat, or an agent with Server::agent")]
    NothingToServe,
    /// The agent cannot be built.
    #[error("the agent cannot be built: {0}")]
    Agent(#[source] millstream::Error),
}

impl Server {
    /// A server with `config`, and nothing to serve yet.
    pub fn new(config: Config) -> Self {
        let store = Memory::default();
        Self {
            config,
            chat: None,
            agent: None,
            history: Arc::new(store.clone()),
            keep: keep_in(store),
            model: Value::Null,
        }
    }

    /// Serves the chain at `/chat/stream`, `/ws/chat` and the page. It takes the variables `question` and `history`. The conversations of those who give
    /// them a name (`thread_id`) are kept in the server's [`store`](Self::store).
    ///
    /// `chain` is called once per worker, since connections to model providers belong to the worker that opened them.
    pub fn chat<C>(mut self, chain: impl Fn() -> C + Send + Sync + 'static) -> Self
    where
        C: Runnable<Input = Vars, Output = Message>,
    {
        self.chat = Some(Arc::new(move || chain().named("chat")));
        self
    }

    /// Serves the agent at `/agent/stream` and the page: a graph whose state is a conversation.
    ///
    /// `agent` is called once per worker, since connections to model providers belong to the worker that opened them. Its graph keeps each conversation in
    /// the server's [`store`](Self::store).
    ///
    /// ```no_run
    /// use millstream::graph::react;
    /// use millstream::prelude::*;
    /// use millstream_server::{Config, Server};
    ///
    /// let server = Server::new(Config::default()).agent(|| react(Model::from(Demo::default()), []));
    /// server.start()?.wait();
    /// # Ok::<(), millstream_server::ServeError>(())
    /// ```
    pub fn agent(mut self, agent: impl Fn() -> millstream::Result<Graph<Chat>> + Send + Sync + 'static) -> Self {
        self.agent = Some(Arc::new(agent));
        self
    }

    /// Where conversations are kept; in memory unless set. Clones of the store are the same store, one for each worker.
    pub fn store(mut self, store: impl Checkpointer + History + Clone) -> Self {
        self.history = Arc::new(store.clone());
        self.keep = keep_in(store);
        self
    }

    /// What `/info` and the page say of the model, for example `{"name": "gpt-4o-mini", "kind": "openai"}`.
    pub fn model_info(mut self, model: Value) -> Self {
        self.model = model;
        self
    }

    /// Starts the workers. The server listens when this returns.
    ///
    /// # Errors
    /// If the address cannot be had, or there is nothing to serve.
    pub fn start(self) -> Result<Running, ServeError> {
        if self.chat.is_none() && self.agent.is_none() {
            return Err(ServeError::NothingToServe);
        }
        let (chat, agent, keep, history) = (self.chat, self.agent, self.keep, self.history);
        let address = probe(self.config.listen)?;
        let config = Arc::new(Config { listen: address, ..self.config });
        let stop = CancellationToken::new();
        let runs = Arc::new(Runs::new(config.limits.clone(), stop.clone()));
        let info = Arc::new(json!({
            "name": "millstream",
            "version": env!("CARGO_PKG_VERSION"),
            "model": self.model,
            "chat": chat.is_some(),
            "agent": agent.is_some(),
        }));
        let count = config.workers.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let listeners = (0..count).map(|_| listen(address, true)).collect::<Result<Vec<_>, _>>()?;
        // Workers that have started must not stay when another cannot.
        let unless_started = stop.clone().drop_guard();
        let mut workers = Vec::with_capacity(count);
        for (number, listener) in listeners.into_iter().enumerate() {
            let (config, runs, info) = (config.clone(), runs.clone(), info.clone());
            let (chat, agent, keep, stop) = (chat.clone(), agent.clone(), keep.clone(), stop.clone());
            let history = history.clone();
            let (ready, is_ready) = mpsc::sync_channel(1);
            let work = move || {
                let stopping = stop.clone();
                let app = move || {
                    let chat = chat.map(|chat| app::Chat::new(chat(), history, config.limits.history));
                    let agent =
                        agent.map(|agent| agent().map(|graph| keep(graph))).transpose().map_err(ServeError::Agent)?;
                    Ok(App { config, runs, chat, agent, tasks: TaskTracker::new(), stopping, info })
                };
                work(listener, app, &stop, &ready);
            };
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            workers.push(thread.spawn(work).map_err(ServeError::Worker)?);
            let ended = |_| Err(ServeError::Worker(io::Error::other("the worker ended at once")));
            is_ready.recv().unwrap_or_else(ended)?;
        }
        unless_started.disarm();
        Ok(Running { address, stop, workers })
    }
}

fn keep_in(store: impl Checkpointer + Clone) -> Arc<Keep> {
    Arc::new(move |graph| graph.checkpointer(store.clone()))
}

/// One worker: its runtime, its socket, its part of the runs.
fn work(
    listener: TcpListener,
    app: impl FnOnce() -> Result<App, ServeError>,
    stop: &CancellationToken,
    ready: &mpsc::SyncSender<Result<(), ServeError>>,
) {
    let started = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        let _inside = runtime.enter();
        Ok((tokio::net::TcpListener::from_std(listener)?, runtime))
    });
    let (listener, runtime) = match started {
        Ok((listener, runtime)) => (listener, runtime),
        Err(error) => {
            // The starter waits for exactly one word.
            let _ = ready.send(Err(ServeError::Worker(error)));
            return;
        }
    };
    runtime.block_on(async {
        let app = match app() {
            Ok(app) => app,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        let tasks = app.tasks.clone();
        let limits = app.config.limits.clone();
        let mut server = std::pin::pin!(accept::accept(listener, app.router(), &limits, stop));
        // Both may come first: with nothing but sockets open, the server is over as soon as it is stopped.
        let accepting = tokio::select! {
            () = &mut server => false,
            () = stop.cancelled() => true,
        };
        tasks.close();
        let finish = async {
            tasks.wait().await;
            if accepting {
                server.await;
            }
        };
        // Readers that take nothing must not keep the process.
        let _ = tokio::time::timeout(GRACE, finish).await;
    });
}

/// A server that listens. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    workers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Where it listens, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops: nothing new is taken, what runs ends `cancelled` and its readers are told, within five seconds.
    pub fn stop(&mut self) {
        self.stop.cancel();
        self.join();
    }

    /// Waits until the server has stopped.
    pub fn wait(mut self) {
        self.join();
    }

    /// A handle that stops the server, for a signal handler.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    fn join(&mut self) {
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Stops a [`Running`] server from elsewhere.
#[derive(Clone, Debug)]
pub struct Stopper(CancellationToken);

impl Stopper {
    /// Stops the server; [`Running::wait`] then comes back.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

/// Takes the address alone for a moment: sockets that share a port would share it with another server too, in silence.
fn probe(address: SocketAddr) -> Result<SocketAddr, ServeError> {
    let listener = listen(address, false)?;
    listener.local_addr().map_err(|source| ServeError::Listen { address, source })
}

fn listen(address: SocketAddr, shared: bool) -> Result<TcpListener, ServeError> {
    bind(address, shared).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::AddressInUse(address),
        _ => ServeError::Listen { address, source },
    })
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("config", &self.config).field("model", &self.model).finish_non_exhaustive()
    }
}
