//! What the tests of this package share: a server in this process, clients that see every byte, and a model that says exactly what it is told.
//!
//! - [`serve`] starts a server on a free port; dropping it stops it;
//! - [`Stage`] is the model: token by token, through gates that the test opens, failing where the test wants;
//! - [`http`], [`sse`] and [`socket`] are the clients. They wait for events, never for time; [`within`] ends a test that hangs.

#![allow(clippy::unwrap_used, reason = "this package is tests alone")]

use std::sync::Arc;
use std::time::Duration;

use millstream::graph::{Chat, Graph, react};
use millstream::{Chain, Message, Model, Prompt, Runnable, Tool, Vars};
use millstream_server::{Config, Running, Server};

pub mod agent;
pub mod http;
pub mod socket;
pub mod sse;
mod stage;

pub use stage::{Stage, Step};

/// Longer than anything takes here, so that what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `future`, or panics when it does not come.
///
/// # Panics
/// When it takes so long that it will never come.
pub async fn within<F: Future>(future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("nothing came in {PATIENCE:?}");
    };
    output
}

/// The settings of a test's server: a free port of the loopback address, two workers.
///
/// # Panics
/// Never.
pub fn config() -> Config {
    Config { listen: ([127, 0, 0, 1], 0).into(), workers: 2.try_into().ok(), ..Config::default() }
}

/// The chat chain on any model.
pub fn chat(model: impl Into<Model>) -> Chain<Vars, Message> {
    Prompt::new().optional_placeholder("history").human("{question}").pipe(model.into())
}

/// A server whose model is `stage`.
pub fn serve(stage: &Stage) -> Running {
    serve_with(config(), stage)
}

/// A server with `config` whose model is `stage`.
pub fn serve_with(config: Config, stage: &Stage) -> Running {
    let stage = stage.clone();
    serve_chain(config, move || chat(stage.clone()))
}

/// A server of any chain.
///
/// # Panics
/// When the server does not start.
pub fn serve_chain(config: Config, chain: impl Fn() -> Chain<Vars, Message> + Send + Sync + 'static) -> Running {
    Server::new(config).chat(chain).start().unwrap()
}

/// A server of an agent whose model is `stage`.
pub fn serve_agent(stage: &Stage, tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Running {
    let (stage, tools) = (stage.clone(), Vec::from_iter(tools));
    serve_graph(config(), move || react(Model::from(stage.clone()), tools.clone()).unwrap())
}

/// A server of any conversation's graph.
///
/// # Panics
/// When the server does not start.
pub fn serve_graph(config: Config, graph: impl Fn() -> Graph<Chat> + Send + Sync + 'static) -> Running {
    Server::new(config).agent(move || Ok(graph())).start().unwrap()
}

/// The programs in the README, which have to compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The programs in the guide, from a first chain to a server.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide.md")]
pub struct Guide;

/// The programs in the guide to graphs.
#[cfg(doctest)]
#[doc = include_str!("../../docs/graphs.md")]
pub struct Graphs;

/// The programs in the guide to prompts.
#[cfg(doctest)]
#[doc = include_str!("../../docs/prompts.md")]
pub struct Prompts;

/// The programs in the guide to retrieval.
#[cfg(doctest)]
#[doc = include_str!("../../docs/retrieval.md")]
pub struct Retrieval;
