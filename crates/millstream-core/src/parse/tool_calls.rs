//! The tool calls of an answer.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt};

use super::once::once;
use super::open_call::{OpenCall, call_of};
use crate::cx::{Cx, Label};
use crate::event::Kind;
use crate::input::Input;
use crate::message::{Block, Message, ToolCall};
use crate::part::{BlockKind, Part};
use crate::runnable::Runnable;
use crate::streamed::Chunks;

/// Takes the tool calls out of an answer: LangChain's `JsonOutputToolsParser`. Streams each call when its arguments are there in full;
/// [`CallDrafts`](crate::CallDrafts) shows them before.
///
/// Calls that a model makes in parallel are kept apart, also where their arguments come mixed, and keep their order: a call waits for the ones
/// before it.
///
/// ```
/// use millstream_core::{Demo, Model, Runnable, ToolCalls, ToolSpec};
///
/// let parameters = serde_json::json!({ "type": "object", "properties": { "city": { "type": "string" } } });
/// let weather = ToolSpec { name: "get_weather".into(), description: "The weather of a city.".into(), parameters };
/// let chain = Model::from(Demo::instant()).with_tools([weather]).pipe(ToolCalls);
/// # futures_util::FutureExt::now_or_never(async {
/// let calls = chain.run("What is the weather in Paris?").await?;
/// assert_eq!((calls[0].name.as_str(), &calls[0].args["city"]), ("get_weather", &"Paris".into()));
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
///
/// # Errors
/// `invalid_output` if the arguments of a call are no JSON object. The calls before it are given all the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToolCalls;

impl Runnable for ToolCalls {
    type Input = Message;
    type Output = Vec<ToolCall>;

    fn label(&self) -> Label {
        Label::new(Kind::Parser, "JsonOutputToolsParser")
    }

    fn transform(&self, input: Input<Message>, cx: Cx) -> Chunks<Vec<ToolCall>> {
        let mut chunks = once(input.chunks(&cx));
        let calls = async_stream::try_stream! {
            let mut waiting = Waiting::default();
            while let Some(chunk) = chunks.try_next().await? {
                for part in &chunk {
                    waiting.take(part);
                    while let Some(block) = waiting.next() {
                        let call = call_of(block)?;
                        yield vec![call];
                    }
                }
            }
        };
        calls.boxed()
    }
}

/// The calls that have not been given yet, by their places in the message.
#[derive(Default)]
struct Waiting(BTreeMap<u32, Call>);

enum Call {
    Open(OpenCall),
    Complete(Block),
}

impl Waiting {
    fn take(&mut self, part: &Part) {
        match part {
            Part::BlockStart { index, block: BlockKind::ToolCall { id, name } } => {
                self.0.insert(*index, Call::Open(OpenCall::new(id, name)));
            }
            Part::BlockStart { index, block: BlockKind::Given { block } } if block.is_call() => {
                self.0.insert(*index, Call::Complete((**block).clone()));
            }
            Part::Delta { index, delta } => {
                if let Some(Call::Open(call)) = self.0.get_mut(index) {
                    call.take(delta);
                }
            }
            Part::BlockEnd { index } => match self.0.remove(index) {
                Some(Call::Open(call)) => drop(self.0.insert(*index, Call::Complete(call.close()))),
                Some(complete) => drop(self.0.insert(*index, complete)),
                None => {}
            },
            _ => {}
        }
    }

    /// The next call, if it is complete.
    fn next(&mut self) -> Option<Block> {
        let next = self.0.first_entry()?;
        if !matches!(next.get(), Call::Complete(_)) {
            return None;
        }
        match next.remove() {
            Call::Complete(block) => Some(block),
            Call::Open(_) => None,
        }
    }
}
