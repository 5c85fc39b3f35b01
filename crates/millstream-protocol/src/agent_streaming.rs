//! The Agent Streaming Protocol: what LangGraph's clients call `threads.stream` and its Python library `astream_events(version="v3")`.
//!
//! Everything is an event `{"type":"event","seq","method","params":{"namespace","data"}}`. The methods:
//!
//! | method | data |
//! |---|---|
//! | `lifecycle` | a graph begins or ends: `{"event":"started" or "running", "completed", "failed", "interrupted"}` |
//! | `values` | the whole state |
//! | `updates` | `{node: what it changes}` |
//! | `messages` | `message-start`, then for each block `content-block-start`, `-delta`.., `-finish`, then `message-finish`; or `error` |
//! | `tools` | `tool-started`, then `tool-finished` or `tool-error` |
//! | `custom` | what user code wrote |
//! | `input.requested` | what a person is asked; the run ends `interrupted`, and another goes on with the answer |
//! | `checkpoints` | where a graph's state was saved |
//! | `tasks` | a task of a superstep begins, or is over |
//!
//! [`AgentEvents`] is the fold that makes them. There are two [`Form`]s: what a server sends, and what the reference gives in a program.

mod event;
mod fold;
mod lifecycle;
mod message;
mod written;

pub use event::{Data, Method, Params, ProtocolEvent};
pub use fold::{AgentEvents, Form};
pub use message::{BlockDelta, MessageData};
