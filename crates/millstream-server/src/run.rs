//! Runs: each belongs to the server, never to a connection. A run is written to its log; whoever reads, reads the log.

mod log;
mod registry;
mod rendering;
mod task;
mod thread;
mod viewer;

pub(crate) use registry::{Found, Refused, Runs, Start};
pub(crate) use rendering::ViewKind;
pub(crate) use task::{Attached, ServerRun};
pub(crate) use thread::Thread;
pub(crate) use viewer::Viewer;
