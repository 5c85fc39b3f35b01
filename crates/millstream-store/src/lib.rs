//! Where Millstream keeps things: checkpoints of graphs, conversations of chains, answers of models, and documents that are found by their words, in
//! SQLite.
//!
//! ```
//! use millstream_core::{Demo, Model};
//! use millstream_graph::{Chat, react};
//! use millstream_store::Sqlite;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let directory = std::env::temp_dir().join(format!("millstream-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! # let path = directory.join("chat.db");
//! let agent = react(Model::from(Demo::says(["Hello!", "You said hello."])), [])?.checkpointer(Sqlite::open(&path)?);
//! agent.run(Chat::human("Hello")).thread("a conversation").await?;
//!
//! // It goes on with what is in the file, also in another program.
//! let end = agent.run(Chat::human("What did I say?")).thread("a conversation").await?;
//! assert_eq!(end.messages.len(), 4);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), millstream_core::Error>(()) }).unwrap();
//! ```

mod sqlite;

pub use sqlite::{FullText, Sqlite, SqliteCache};
