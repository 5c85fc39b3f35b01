//! The vocabulary of Millstream: messages and the parts they stream in, events, the context [`Cx`], runnables and chains,
//! prompts, parsers, and the traits that models implement. No IO, and no task is ever started: a run is polled by its reader.
//!
//! - [`Message`], [`Chunk`], [`Part`], [`PartWriter`], [`MessageFold`]: what is said, whole and in pieces;
//! - [`Runnable`], [`Chain`], [`Run`]: what runs, and the ways to watch it;
//! - [`Prompt`], [`Model`], [`Text`], [`AnyJson`], [`Typed`] and other parsers: the steps of a chain;
//! - [`Document`], [`Retriever`], [`Retrieval`]: what is looked up before a model is asked;
//! - [`Event`], [`Body`], [`Cx`]: what happens in a run, and who says so;
//! - [`Demo`]: a model without weights, for a first look and for tests.

mod cache;
mod chain;
mod compose;
mod cx;
mod demo;
mod dynamic;
mod error;
mod event;
mod execute;
mod filter;
mod fold;
mod history;
mod input;
mod json;
mod limit;
mod message;
mod model;
mod parse;
mod part;
mod payload;
mod piece;
mod prompt;
mod queue;
mod retrieve;
mod run;
mod runnable;
mod schema;
mod shown;
mod streamed;
mod tee;
mod tool;
mod usage;
mod vars;

pub use cache::{MemoryCache, ResponseCache};
pub use chain::Chain;
pub use compose::{
    Assign, Batch, Branch, Configurable, Each, Fallbacks, Lambda, Parallel, Passthrough, Pick, PickSome, Retried, Retry,
};
pub use cx::{Cx, Label, TaskHost};
pub use demo::Demo;
pub use dynamic::Dynamic;
pub use error::{Error, ErrorKind, PublicError, Result};
pub use event::{
    Body, Channels, CheckpointEvent, CheckpointPlace, CheckpointTask, Event, Finished, Interrupt, Kind, Metadata,
    Outcome, Scope, Task, TaskError,
};
pub use filter::EventFilter;
pub use fold::MessageFold;
pub use history::{History, MemoryHistory, Spoken, WithHistory};
pub use input::Input;
pub use json::{JsonReader, JsonView};
pub use limit::RateLimit;
pub use message::{
    AiMessageChunk, Block, ChunkContent, ExcludedCalls, Fields, Finish, Identified, Keep, Media, Message,
    MessageFilter, Messages, OpenAiForm, OpenAiText, REMOVE_ALL, Role, TokenEstimate, ToolCall, ToolCallChunk,
    Transcript, TranscriptForm, Trim, add_messages, buffer_string, count_messages, count_tokens, count_words,
    filter_messages, join_messages, merge_message_runs, split_lines, to_openai_messages, trim_messages,
};
pub use millstream_macros::tool;
pub use model::{ChatModel, Model, Options, Out, PartSource, Parts, Request, ResponseFormat, ToolSpec};
pub use parse::{
    AnyJson, CallDraft, CallDrafts, Calls, CallsFold, CommaList, MarkdownList, NumberedList, OnText, Partial, Reading,
    Text, TextInside, TextParser, ToolCalls, Typed, Valid, ValidFold, Xml, XmlElement, XmlFold, XmlLeaf,
};
pub use part::{Blank, BlockKind, CallIndex, Chunk, ChunkDecoder, ChunkEncoder, Delta, Note, Part, PartWriter};
pub use payload::Payload;
pub use piece::{Entries, EntriesFold, PayloadFold, Piece};
pub use prompt::{Examples, FileFormat, Placeholder, Prompt, TemplateContent, TemplateFormat, TextPrompt};
pub use retrieve::{Document, PassageSize, Retrieval, Retriever, format_documents, split_documents, split_text};
pub use run::{Blocking, ChunkStream, Events, Run};
pub use runnable::Runnable;
pub use shown::ShownMessages;
pub use streamed::{Chunks, Fold, ListFold, Streamed, TextFold, WholeFold};
pub use tool::{
    Goto, IntoToolOutput, Json, OnFailure, Tool, ToolCommand, ToolFailures, ToolOutput, ToolResult, ToolStep, Tools,
    tool,
};
pub use usage::{Usage, UsageSource, UsageTotals};
pub use vars::Vars;

/// What the macros write in the crates that use them.
#[doc(hidden)]
pub mod written {
    pub use futures_util::future::BoxFuture;
    pub use {schemars, serde};

    pub use crate::schema::of as parameters;
}
