//! The writer of parts, and the two places inside this crate that need one: whole messages, and messages cut short.

use std::sync::Arc;

use super::{BlockKind, Chunk, Delta, Note, Part};
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
/// while let Some(chunk) = writer.take() {
///     fold.push(&chunk)?;
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
    ready: Chunk,
    state: State,
    next_index: u32,
    open: Vec<(u32, Open)>,
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
    Given,
}

/// Which tool call of a message: what [`PartWriter::tool_call`] gives and [`PartWriter::arguments`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallIndex(u32);

impl CallIndex {
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

impl PartWriter {
    /// A writer of one model message.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self::with_role(id, Role::Ai)
    }

    pub(crate) fn with_role(id: impl Into<Arc<str>>, role: Role) -> Self {
        Self { id: id.into(), role, ready: Chunk::default(), state: State::Fresh, next_index: 0, open: Vec::new() }
    }

    /// Starts the message, if nothing has started it yet.
    pub fn start(&mut self) {
        if self.state == State::Fresh {
            self.state = State::Started;
            self.ready.0.push(Part::Start { id: self.id.clone(), role: self.role });
        }
    }

    /// Adds visible text; an empty text adds nothing.
    pub fn text(&mut self, text: &str) {
        if let Some(index) = self.stream_block(text, Open::Text, BlockKind::Text) {
            self.ready.0.push(Part::Delta { index, delta: Delta::Text(text.into()) });
        }
    }

    /// Adds reasoning; an empty text adds nothing.
    pub fn reasoning(&mut self, text: &str) {
        if let Some(index) = self.stream_block(text, Open::Reasoning, BlockKind::Reasoning) {
            self.ready.0.push(Part::Delta { index, delta: Delta::Reasoning(text.into()) });
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
        self.ready.0.push(Part::Delta { index: call.0, delta: Delta::Arguments(json.into()) });
        Ok(())
    }

    /// Ends a tool call before the message ends.
    pub fn end_call(&mut self, call: CallIndex) {
        if let Some(at) = self.open.iter().position(|open| *open == (call.0, Open::ToolCall)) {
            self.open.remove(at);
            self.ready.0.push(Part::BlockEnd { index: call.0 });
        }
    }

    /// Adds a block that came whole.
    pub fn block(&mut self, block: Block) {
        let index = self.given(block);
        self.end_given(index);
    }

    /// Adds what the provider says the answer has cost so far; the last word counts.
    pub fn usage(&mut self, usage: Usage) {
        if self.state != State::Ended {
            self.start();
            self.ready.0.push(Part::Usage { usage: Box::new(usage) });
        }
    }

    /// Adds what is known of the message beside its content, for example the provider's `response_metadata`.
    pub fn note(&mut self, note: Note) {
        if self.state != State::Ended {
            self.start();
            self.ready.0.push(Part::Note { note: Box::new(note) });
        }
    }

    /// Says under which id the message is told from here on.
    pub(super) fn set_id(&mut self, id: &str) {
        if *self.id == *id {
            return;
        }
        self.id = id.into();
        if self.state == State::Started {
            self.note(Note { id: Some(self.id.clone()), ..Note::default() });
        }
    }

    /// Adds visible text between the pieces of blocks that go on behind it.
    pub(super) fn text_between(&mut self, text: &str) {
        if text.is_empty() || self.state == State::Ended {
            return;
        }
        let index = match self.open.last() {
            Some(&(index, Open::Text)) => index,
            _ => {
                self.close_streams();
                let index = self.begin(BlockKind::Text);
                self.open.push((index, Open::Text));
                index
            }
        };
        self.ready.0.push(Part::Delta { index, delta: Delta::Text(text.into()) });
    }

    /// Begins a block that may go on by [`delta`](Self::delta). Its text is told like any other: as a delta.
    pub(super) fn given(&mut self, mut block: Block) -> u32 {
        if self.state == State::Ended {
            return u32::MAX;
        }
        let text = match &mut block {
            Block::Text { text, .. } => Some(Delta::Text(std::mem::take(text).into())),
            Block::Reasoning { text, .. } => Some(Delta::Reasoning(std::mem::take(text).into())),
            _ => None,
        };
        self.close_streams();
        let index = self.begin(BlockKind::Given { block: Arc::new(block) });
        self.open.push((index, Open::Given));
        text.into_iter().for_each(|text| self.delta(index, text));
        index
    }

    /// Adds to a block that is open: to no other, and no empty text.
    pub(super) fn delta(&mut self, index: u32, delta: Delta) {
        let says = matches!(delta, Delta::Fields(_)) || !delta.as_str().is_empty();
        if says && self.open.iter().any(|(open, _)| *open == index) {
            self.ready.0.push(Part::Delta { index, delta });
        }
    }

    /// Ends a block that [`given`](Self::given) began.
    pub(super) fn end_given(&mut self, index: u32) {
        if let Some(at) = self.open.iter().position(|open| *open == (index, Open::Given)) {
            self.open.remove(at);
            self.ready.0.push(Part::BlockEnd { index });
        }
    }

    /// Ends every open block and the message. A message that said nothing is started first.
    pub fn end(&mut self, finish: Finish) {
        if self.state == State::Ended {
            return;
        }
        self.start();
        self.open.sort_by_key(|(index, _)| *index);
        for (index, _) in self.open.drain(..) {
            self.ready.0.push(Part::BlockEnd { index });
        }
        self.state = State::Ended;
        self.ready.0.push(Part::End { finish });
    }

    /// Passes on what another writer of this message has written. Nothing else may be written then.
    pub(crate) fn pass(&mut self, chunk: Chunk) {
        for part in &chunk {
            match part {
                Part::Start { .. } => self.state = State::Started,
                Part::End { .. } => self.state = State::Ended,
                _ => {}
            }
        }
        self.ready.0.extend(chunk.0);
    }

    /// Tells a chunk of an answer again that was given before: under the id of this message, and at no cost.
    pub(crate) fn tell_again(&mut self, chunk: &Chunk) {
        let nothing = || Part::Usage { usage: Box::new(Usage::new(0, 0, UsageSource::Provider)) };
        let mut again = Chunk::default();
        for part in chunk {
            match part {
                Part::Start { role, .. } => {
                    again.0.push(Part::Start { id: self.id.clone(), role: *role });
                    let mut note = Note::default();
                    note.response_metadata.insert("cached", true);
                    again.0.push(Part::Note { note: Box::new(note) });
                    // From the beginning, since it may be stopped anywhere.
                    again.0.push(nothing());
                }
                Part::Usage { .. } => again.0.push(nothing()),
                Part::Note { note } => {
                    again.0.push(Part::Note { note: Box::new(Note { id: None, ..(**note).clone() }) });
                }
                other => again.0.push(other.clone()),
            }
        }
        self.pass(again);
    }

    /// Takes the parts that have been written since the last time, if any, as one chunk.
    pub fn take(&mut self) -> Option<Chunk> {
        self.has_parts().then(|| std::mem::take(&mut self.ready))
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
        self.ready.0.push(Part::BlockStart { index, block });
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
            self.ready.0.push(Part::BlockEnd { index });
        }
    }

    fn close_calls(&mut self) {
        for (index, _) in self.open.drain(..) {
            self.ready.0.push(Part::BlockEnd { index });
        }
    }
}

/// A message that is already whole, as one chunk.
pub(crate) fn chunk_of(message: &Message) -> Chunk {
    let mut writer = PartWriter::with_role(message.id.clone().unwrap_or_default(), message.role);
    let mut before: Option<&Block> = None;
    for block in &message.content {
        // Two texts in a row stay two.
        let again = before.is_some_and(|before| std::mem::discriminant(before) == std::mem::discriminant(block));
        match block {
            Block::Text { text, extra } if extra.is_nothing() && !again => writer.text(text),
            Block::Reasoning { text, extra } if extra.is_nothing() && !again => writer.reasoning(text),
            other => writer.block(other.clone()),
        }
        before = Some(block);
    }
    let note = Note::of(message);
    if note != Note::default() {
        writer.note(note);
    }
    if let Some(usage) = &message.usage {
        writer.usage(usage.clone());
    }
    writer.end(message.finish.unwrap_or(Finish::Stop));
    writer.ready
}

/// Follows one streamed message from outside: to count it, and to close it when its run ends before it does.
#[derive(Debug, Default)]
pub(crate) struct OpenMessage {
    has_begun: bool,
    blocks: Vec<u32>,
    bytes: usize,
    usage: Option<Usage>,
}

impl OpenMessage {
    /// Takes note of a part.
    pub(crate) fn observe(&mut self, part: &Part) {
        match part {
            Part::BlockStart { index, .. } => self.blocks.push(*index),
            Part::BlockEnd { index } => self.blocks.retain(|open| open != index),
            Part::Delta { delta, .. } => self.bytes += delta.as_str().len(),
            Part::Usage { usage } => self.usage = Some((**usage).clone()),
            Part::Start { .. } => self.has_begun = true,
            Part::Note { .. } | Part::End { .. } => {}
        }
    }

    /// Whether somebody who reads along has seen anything of it.
    pub(crate) fn is_seen(&self) -> bool {
        self.bytes > 0
    }

    /// Whether anything was said.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// What the message has cost so far, by its provider's count or by the length of its texts.
    pub(crate) fn usage(&self, input_tokens: u64) -> Usage {
        let estimate = || Usage::new(input_tokens, Usage::estimate(self.bytes), UsageSource::Estimated);
        self.usage.clone().unwrap_or_else(estimate)
    }

    /// What a message has cost that does not come to its end.
    pub(crate) fn partial_usage(&self, input_tokens: u64) -> Usage {
        let mut usage = self.usage(input_tokens);
        usage.source = UsageSource::Partial;
        usage
    }

    /// Takes note of a chunk, and adds an estimate to the last one of a message whose provider does not count.
    pub(crate) fn complete(&mut self, mut chunk: Chunk, input_tokens: u64) -> Chunk {
        chunk.iter().for_each(|part| self.observe(part));
        if self.usage.is_none()
            && let Some(end) = chunk.iter().position(|part| matches!(part, Part::End { .. }))
        {
            let usage = self.usage(input_tokens);
            chunk.0.insert(end, Part::Usage { usage: Box::new(usage) });
        }
        chunk
    }

    /// The parts that end the message early, and what it has cost.
    pub(crate) fn close(&self, finish: Finish, usage: Usage) -> Chunk {
        let ends = self.blocks.iter().map(|index| Part::BlockEnd { index: *index });
        Chunk(ends.chain([Part::Usage { usage: Box::new(usage) }, Part::End { finish }]).collect())
    }
}
