//! What the tests of this crate share.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part, and a test may fail this way")]

pub(crate) mod provider;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use millstream_core::{Block, Cx, Error, Message, MessageFold, Part, Parts};
use millstream_models::OpenAi;
use serde_json::{Value, json};

/// Everything that an answer gave, and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) parts: Vec<Part>,
    pub(crate) end: Result<Message, Error>,
}

impl Outcome {
    pub(crate) fn message(&self) -> &Message {
        self.end.as_ref().unwrap_or_else(|error| panic!("{error:?}"))
    }

    pub(crate) fn error(&self) -> &Error {
        self.end.as_ref().err().unwrap_or_else(|| panic!("no error, but {:?}", self.end))
    }

    pub(crate) fn code(&self) -> &str {
        self.end.as_ref().map_or_else(Error::code, |_| "complete")
    }

    /// What came before the end, whatever it was.
    pub(crate) fn partial(&self) -> Message {
        folded(&self.parts).partial()
    }
}

pub(crate) fn folded(parts: &[Part]) -> MessageFold {
    let mut fold = MessageFold::default();
    fold.push(parts).unwrap();
    fold
}

pub(crate) async fn collect(mut answer: Parts) -> Outcome {
    let mut parts = Vec::new();
    let mut failed = None;
    while let Some(chunk) = answer.next().await {
        match chunk {
            Ok(chunk) if failed.is_none() => parts.extend(chunk.iter().cloned()),
            Ok(chunk) => panic!("{chunk:?} after {failed:?}"),
            Err(error) => assert!(failed.replace(error).is_none(), "two errors"),
        }
    }
    let end = failed.map_or_else(|| folded(&parts).finish(), Err);
    Outcome { parts, end }
}

/// Replays pieces of a body without a runtime: nothing in it waits.
pub(crate) fn replay(pieces: impl IntoIterator<Item = std::io::Result<Bytes>>) -> Outcome {
    replay_stream(stream::iter(pieces.into_iter().collect::<Vec<_>>()))
}

fn replay_stream(bytes: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Outcome {
    let answer = OpenAi::replay(&Cx::detached(), bytes);
    futures_util::FutureExt::now_or_never(collect(answer)).expect("a recording never waits")
}

/// A message's content in the form of the recordings' expectations. Ids that were made up are `null`.
pub(crate) fn shown(message: &Message) -> Value {
    let blocks = message.content.iter().map(|block| match block {
        Block::Text { text, .. } => json!({"text": text}),
        Block::Reasoning { text, .. } => json!({"reasoning": text}),
        Block::ToolCall(call) => {
            let id = Some(&call.id).filter(|id| !is_made_up(id));
            json!({"tool_call": {"id": id, "name": call.name, "args": call.args}})
        }
        Block::InvalidToolCall { id, name, args, .. } => {
            let id = Some(id).filter(|id| !is_made_up(id));
            json!({"invalid_tool_call": {"id": id, "name": name, "args": args}})
        }
        other => panic!("{other:?}"),
    });
    Value::Array(blocks.collect())
}

/// `call_<uuid>_<number>`
pub(crate) fn is_made_up(id: &str) -> bool {
    id.strip_prefix("call_").and_then(|rest| rest.split_once('_')).is_some_and(|(run, _)| run.len() == 32)
}
