//! LangGraph's stream modes as its Python library yields them: `(namespace, mode, data)`.
//!
//! | mode | data |
//! |---|---|
//! | `values` | the whole state |
//! | `updates` | `{node: what it changes}`, or `{"__interrupt__": [what is asked]}` |
//! | `messages` | `[chunk of a message, metadata]` |
//! | `custom` | what user code wrote |
//! | `tasks` | `{"id","name","input","triggers"}` as a task begins, `{"id","name","error","result","interrupts"}` when it is over |
//! | `checkpoints` | `{"config","parent_config","values","metadata","next","tasks"}` |
//! | `debug` | tasks and checkpoints as `{"step","type","payload"}` |
//!
//! [`StreamModes`] is the fold that makes them from the events of a run.

mod checkpoint;
mod item;
mod keys;
mod message;
mod modes;
mod writes;

pub use checkpoint::{checkpoint_config, graph_config};
pub use item::{StreamItem, Version};
pub use keys::StateKeys;
pub use message::{MessagePiece, MessagePieces};
pub use modes::{ErrorForm, StreamModes};
pub use writes::task_result;
