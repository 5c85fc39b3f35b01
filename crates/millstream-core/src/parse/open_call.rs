//! A tool call whose arguments are still coming.

use super::{excerpt, unfit};
use crate::error::Result;
use crate::message::{Block, ToolCall};
use crate::part::Delta;

#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) id: String,
    pub(super) name: String,
    args: String,
}

impl OpenCall {
    pub(super) fn new(id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), args: String::new() }
    }

    /// Takes what is added to the call.
    pub(super) fn take(&mut self, delta: &Delta) {
        match delta {
            Delta::Arguments(more) => self.args.push_str(more),
            Delta::Fields(more) => {
                for (known, field) in [(&mut self.id, "id"), (&mut self.name, "name")] {
                    known.push_str(more.get(field).and_then(|more| more.as_str()).unwrap_or_default());
                }
            }
            Delta::Text(_) | Delta::Reasoning(_) => {}
        }
    }

    /// The call, now that all of it is there.
    pub(super) fn close(self) -> Block {
        Block::call(self.id, self.name, self.args)
    }
}

/// The call that a block is.
///
/// # Errors
/// `invalid_output` if its arguments are no JSON object.
pub(super) fn call_of(block: Block) -> Result<ToolCall> {
    match block {
        Block::ToolCall(call) => Ok(call),
        Block::InvalidToolCall { name, args, error, .. } => {
            let args = excerpt(&args);
            Err(unfit(format!(
                "the model's call of the tool {name:?} cannot be read: {error}; its arguments are {args:?}"
            )))
        }
        _ => Err(unfit("a block of the answer is no tool call")),
    }
}
