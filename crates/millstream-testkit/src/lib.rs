//! What tests of streaming need.
//!
//! - [`provider`]: a mock of an OpenAI-shaped provider that speaks raw HTTP/1.1 over a real socket and fails at any byte on request;
//! - [`ScriptedModel`], [`Turn`]: a model in process that does exactly what it is told, piece by piece;
//! - [`Validator`], [`watch`], [`watch_with`]: whether the events of a run follow their grammar.

pub mod provider;

mod model;
mod validate;

pub use model::{ScriptedModel, Turn};
pub use validate::{Validator, Violation, watch, watch_with};
