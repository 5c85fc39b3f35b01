//! From parts to the message they are: linear, and the same for a live stream, a replay and a test.

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::message::{Block, Message, Role, ToolCall};
use crate::part::{BlockKind, Delta, Part};

/// Adds parts up to a [`Message`].
///
/// Deltas are appended in place, so that an answer of n bytes costs O(n). What [`MessageFold::finish`] gives is what awaiting the
/// same call gives; a fold without its end is `truncated`, and [`MessageFold::partial`] gives what came before.
#[derive(Clone, Debug, Default)]
pub struct MessageFold {
    message: Option<Message>,
    blocks: Vec<Folding>,
    ended: bool,
}

#[derive(Clone, Debug)]
enum Folding {
    Block(Block),
    Call { id: String, name: String, args: String },
}

impl MessageFold {
    /// Adds parts: those of a chunk, or any others in order.
    ///
    /// # Errors
    /// `internal` if a part cannot follow what came before; parts made by one [`PartWriter`](crate::PartWriter) always can.
    pub fn push<'a>(&mut self, parts: impl IntoIterator<Item = &'a Part>) -> Result<()> {
        parts.into_iter().try_for_each(|part| self.push_part(part))
    }

    fn push_part(&mut self, part: &Part) -> Result<()> {
        match part {
            Part::Start { id, role } if self.message.is_none() => {
                let id = (!id.is_empty()).then(|| id.to_string());
                self.message = Some(Message { id, ..Message::new(*role, "") });
            }
            Part::BlockStart { index, block } if self.is_open() && *index as usize == self.blocks.len() => {
                self.blocks.push(match block {
                    BlockKind::Text => Folding::Block(Block::Text { text: String::new() }),
                    BlockKind::Reasoning => Folding::Block(Block::Reasoning { text: String::new() }),
                    BlockKind::ToolCall { id, name } => {
                        Folding::Call { id: id.to_string(), name: name.to_string(), args: String::new() }
                    }
                    BlockKind::Whole { block } => Folding::Block((**block).clone()),
                });
            }
            Part::Delta { index, delta } if self.is_open() => match (self.blocks.get_mut(*index as usize), delta) {
                (Some(Folding::Block(Block::Text { text })), Delta::Text(more))
                | (Some(Folding::Block(Block::Reasoning { text })), Delta::Reasoning(more))
                | (Some(Folding::Call { args: text, .. }), Delta::Arguments(more)) => text.push_str(more),
                _ => return Err(out_of_order(part)),
            },
            Part::BlockEnd { .. } if self.is_open() => {}
            Part::Usage { usage } if self.is_open() => {
                if let Some(message) = &mut self.message {
                    message.usage = Some((**usage).clone());
                }
            }
            Part::End { finish } if self.is_open() => {
                self.ended = true;
                if let Some(message) = &mut self.message {
                    message.finish = (message.role == Role::Ai).then_some(*finish);
                }
            }
            _ => return Err(out_of_order(part)),
        }
        Ok(())
    }

    /// The whole message.
    ///
    /// # Errors
    /// `truncated` if the message has not come to its end.
    pub fn finish(self) -> Result<Message> {
        if self.ended {
            return Ok(self.partial());
        }
        Err(Error::new(ErrorKind::Truncated, "the stream of the message ended before the message did"))
    }

    /// What has come so far, as a message; tool calls with incomplete arguments are `InvalidToolCall`s.
    pub fn partial(self) -> Message {
        let mut message = self.message.unwrap_or_else(|| Message::ai(""));
        message.content = self.blocks.into_iter().map(Folding::into_block).collect();
        message
    }

    fn is_open(&self) -> bool {
        self.message.is_some() && !self.ended
    }
}

impl Folding {
    fn into_block(self) -> Block {
        match self {
            Self::Block(block) => block,
            Self::Call { id, name, args } => {
                let text = if args.trim().is_empty() { "{}" } else { &args };
                match serde_json::from_str(text) {
                    Ok(args @ Value::Object(_)) => Block::ToolCall(ToolCall { id, name, args }),
                    Ok(_) => Block::InvalidToolCall {
                        id,
                        name,
                        args,
                        error: "the arguments are not a JSON object".to_owned(),
                    },
                    Err(error) => {
                        let error = format!("the arguments are not valid JSON: {error}");
                        Block::InvalidToolCall { id, name, args, error }
                    }
                }
            }
        }
    }
}

fn out_of_order(part: &Part) -> Error {
    Error::new(ErrorKind::Internal, format!("a part came out of order: {part:?}"))
}
