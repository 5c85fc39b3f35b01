//! The writer of parts, and the two places inside this crate that need one: whole messages, and messages cut short.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{BlockKind, Delta, Part};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Block, Finish, Message, Role};
use crate::usage::{Usage, UsageSource};

/// Turns what a provider says into [`Part`]s, in an order that is right by construction.
///
/// The message starts with the first thing written; text after reasoning closes the reasoning block, and so on.
/// Nothing can be written after [`PartWriter::end`]: it is ignored, since a provider that talks on after its own end mark says
/// nothing that belongs to the message.
///
/// ```
/// use millstream_core::{Finish, MessageFold, PartWriter};
///
/// let mut writer = PartWriter::new("m1");
/// writer.text("Hel");
/// writer.text("lo");
/// let call = writer.tool_call("call_1", "get_weather");
/// writer.arguments(call, r#"{"city":"#)?;
/// writer.arguments(call, r#""Paris"}"#)?;
/// writer.end(Finish::ToolCalls);
///
/// let mut fold = MessageFold::default();
/// while let Some(part) = writer.pop() {
///     fold.push(&part)?;
/// }
/// let message = fold.finish()?;
/// assert_eq!(message.text(), "Hello");
/// assert_eq!(message.tool_calls().next().unwrap().args["city"], "Paris");
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Debug)]
pub struct PartWriter {
    id: Arc<str>,
    role: Role,
    ready: VecDeque<Part>,
    state: State,
    next_index: u32,
    open: Vec<(u32, Open)>,
    usage: Option<Usage>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Fresh,
    Started,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Open {
    Text,
    Reasoning,
    ToolCall,
}

/// Which tool call of a message: what [`PartWriter::tool_call`] gives and [`PartWriter::arguments`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallIndex(u32);

impl PartWriter {
    /// A writer of one model message.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self::with_role(id, Role::Ai)
    }

    pub(crate) fn with_role(id: impl Into<Arc<str>>, role: Role) -> Self {
        Self {
            id: id.into(),
            role,
            ready: VecDeque::new(),
            state: State::Fresh,
            next_index: 0,
            open: Vec::new(),
            usage: None,
        }
    }

    /// Starts the message, if nothing has started it yet.
    pub fn start(&mut self) {
        if self.state == State::Fresh {
            self.state = State::Started;
            self.ready.push_back(Part::Start { id: self.id.clone(), role: self.role });
        }
    }

    /// Adds visible text; an empty text adds nothing.
    pub fn text(&mut self, text: &str) {
        if let Some(index) = self.stream_block(text, Open::Text, BlockKind::Text) {
            self.ready.push_back(Part::Delta { index, delta: Delta::Text(text.into()) });
        }
    }

    /// Adds reasoning; an empty text adds nothing.
    pub fn reasoning(&mut self, text: &str) {
        if let Some(index) = self.stream_block(text, Open::Reasoning, BlockKind::Reasoning) {
            self.ready.push_back(Part::Delta { index, delta: Delta::Reasoning(text.into()) });
        }
    }

    /// Begins a tool call. Text and reasoning end here; other calls stay open, since providers may interleave them.
    pub fn tool_call(&mut self, id: &str, name: &str) -> CallIndex {
        if self.state == State::Ended {
            return CallIndex(u32::MAX);
        }
        self.close_streams();
        let index = self.begin(BlockKind::ToolCall { id: id.into(), name: name.into() });
        self.open.push((index, Open::ToolCall));
        CallIndex(index)
    }

    /// Adds a piece of the JSON arguments of `call`.
    ///
    /// # Errors
    /// `provider_protocol` if the call has already ended.
    pub fn arguments(&mut self, call: CallIndex, json: &str) -> Result<()> {
        if json.is_empty() || self.state == State::Ended {
            return Ok(());
        }
        if !self.open.contains(&(call.0, Open::ToolCall)) {
            return Err(Error::new(
                ErrorKind::ProviderProtocol,
                "arguments came for a tool call that had already ended",
            ));
        }
        self.ready.push_back(Part::Delta { index: call.0, delta: Delta::Arguments(json.into()) });
        Ok(())
    }

    /// Ends a tool call before the message ends.
    pub fn end_call(&mut self, call: CallIndex) {
        if let Some(at) = self.open.iter().position(|open| *open == (call.0, Open::ToolCall)) {
            self.open.remove(at);
            self.ready.push_back(Part::BlockEnd { index: call.0 });
        }
    }

    /// Adds a block that came whole.
    pub fn block(&mut self, block: Block) {
        if self.state != State::Ended {
            self.close_streams();
            let index = self.begin(BlockKind::Whole { block: Arc::new(block) });
            self.ready.push_back(Part::BlockEnd { index });
        }
    }

    /// Notes what the provider says the answer cost; the last word counts.
    pub fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// Ends every open block and the message. A message that said nothing is started first.
    pub fn end(&mut self, finish: Finish) {
        if self.state == State::Ended {
            return;
        }
        self.start();
        self.open.sort_by_key(|(index, _)| *index);
        for (index, _) in self.open.drain(..) {
            self.ready.push_back(Part::BlockEnd { index });
        }
        self.state = State::Ended;
        self.ready.push_back(Part::End { finish, usage: self.usage.take().map(Box::new) });
    }

    /// Takes the next part that is ready, if any.
    pub fn pop(&mut self) -> Option<Part> {
        self.ready.pop_front()
    }

    /// Whether a part is ready.
    pub fn has_parts(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether the message has ended.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn begin(&mut self, block: BlockKind) -> u32 {
        self.start();
        let index = self.next_index;
        self.next_index += 1;
        self.ready.push_back(Part::BlockStart { index, block });
        index
    }

    fn stream_block(&mut self, text: &str, open: Open, kind: BlockKind) -> Option<u32> {
        if text.is_empty() || self.state == State::Ended {
            return None;
        }
        if let Some(&(index, last)) = self.open.last()
            && last == open
        {
            return Some(index);
        }
        self.close_streams();
        self.close_calls();
        let index = self.begin(kind);
        self.open.push((index, open));
        Some(index)
    }

    /// Ends the text or reasoning block that is open: at most one is, and it is the last.
    fn close_streams(&mut self) {
        if let Some(&(index, Open::Text | Open::Reasoning)) = self.open.last() {
            self.open.pop();
            self.ready.push_back(Part::BlockEnd { index });
        }
    }

    fn close_calls(&mut self) {
        for (index, _) in self.open.drain(..) {
            self.ready.push_back(Part::BlockEnd { index });
        }
    }
}

/// The parts of a message that is already whole.
pub(crate) fn parts_of(message: &Message) -> Vec<Part> {
    let mut writer = PartWriter::with_role(message.id.clone().unwrap_or_default(), message.role);
    for block in &message.content {
        match block {
            Block::Text { text } => writer.text(text),
            Block::Reasoning { text } => writer.reasoning(text),
            other => writer.block(other.clone()),
        }
    }
    writer.usage = message.usage.clone();
    writer.end(message.finish.unwrap_or(Finish::Stop));
    writer.ready.into()
}

/// Follows one streamed message from outside, to close it when its run ends before it does.
#[derive(Debug, Default)]
pub(crate) struct OpenMessage {
    blocks: Vec<u32>,
    bytes: usize,
}

impl OpenMessage {
    /// Takes note of a part.
    pub(crate) fn observe(&mut self, part: &Part) {
        match part {
            Part::BlockStart { index, .. } => self.blocks.push(*index),
            Part::BlockEnd { index } => self.blocks.retain(|open| open != index),
            Part::Delta { delta, .. } => self.bytes += delta.as_str().len(),
            Part::Start { .. } | Part::End { .. } => {}
        }
    }

    /// What the message has cost so far, by the length of its texts.
    pub(crate) fn usage(&self, input_tokens: u64, source: UsageSource) -> Usage {
        Usage::new(input_tokens, Usage::estimate(self.bytes), source)
    }

    /// The parts that end the message early.
    pub(crate) fn close(self, finish: Finish) -> Vec<Part> {
        let usage = self.usage(0, UsageSource::Partial);
        let ends = self.blocks.into_iter().map(|index| Part::BlockEnd { index });
        ends.chain([Part::End { finish, usage: Some(Box::new(usage)) }]).collect()
    }
}
