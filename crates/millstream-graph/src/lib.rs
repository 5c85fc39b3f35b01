//! Graphs: a typed state, nodes that change it in supersteps, and every way to watch.
//!
//! ```
//! # extern crate millstream_graph as graph;
//! use std::sync::Arc;
//!
//! use millstream_core::{Cx, Result};
//! use millstream_graph::{END, START, State, StateGraph, append};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(State, Clone, Default, Serialize, Deserialize)]
//! #[state(crate = "graph")]
//! struct Trip {
//!     #[reduce(append)]
//!     log: Vec<String>,
//!     days: u32,
//! }
//!
//! async fn visit(trip: Arc<Trip>, _: Cx) -> Result<TripUpdate> {
//!     Ok(Trip::update().log(["the sea"]).days(trip.days + 1))
//! }
//!
//! # futures_util::FutureExt::now_or_never(async {
//! let graph = StateGraph::new().node("visit", visit).edge(START, "visit").edge("visit", END).compile()?;
//! let end = graph.run(Trip { log: vec!["home".to_owned()], days: 0 }).await?;
//! assert_eq!((end.log, end.days), (vec!["home".to_owned(), "the sea".to_owned()], 1));
//! # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
//! ```
//!
//! A graph runs in supersteps, as LangGraph's do: everything that is ready runs in parallel on the state as it was at the beginning of the
//! step; then what was written is applied, channel by channel, in the order of the nodes' names. What the state is after a step
//! never depends on which node was faster.

mod agent;
mod ahead;
mod answer;
mod branch;
mod breakpoints;
mod build;
mod channel;
mod check;
mod checkpoint;
mod command;
mod drawing;
mod engine;
mod graph;
mod host;
mod json;
mod mermaid;
mod mode;
mod nested;
mod node;
mod past;
mod plan;
mod reduce;
mod returned;
mod run;
mod saver;
mod shape;
mod snapshot;
mod state;
mod step;
mod tell;
mod turn;
mod update;

pub use agent::{Agent, AgentForm, Chat, ChatUpdate, Conversation, ToolNode, ToolTasks, react};
pub use breakpoints::Nodes;
pub use build::{END, IntoTargets, START, StateGraph};
pub use channel::{Access, Channel, Written};
pub use checkpoint::{
    Change, Checkpoint, CheckpointMetadata, CheckpointSource, Checkpointer, Durability, Memory, NewCheckpoint,
    NewWrites, Stored, TaskWrite, WriteKind,
};
pub use command::{Command, IntoCommand, Send, Target};
pub use drawing::{Drawing, DrawnEdge, DrawnKind, DrawnNode};
pub use graph::Graph;
pub use json::{Json, JsonKind, JsonUpdate};
pub use millstream_core::Retry;
pub use millstream_macros::State;
pub use mode::{Item, Items, Mode};
pub use node::Node;
pub use reduce::{append, max, merge, sum};
pub use run::{GraphRun, Outcome};
#[doc(hidden)]
pub use serde;
pub use snapshot::{GraphSnapshot, Snapshot, TaskSnapshot};
#[doc(hidden)]
pub use state::written;
pub use state::{IntoInput, Schema, State, Typed, Update, Write};
pub use step::GraphStep;
pub use update::StateUpdate;
