//! The grammar of a streamed message: start, blocks of deltas, end. [`PartWriter`] is the only thing that makes parts,
//! so a part out of order cannot exist.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::message::{Block, Finish, Role};
use crate::usage::Usage;

mod chunk;
mod writer;

pub use chunk::Chunk;
pub use writer::{CallIndex, PartWriter};
pub(crate) use writer::{OpenMessage, chunk_of};

/// One step of a streamed message.
///
/// `Start (BlockStart | Delta | BlockEnd | Usage)* End`: blocks are numbered from 0 in the order they start, a delta goes to a block that
/// is open, every block that was started ends before the message does. Several tool calls may be open at once; text and
/// reasoning are never interleaved with anything. The texts are shared: cloning a part copies no text.
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
        /// What is added; never empty.
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
    /// A block that came whole; it has no deltas.
    Whole {
        /// The block.
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
}

impl Delta {
    /// The text that is added, whatever it is added to.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Reasoning(text) | Self::Arguments(text) => text,
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
