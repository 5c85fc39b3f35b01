//! The tool calls of an answer while they are being written.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::once::once;
use super::open_call::{OpenCall, call_of};
use crate::cx::{Cx, Label};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Kind;
use crate::input::Input;
use crate::json::{JsonReader, JsonView};
use crate::message::{Block, Message, ToolCall};
use crate::part::{BlockKind, Delta, Part};
use crate::payload::Payload;
use crate::piece::Piece;
use crate::runnable::Runnable;
use crate::streamed::{Chunks, Fold, Streamed};

/// Shows the tool calls of an answer while their arguments are being written, for a form that fills itself in.
/// [`ToolCalls`](crate::ToolCalls) gives each call once, when it is complete.
///
/// Streams a [`CallDraft`] whenever there is more to see of a call, and a last one of each call, in their order, that is
/// [`whole`](CallDraft::whole). Drafts of calls that a model makes in parallel may come mixed.
///
/// ```
/// use futures_util::TryStreamExt;
/// use millstream_core::{CallDrafts, Demo, Model, Runnable, ToolSpec};
///
/// let parameters = serde_json::json!({ "type": "object", "properties": { "city": { "type": "string" } } });
/// let weather = ToolSpec { name: "get_weather".into(), description: "The weather of a city.".into(), parameters };
/// let chain = Model::from(Demo::instant()).with_tools([weather]).pipe(CallDrafts);
/// # futures_util::FutureExt::now_or_never(async {
/// let mut drafts = chain.run("What is the weather in Paris?").stream();
/// while let Some(draft) = drafts.try_next().await? {
///     println!("call {}: {} of {}", draft.number(), draft.name(), draft.args());
/// }
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
///
/// # Errors
/// `invalid_output` if the arguments of a call are no JSON object.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallDrafts;

impl Runnable for CallDrafts {
    type Input = Message;
    type Output = Calls;

    fn label(&self) -> Label {
        Label::new(Kind::Parser, "JsonOutputToolsParser")
    }

    fn transform(&self, input: Input<Message>, cx: Cx) -> Chunks<Calls> {
        let mut chunks = once(input.chunks(&cx));
        let drafts = async_stream::try_stream! {
            let mut writing = Writing::default();
            while let Some(chunk) = chunks.try_next().await? {
                for part in &chunk {
                    if let Some(draft) = writing.take(part) {
                        yield draft;
                    }
                    while let Some(whole) = writing.next() {
                        let whole = whole?;
                        yield whole;
                    }
                }
            }
        };
        drafts.boxed()
    }
}

/// The calls that are being written, by their places in the message.
#[derive(Default)]
struct Writing {
    calls: BTreeMap<u32, Written>,
    begun: usize,
    /// Calls that are complete and wait for the ones before them.
    complete: BTreeMap<usize, Block>,
    given: usize,
}

struct Written {
    number: usize,
    call: OpenCall,
    args: JsonReader,
}

impl Writing {
    /// What there is to see of a call that goes on.
    fn take(&mut self, part: &Part) -> Option<CallDraft> {
        match part {
            Part::BlockStart { index, block: BlockKind::ToolCall { id, name } } => {
                let args = JsonReader::default();
                let written = Written { number: self.begun, call: OpenCall::new(id, name), args };
                self.begun += 1;
                Some(self.calls.entry(*index).insert_entry(written).get().draft())
            }
            Part::BlockStart { block: BlockKind::Given { block }, .. } if block.is_call() => {
                self.complete.insert(self.begun, (**block).clone());
                self.begun += 1;
                None
            }
            Part::Delta { index, delta } => self.calls.get_mut(index)?.take(delta),
            Part::BlockEnd { index } => {
                let written = self.calls.remove(index)?;
                self.complete.insert(written.number, written.call.close());
                None
            }
            _ => None,
        }
    }

    /// The next call, if it is complete.
    fn next(&mut self) -> Option<Result<CallDraft>> {
        let block = self.complete.remove(&self.given)?;
        self.given += 1;
        Some(CallDraft::whole_of(self.given - 1, block))
    }
}

impl Written {
    fn take(&mut self, delta: &Delta) -> Option<CallDraft> {
        self.call.take(delta);
        let shows_more = match delta {
            Delta::Arguments(more) => self.args.push(more),
            _ => true,
        };
        shows_more.then(|| self.draft())
    }

    fn draft(&self) -> CallDraft {
        let args = self.args.view().unwrap_or_else(|| Value::Object(serde_json::Map::new()).into());
        let (id, name) = (self.call.id.as_str().into(), self.call.name.as_str().into());
        CallDraft { number: self.number, id, name, args, whole: None }
    }
}

/// A tool call as far as it has come.
#[derive(Clone, Debug, PartialEq)]
pub struct CallDraft {
    number: usize,
    id: Arc<str>,
    name: Arc<str>,
    args: JsonView,
    whole: Option<Arc<ToolCall>>,
}

impl CallDraft {
    fn whole_of(number: usize, block: Block) -> Result<Self> {
        let call = call_of(block)?;
        let args = JsonView::from(call.args.clone());
        let (id, name) = (call.id.as_str().into(), call.name.as_str().into());
        Ok(Self { number, id, name, args, whole: Some(Arc::new(call)) })
    }

    /// Which call of the answer it is, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The call's id; empty if the provider gave none.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The tool's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arguments as far as they have come.
    pub fn args(&self) -> &Value {
        self.args.value()
    }

    /// The call, once it is complete.
    pub fn whole(&self) -> Option<&ToolCall> {
        self.whole.as_deref()
    }
}

impl Serialize for CallDraft {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut draft = serializer.serialize_struct("CallDraft", 4)?;
        draft.serialize_field("number", &self.number)?;
        draft.serialize_field("id", &*self.id)?;
        draft.serialize_field("name", &*self.name)?;
        draft.serialize_field("args", &self.args)?;
        draft.end()
    }
}

/// The tool calls of an answer, in order: a list of [`ToolCall`]s that comes in drafts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Calls(Vec<ToolCall>);

impl Calls {
    /// The calls as a plain vector.
    pub fn into_vec(self) -> Vec<ToolCall> {
        self.0
    }
}

impl Deref for Calls {
    type Target = [ToolCall];
    fn deref(&self) -> &[ToolCall] {
        &self.0
    }
}

impl Streamed for Calls {
    type Chunk = CallDraft;
    type Fold = CallsFold;

    fn into_chunks(self) -> Vec<CallDraft> {
        let calls = self.0.into_iter().enumerate();
        calls.filter_map(|(number, call)| CallDraft::whole_of(number, Block::ToolCall(call)).ok()).collect()
    }

    /// A call that is complete follows the ones before; a draft is no part of the list yet.
    fn piece(chunk: &CallDraft) -> Piece {
        Piece::Items(Payload::new(chunk.whole().cloned().into_iter().collect::<Vec<_>>()))
    }
}

/// Waits for the drafts that are whole.
#[derive(Debug, Default)]
pub struct CallsFold(BTreeMap<usize, Option<Arc<ToolCall>>>);

impl Fold for CallsFold {
    type Chunk = CallDraft;
    type Whole = Calls;

    fn push(&mut self, chunk: CallDraft) -> Result<()> {
        self.0.insert(chunk.number, chunk.whole);
        Ok(())
    }

    fn finish(self) -> Result<Calls> {
        let calls = self.0.into_values().map(|call| call.map(Arc::unwrap_or_clone)).collect::<Option<_>>();
        calls.map(Calls).ok_or_else(|| Error::new(ErrorKind::Truncated, "the stream ended before a tool call did"))
    }
}
