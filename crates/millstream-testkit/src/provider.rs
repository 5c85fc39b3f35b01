//! A mock of an OpenAI-shaped provider, with faults at byte level.
//!
//! [`MockProvider`] listens on a free port of the loopback address and answers every request with
//! the next [`Script`] of its queue. A script says what is written, in which pieces, and where the
//! wire breaks; [`Exchange`] says what the client sent, how far the script has come and when the
//! client left. HTTP is written by hand, so that every byte, and every missing byte, is on purpose.
//!
//! ```
//! # use millstream_testkit::provider::{MockProvider, Script};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let provider = MockProvider::start([Script::answer(["Hel", "lo"]).cut_at(40)]).await;
//! let base_url = provider.base_url(); // "http://127.0.0.1:<port>/v1"
//! # assert!(base_url.ends_with("/v1"));
//! // Point a client at it; then:
//! // let exchange = provider.exchange(0).await;
//! // exchange.closed().await;
//! # }
//! ```

mod answer;
mod connection;
mod exchange;
mod plan;
mod script;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use answer::Answer;
pub use exchange::{Exchange, Progress, Received};
pub use script::Script;

/// A provider that answers as it is told. Its sockets and tasks end when it is dropped.
pub struct MockProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Holds the accepting task, which in turn holds one task per connection.
    _tasks: JoinSet<()>,
}

type Responder = Box<dyn Fn(&Received) -> Script + Send + Sync>;

/// What the connections and the owner of the provider both see.
pub(crate) struct Shared {
    queue: Mutex<VecDeque<Script>>,
    otherwise: Mutex<Responder>,
    models: Mutex<Script>,
    exchanges: watch::Sender<Vec<Exchange>>,
}

impl MockProvider {
    /// Listens on a free port of 127.0.0.1 and answers the requests with `scripts`, in their order.
    ///
    /// A request for which no script is left gets a 500 that says so; see
    /// [`otherwise`](Self::otherwise). `GET .../models` is answered apart and uses up no script.
    ///
    /// # Panics
    /// When the loopback address cannot be bound: no test can go on without it.
    pub async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port on the loopback address");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            queue: Mutex::new(scripts.into_iter().collect()),
            otherwise: Mutex::new(Box::new(|_| Script::error(500, "the mock provider has no script left"))),
            models: Mutex::new(model_list(["mock-model"])),
            exchanges: watch::Sender::new(Vec::new()),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _tasks: tasks }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL to configure in a client: `http://127.0.0.1:<port>/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Adds a script at the end of the queue.
    pub fn push(&self, script: Script) {
        lock(&self.shared.queue).push_back(script);
    }

    /// What to answer when the queue is empty, made from the request.
    pub fn otherwise(&self, responder: impl Fn(&Received) -> Script + Send + Sync + 'static) {
        *lock(&self.shared.otherwise) = Box::new(responder);
    }

    /// The list that `GET /v1/models` shows. At the start it is `mock-model` alone.
    pub fn models<Id: Into<String>>(&self, ids: impl IntoIterator<Item = Id>) {
        self.answer_models(model_list(ids));
    }

    /// Answers `GET /v1/models` with any script, so that a server can be shown that is none of ours.
    pub fn answer_models(&self, script: Script) {
        *lock(&self.shared.models) = script;
    }

    /// How many requests have arrived, without those for the list of models.
    pub fn requests(&self) -> usize {
        self.shared.exchanges.borrow().len()
    }

    /// The request with this number (from 0) and its answer; waits until it has arrived.
    pub async fn exchange(&self, number: usize) -> Exchange {
        let mut exchanges = self.shared.exchanges.subscribe();
        let arrived = exchanges
            .wait_for(|exchanges| exchanges.len() > number)
            .await
            .expect("the provider holds the sender while it is borrowed");
        arrived[number].clone()
    }
}

impl Shared {
    /// Registers a request and says what to answer.
    fn answer(&self, received: Received) -> (Exchange, Script) {
        if received.method == "GET" && received.path.ends_with("/models") {
            return (Exchange::new(received), lock(&self.models).clone());
        }
        let next = lock(&self.queue).pop_front();
        let script = next.unwrap_or_else(|| lock(&self.otherwise)(&received));
        let exchange = Exchange::new(received);
        self.exchanges.send_modify(|exchanges| exchanges.push(exchange.clone()));
        (exchange, script)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(stream, Arc::clone(&shared)));
                }
                // Out of descriptors, most likely: let the other connections go on.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn model_list<Id: Into<String>>(ids: impl IntoIterator<Item = Id>) -> Script {
    let data: Vec<_> = ids
        .into_iter()
        .map(|id| json!({"id": id.into(), "object": "model", "created": 1_700_000_000, "owned_by": "mock"}))
        .collect();
    Script::json(200, &json!({"object": "list", "data": data}))
}

/// A poisoned lock only means that another test assertion failed first.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
