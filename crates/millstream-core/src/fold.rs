//! From parts to the message they are: linear, and the same for a live stream, a replay and a test.

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::message::{Block, Fields, Message, Role};
use crate::part::{Blank, BlockKind, Delta, Part};

/// Adds parts up to a [`Message`].
///
/// A start before the end of what has started is that of another attempt, in whose place the message then is
/// ([`Fallbacks::restarting`](crate::Fallbacks::restarting)).
///
/// Deltas are appended in place, so that an answer of n bytes costs O(n). What [`MessageFold::finish`] gives is what awaiting the
/// same call gives; a fold without its end is `truncated`, and [`MessageFold::partial`] gives what came before.
#[derive(Clone, Debug, Default)]
pub struct MessageFold {
    message: Option<Message>,
    blocks: Vec<Folding>,
    /// The content began with an empty text, which in LangChain stays one before a list.
    begins_blank: bool,
    /// The content was an empty list somewhere.
    empty_list: bool,
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
    /// `provider_protocol` if fields of LangChain's chunks cannot be added up.
    pub fn push<'a>(&mut self, parts: impl IntoIterator<Item = &'a Part>) -> Result<()> {
        parts.into_iter().try_for_each(|part| self.push_part(part))
    }

    fn push_part(&mut self, part: &Part) -> Result<()> {
        match part {
            // A message that begins again is another attempt: what came before is void.
            Part::Start { id, role } if !self.ended => {
                *self = Self::default();
                let id = (!id.is_empty()).then(|| id.to_string());
                self.message = Some(Message { id, ..Message::new(*role, "") });
            }
            Part::BlockStart { index, block } if self.is_open() && *index as usize == self.blocks.len() => {
                self.blocks.push(match block {
                    BlockKind::Text => Folding::Block(Block::text("")),
                    BlockKind::Reasoning => Folding::Block(Block::reasoning("")),
                    BlockKind::ToolCall { id, name } => {
                        Folding::Call { id: id.to_string(), name: name.to_string(), args: String::new() }
                    }
                    BlockKind::Given { block } => Folding::Block((**block).clone()),
                });
            }
            Part::Delta { index, delta } if self.is_open() => match (self.blocks.get_mut(*index as usize), delta) {
                (Some(Folding::Block(Block::Text { text, .. })), Delta::Text(more))
                | (Some(Folding::Block(Block::Reasoning { text, .. })), Delta::Reasoning(more))
                | (Some(Folding::Call { args: text, .. }), Delta::Arguments(more)) => text.push_str(more),
                (Some(Folding::Block(block)), Delta::Fields(more)) => block.merge(more)?,
                (Some(Folding::Call { id, name, .. }), Delta::Fields(more)) => {
                    for (known, more) in [(id, more.get("id")), (name, more.get("name"))] {
                        known.push_str(more.and_then(Value::as_str).unwrap_or_default());
                    }
                }
                _ => return Err(out_of_order(part)),
            },
            Part::BlockEnd { .. } if self.is_open() => {}
            Part::Usage { usage } if self.is_open() => {
                if let Some(message) = &mut self.message {
                    message.usage = Some((**usage).clone());
                }
            }
            Part::Note { note } if self.is_open() => {
                self.empty_list |= note.blank == Some(Blank::List);
                self.begins_blank |= note.blank == Some(Blank::Text) && self.blocks.is_empty() && !self.empty_list;
                if let Some(message) = &mut self.message {
                    note.add_to(message)?;
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
        let has_given = message.content.iter().any(Block::is_given);
        let begins_with_text = matches!(message.content.first(), Some(Block::Text { extra, .. }) if extra.is_nothing());
        if self.empty_list && !has_given {
            only_text_in_a_list(&mut message);
        }
        if (has_given || self.empty_list) && self.begins_blank && !begins_with_text {
            message.extra.remove("content");
            message.content.insert(0, Block::Text { text: String::new(), extra: Fields::bare() });
        }
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
            Self::Call { id, name, args } => Block::call(id, name, args),
        }
    }
}

/// The content of a message that came as texts and empty lists: a list of one text, or of none.
fn only_text_in_a_list(message: &mut Message) {
    let (texts, others): (Vec<Block>, Vec<Block>) =
        message.content.drain(..).partition(|block| matches!(block, Block::Text { .. }));
    let text: String = texts
        .into_iter()
        .map(|block| match block {
            Block::Text { text, .. } => text,
            _ => String::new(),
        })
        .collect();
    if text.is_empty() {
        message.extra.insert("content", Vec::<Value>::new());
    } else {
        message.content.push(Block::Text { text, extra: Fields::bare() });
    }
    message.content.extend(others);
}

fn out_of_order(part: &Part) -> Error {
    Error::new(ErrorKind::Internal, format!("a part came out of order: {part:?}"))
}
