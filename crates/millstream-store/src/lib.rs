//! Where Millstream keeps things: checkpoints of graphs in SQLite.
//!
//! ```
//! use millstream_graph::Checkpointer;
//! use millstream_store::Sqlite;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = Sqlite::in_memory()?;
//! assert!(store.get("a conversation", "", None).await?.is_none());
//! # Ok::<(), millstream_core::Error>(()) }).unwrap();
//! ```

mod sqlite;

pub use sqlite::Sqlite;
