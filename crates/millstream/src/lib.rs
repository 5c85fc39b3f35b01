//! Stream what language models and agents produce.
//!
//! ```
//! use millstream::prelude::*;
//!
//! # futures_util::FutureExt::now_or_never(async {
//! let chain = Prompt::new().system("You are a concise technical writer.").human("{topic}") | Model::from(Demo::instant());
//!
//! let mut chunks = chain.run(vars! { topic: "Explain LangGraph in 3 sentences." }).stream();
//! while let Some(chunk) = chunks.try_next().await? {
//!     print!("{chunk}");
//! }
//!
//! let answer = chain.run(vars! { topic: "Explain RAG" }).await?;
//! println!("{answer}");
//! # Ok::<(), Error>(()) }).unwrap().unwrap();
//! ```
//!
//! One verb, many ways to watch: `run(input)` describes a run; `.await` gives the whole output, `.stream()` its pieces,
//! `.stream().blocking()` the same for code that is not asynchronous, `.events()` everything that happens inside.

mod choice;
mod prompt;

pub use choice::{FoundModel, ModelChoice, model_from_env};
pub use millstream_core::*;
pub use prompt::prompt_from_file;

/// Graphs: state, nodes, supersteps, stream modes.
pub mod graph {
    pub use millstream_graph::*;
}

/// Model providers over HTTP.
pub mod models {
    pub use millstream_models::*;
}

/// What is kept beyond the process: checkpoints, conversations, answers, and documents to be found.
pub mod store {
    pub use millstream_store::*;
}

/// What most programs need: `use millstream::prelude::*`.
pub mod prelude {
    pub use crate::{ModelChoice, model_from_env};
    pub use futures_util::{Stream, StreamExt, TryStreamExt};
    pub use millstream_core::{
        AnyJson, Assign, Body, Branch, Chain, Chunk, Cx, Demo, Document, Error, Event, Examples, Json, Lambda, Message,
        Messages, Model, Parallel, Passthrough, Pick, Placeholder, Prompt, RateLimit, Result, Retrieval, Retriever,
        Retry, Runnable, Text, TextParser, Tool, ToolCall, Typed, Vars, add_messages, format_documents, tool, tools,
        vars,
    };
    pub use millstream_graph::{Agent, Chat, Command, END, Item, Mode, START, State, StateGraph, append, react};
    pub use millstream_store::{FullText, Sqlite};
}
