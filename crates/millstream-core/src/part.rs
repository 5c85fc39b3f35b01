//! The grammar of a streamed message: start, blocks of deltas, end. [`PartWriter`] is the only thing that makes parts,
//! so a part out of order cannot exist.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::Metadata;
use crate::message::{Block, Finish, Role};
use crate::usage::Usage;

mod chunk;
mod decoder;
mod encoder;
mod note;
mod writer;

pub use chunk::Chunk;
pub use decoder::ChunkDecoder;
pub use encoder::ChunkEncoder;
pub use note::{Blank, Note};
pub use writer::{CallIndex, PartWriter};
pub(crate) use writer::{OpenMessage, chunk_of};

/// One step of a streamed message.
///
/// `Start (BlockStart | Delta | BlockEnd | Usage | Note)* End`: blocks are numbered from 0 in the order they start, a delta goes to a block
/// that is open, every block that was started ends before the message does. Several tool calls, and several blocks that were given as
/// objects, may be open at once; of plain text and reasoning one block at most is open, and it ends before another block starts. The
/// texts are shared: cloning a part copies no text.
///
/// Only a [`PartWriter`] makes parts. They travel as [`Chunk`]s: the parts that came together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Part {
    /// A message begins.
    #[non_exhaustive]
    Start {
        /// Its id.
        id: Arc<str>,
        /// Who speaks.
        role: Role,
    },
    /// A block begins.
    #[non_exhaustive]
    BlockStart {
        /// Its number in the message.
        index: u32,
        /// What it is.
        block: BlockKind,
    },
    /// A block goes on.
    #[non_exhaustive]
    Delta {
        /// The block's number.
        index: u32,
        /// What is added; a text is never empty.
        delta: Delta,
    },
    /// A block is complete.
    #[non_exhaustive]
    BlockEnd {
        /// The block's number.
        index: u32,
    },
    /// What the answer has cost so far; the last one in a message counts.
    #[non_exhaustive]
    Usage {
        /// The cost.
        usage: Box<Usage>,
    },
    /// Something beside the content.
    #[non_exhaustive]
    Note {
        /// What.
        note: Box<Note>,
    },
    /// The message is over.
    #[non_exhaustive]
    End {
        /// Why.
        finish: Finish,
    },
}

/// What a block is, as far as it is known when it begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockKind {
    /// Text to show.
    Text,
    /// What the model thinks.
    Reasoning,
    /// A tool call; its arguments follow as deltas.
    ToolCall {
        /// The call's id, unique in the message.
        id: Arc<str>,
        /// The tool's name.
        name: Arc<str>,
    },
    /// A block as its provider gave it. Most are whole; deltas add to the others.
    Given {
        /// The block, or its beginning.
        block: Arc<Block>,
    },
}

/// What a delta adds to its block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delta {
    /// Visible text.
    Text(Arc<str>),
    /// Reasoning text.
    Reasoning(Arc<str>),
    /// A piece of a tool call's JSON arguments.
    Arguments(Arc<str>),
    /// Other fields of a block that only LangChain's chunks give, added by the rules of [`Fields::merge`](crate::Fields::merge). Of a tool call:
    /// a `name` or an `id` that comes late.
    Fields(Arc<Metadata>),
}

impl Delta {
    /// The text that is added, whatever it is added to; empty for fields.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Reasoning(text) | Self::Arguments(text) => text,
            Self::Fields(_) => "",
        }
    }
}

impl Part {
    /// The visible text that this part adds.
    pub fn text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Delta { delta: Delta::Text(text), .. } => Some(text),
            _ => None,
        }
    }
}
