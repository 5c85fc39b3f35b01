//! Messages of one role that follow each other, made one: the rules of LangChain's `merge_message_runs`.

use super::{AiMessageChunk, ChunkContent, Fields, Message, Role, ToolCallChunk};
use crate::error::{Error, ErrorKind, Result};

/// Makes one message of messages of one role that follow each other. Results of tools stay apart. Between two texts comes `separator`; where one
/// of the contents is a list, so is the sum. The first message's id and metadata are the sum's; a name is not kept, since it may be one of two.
///
/// ```
/// use millstream_core::{Message, merge_message_runs};
///
/// let messages = [Message::human("Hi"), Message::human("Are you there?"), Message::ai("Yes")];
/// assert_eq!(merge_message_runs(&messages, "\n")?, [Message::human("Hi\nAre you there?"), Message::ai("Yes")]);
/// # Ok::<(), millstream_core::Error>(())
/// ```
///
/// # Errors
/// `invalid_input` for two chat messages of different speakers, two results of different functions, and removals that follow each other;
/// `provider_protocol` if fields of two messages cannot be added up.
pub fn merge_message_runs(messages: &[Message], separator: &str) -> Result<Vec<Message>> {
    let runs = messages.chunk_by(|one, next| one.role == next.role && next.role != Role::Tool);
    runs.map(|run| merged(run, separator)).collect()
}

fn merged(run: &[Message], separator: &str) -> Result<Message> {
    let (mut message, rest) = match run {
        [first, rest @ ..] if !rest.is_empty() => (first.clone(), rest),
        _ => return Ok(run[0].clone()),
    };
    let mut sum = piece_of(&message);
    for next in rest {
        one_speaker(&message, next)?;
        add(&mut sum, next, separator)?;
        message.finish = next.finish.or(message.finish);
    }
    let sum = sum.into_message();
    // Of all other fields only the speaker is everybody's.
    let speaker = message.extra.remove("role");
    message.extra = sum.extra;
    speaker.into_iter().for_each(|speaker| message.extra.insert("role", speaker));
    if message.role != Role::Function {
        message.name = None;
    }
    Ok(Message {
        id: sum.id,
        content: sum.content,
        usage: sum.usage,
        response_metadata: sum.response_metadata,
        additional_kwargs: sum.additional_kwargs,
        ..message
    })
}

fn one_speaker(message: &Message, next: &Message) -> Result<()> {
    let several = match message.role {
        Role::Remove => "two removals of messages: each removes another one",
        Role::Chat if message.extra.get("role") != next.extra.get("role") => {
            "chat messages of different speakers: leave one of them out, or give them one role"
        }
        Role::Function if message.name != next.name => "results of different functions",
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::InvalidInput, format!("cannot merge {several}")))
}

fn add(sum: &mut AiMessageChunk, next: &Message, separator: &str) -> Result<()> {
    let mut piece = piece_of(next);
    piece.response_metadata = Fields::default();
    if let (ChunkContent::Text(text), ChunkContent::Text(more)) = (&mut sum.content, &piece.content)
        && !(text.is_empty() || more.is_empty())
    {
        text.push_str(separator);
    }
    if next.role != Role::Ai {
        // Only pieces of an answer choose between two ids.
        piece.id = None;
    }
    sum.add(&piece)
}

/// The message as one piece of an answer.
fn piece_of(message: &Message) -> AiMessageChunk {
    let calls = message.content.iter().filter(|block| block.is_call());
    AiMessageChunk {
        content: message.given(),
        id: message.id.clone(),
        tool_call_chunks: calls.cloned().map(ToolCallChunk::of_block).collect(),
        usage: message.usage.clone(),
        response_metadata: message.response_metadata.clone(),
        additional_kwargs: message.additional_kwargs.clone(),
        ..AiMessageChunk::default()
    }
}
