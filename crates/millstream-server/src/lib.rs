//! The Millstream server: one binary that serves chains to browsers, terminals and sockets; and the same as a library, for those who
//! write their chain in Rust.
//!
//! ```no_run
//! use millstream::prelude::*;
//! use millstream_server::{Config, Server};
//!
//! let server = Server::new(Config::default()).chat(|| {
//!     let prompt = Prompt::new().system("You are brief.").optional_placeholder("history").human("{question}");
//!     prompt | Model::from(Demo::default())
//! });
//! server.start()?.wait();
//! # Ok::<(), millstream_server::ServeError>(())
//! ```
//!
//! A run belongs to the server, never to a connection: it is written to its log, and every reader (SSE, WebSocket, one that comes
//! back) reads the log.

mod app;
mod config;
mod http;
mod run;
mod serve;
mod socket;

pub use config::{Config, Limits};
pub use serve::{Running, ServeError, Server, Stopper};
