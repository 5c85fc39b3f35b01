use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use millstream_core::{
    Block, BlockKind, Body, Chunk, Delta, Error, Event, Events, Finish, Finished, Outcome, Part, Scope,
};

/// Checks that the events of one run follow their grammar.
///
/// - The run's `started` comes first, its `finished` last, each once, both in the run's own scope.
/// - A scope is the same whenever it speaks; its outermost parent is the run. Once runnables announce themselves, nothing speaks
///   whose parents have not.
/// - A runnable starts once, gives chunks only until it finishes, and finishes at most once; all have if the run completed. Nothing speaks
///   inside one that has finished.
/// - A message starts once under an id of its own and ends once; its blocks are numbered from 0, deltas are never empty and go to an open
///   block of their kind, every block ends before the message does, and every message before the run.
/// - A run that completed has no error and no message that was broken off; any other says why. Messages were counted (R17).
/// - Every event survives its JSON.
///
/// ```
/// use millstream_core::{Demo, Model, Runnable};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (events, error) = millstream_testkit::watch(Model::from(Demo::instant()).run("hi").events()).await;
/// assert!(events.len() > 4 && error.is_none());
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Validator {
    last_seq: Option<u64>,
    root: Option<Arc<Scope>>,
    scopes: HashMap<String, Speaker>,
    message_ids: Vec<Arc<str>>,
    announces: bool,
    messages_ended: usize,
    broken_off: bool,
    finished: bool,
    may_give_up: bool,
}

/// An event that breaks the grammar: which rule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Violation {}

type Check = Result<(), Violation>;

#[derive(Debug)]
struct Speaker {
    scope: Arc<Scope>,
    started: bool,
    finished: bool,
    message: Option<OpenMessage>,
}

/// The blocks of a message that has not ended.
#[derive(Debug, Default)]
struct OpenMessage {
    blocks: Vec<OpenBlock>,
}

#[derive(Debug)]
struct OpenBlock {
    stream: Stream,
    open: bool,
    /// Whether nothing else may begin while it is open.
    alone: bool,
}

/// What a block takes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stream {
    Text,
    Reasoning,
    Arguments,
    Nothing,
}

/// Reads the events of a run to their end and checks them. Gives them, and the error that the run ended with.
///
/// # Panics
/// At the first [`Violation`].
pub async fn watch(events: Events) -> (Vec<Event>, Option<Error>) {
    watch_with(Validator::new(), events).await
}

/// [`watch`] with a validator of one's own.
///
/// # Panics
/// At the first [`Violation`].
pub async fn watch_with(mut validator: Validator, mut events: Events) -> (Vec<Event>, Option<Error>) {
    let mut seen = Vec::new();
    let mut failed = None;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                assert!(failed.is_none(), "an event after the error {failed:?}: {event:?}");
                if let Err(violation) = validator.check(&event) {
                    panic!("{violation}, after {seen:#?}");
                }
                seen.push(event);
            }
            Err(error) => assert!(failed.replace(error).is_none(), "two errors end the run"),
        }
    }
    if let Err(violation) = validator.end() {
        panic!("{violation}, after {seen:#?}");
    }
    (seen, failed)
}

impl Validator {
    /// A validator that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same of a run that may complete although something in it was given up: an attempt that another one made good, a step whose output nobody
    /// wanted to its end. What was given up need not finish, and its message is broken off.
    #[must_use]
    pub fn where_things_are_given_up(self) -> Self {
        Self { may_give_up: true, ..self }
    }

    /// Checks the next event.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&mut self, event: &Event) -> Check {
        self.check_body(event).map_err(|violation| Violation { message: format!("{violation}: {event:?}") })
    }

    /// Checks the next event of a log, where numbers have no gap and begin with 1.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check_numbered(&mut self, seq: u64, event: &Event) -> Check {
        let wanted = self.last_seq.map_or(1, |last| last + 1);
        require(seq == wanted, || format!("the number {seq} should be {wanted}: {event:?}"))?;
        self.last_seq = Some(seq);
        self.check(event)
    }

    /// Checks that the events are whole.
    ///
    /// # Errors
    /// If the run's `finished` has not come.
    pub fn end(&self) -> Check {
        require(self.finished, || "the events end without the run's `finished`".to_owned())
    }

    fn check_body(&mut self, event: &Event) -> Check {
        require(!self.finished, || "nothing comes after the run's `finished`".to_owned())?;
        survives_json(event)?;
        self.check_scope(event)?;
        let key = event.scope.run_id.to_string();
        let is_root = self.root.as_ref().is_some_and(|root| root.run_id == event.scope.run_id);
        if let Body::Finished(finished) = &event.body {
            require(is_root, || "`finished` belongs to the run itself".to_owned())?;
            self.finished = true;
            return self.check_finished(finished);
        }
        let around = event.scope.parent_ids.iter().filter_map(|parent| self.scopes.get(&parent.to_string()));
        // What was given up has its message closed when the run ends.
        let is_closed = self.may_give_up && is_broken_off(&event.body);
        require(is_closed || around.into_iter().all(|parent| !parent.finished), || {
            "nothing speaks inside a runnable that has finished".to_owned()
        })?;
        let Some(speaker) = self.scopes.get_mut(&key) else { return Ok(()) };
        match &event.body {
            Body::RunnableStarted { .. } => {
                require(!speaker.started, || "a runnable starts once".to_owned())?;
                speaker.started = true;
                self.announces = true;
            }
            Body::RunnableChunk { .. } | Body::RunnableFinished { .. } => {
                require(speaker.started && !speaker.finished, || {
                    "a runnable speaks between its start and its end".to_owned()
                })?;
                speaker.finished = matches!(event.body, Body::RunnableFinished { .. });
            }
            Body::Message { chunk } => {
                require(!speaker.finished, || "a message comes before the end of its model".to_owned())?;
                self.check_chunk(&key, chunk)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn check_scope(&mut self, event: &Event) -> Check {
        let scope = &event.scope;
        let is_started = matches!(event.body, Body::Started);
        let Some(root) = &self.root else {
            require(is_started, || "the run's `started` comes first".to_owned())?;
            require(scope.parent_ids.is_empty(), || "the run itself has no parents".to_owned())?;
            self.root = Some(scope.clone());
            self.scopes.insert(scope.run_id.to_string(), Speaker::new(scope));
            return Ok(());
        };
        require(!is_started, || "the run starts once".to_owned())?;
        if let Some(known) = self.scopes.get(&scope.run_id.to_string()) {
            return require(known.scope == *scope, || format!("a scope does not change; it was {:?}", known.scope));
        }
        let outermost = scope.parent_ids.first();
        require(outermost == Some(&root.run_id), || "the outermost parent is the run".to_owned())?;
        if self.announces {
            for parent in scope.parent_ids.iter() {
                let known = self.scopes.get(&parent.to_string());
                require(known.is_some_and(|parent| parent.started), || format!("the parent {parent} is not known"))?;
            }
        }
        self.scopes.insert(scope.run_id.to_string(), Speaker::new(scope));
        Ok(())
    }

    fn check_chunk(&mut self, key: &str, chunk: &Chunk) -> Check {
        require(!chunk.is_empty(), || "a chunk has parts".to_owned())?;
        for part in chunk {
            let Some(speaker) = self.scopes.get_mut(key) else { continue };
            if let Part::Start { id, .. } = part {
                require(speaker.message.is_none(), || "a message starts once".to_owned())?;
                require(!id.is_empty(), || "a message has an id".to_owned())?;
                require(!self.message_ids.contains(id), || format!("the message {id} has started before"))?;
                self.message_ids.push(id.clone());
                speaker.message = Some(OpenMessage::default());
                continue;
            }
            let Some(message) = &mut speaker.message else {
                return Err(violation("a part comes between the start and the end of its message"));
            };
            if let Part::End { finish, .. } = part {
                require(message.blocks.iter().all(|block| !block.open), || {
                    "a block ends before its message".to_owned()
                })?;
                speaker.message = None;
                self.messages_ended += 1;
                self.broken_off |= is_early(*finish);
            } else {
                message.check(part)?;
            }
        }
        Ok(())
    }

    fn check_finished(&self, finished: &Finished) -> Check {
        let open = self.scopes.values().find(|speaker| speaker.message.is_some());
        require(open.is_none(), || "a message ends before the run".to_owned())?;
        let completed = finished.outcome == Outcome::Completed;
        require(completed == finished.error.is_none(), || {
            "a run that did not complete, and only that, has an error".to_owned()
        })?;
        let may_give_up = self.may_give_up;
        require(!(completed && self.broken_off && !may_give_up), || {
            "a run whose message was broken off did not complete".to_owned()
        })?;
        let unfinished = self.scopes.values().any(|speaker| {
            let must_finish = !may_give_up || speaker.scope.parent_ids.is_empty();
            speaker.started && !speaker.finished && must_finish
        });
        require(!(completed && unfinished), || "in a run that completed every runnable finishes".to_owned())?;
        require(self.messages_ended == 0 || finished.usage.is_some(), || "a run with messages was counted".to_owned())
    }
}

impl Speaker {
    fn new(scope: &Arc<Scope>) -> Self {
        Self { scope: scope.clone(), started: false, finished: false, message: None }
    }
}

impl OpenMessage {
    fn check(&mut self, part: &Part) -> Check {
        match part {
            Part::BlockStart { index, block, .. } => {
                require(*index as usize == self.blocks.len(), || "blocks are numbered in their order".to_owned())?;
                let (stream, alone) = match block {
                    BlockKind::Text => (Stream::Text, true),
                    BlockKind::Reasoning => (Stream::Reasoning, true),
                    BlockKind::ToolCall { id, name } => {
                        require(!id.is_empty() && !name.is_empty(), || "a tool call has an id and a name".to_owned())?;
                        (Stream::Arguments, false)
                    }
                    BlockKind::Given { block } => match **block {
                        Block::Text { .. } => (Stream::Text, false),
                        Block::Reasoning { .. } => (Stream::Reasoning, false),
                        _ => (Stream::Nothing, false),
                    },
                    _ => (Stream::Nothing, true),
                };
                let open = self.blocks.iter().any(|other| other.open && other.alone);
                require(!open, || "plain text and reasoning end before another block begins".to_owned())?;
                self.blocks.push(OpenBlock { stream, open: true, alone });
            }
            Part::Delta { index, delta, .. } => {
                let (stream, length) = match delta {
                    Delta::Text(text) => (Stream::Text, text.len()),
                    Delta::Reasoning(text) => (Stream::Reasoning, text.len()),
                    Delta::Arguments(text) => (Stream::Arguments, text.len()),
                    _ => return Ok(()),
                };
                require(length > 0, || "a delta is never empty".to_owned())?;
                let goes = self.blocks.get(*index as usize).is_some_and(|block| block.open && block.stream == stream);
                require(goes, || "a delta goes to an open block of its kind".to_owned())?;
            }
            Part::BlockEnd { index, .. } => match self.blocks.get_mut(*index as usize) {
                Some(block) if block.open => block.open = false,
                _ => return Err(violation("only an open block ends")),
            },
            _ => {}
        }
        Ok(())
    }
}

fn is_early(finish: Finish) -> bool {
    matches!(finish, Finish::Cancelled | Finish::Failed | Finish::Truncated)
}

/// Whether it is the end of a message that was broken off.
fn is_broken_off(body: &Body) -> bool {
    let Body::Message { chunk } = body else { return false };
    matches!(chunk.last(), Some(Part::End { finish, .. }) if is_early(*finish))
}

fn survives_json(event: &Event) -> Check {
    let there = serde_json::to_string(event).map_err(|error| violation(&format!("an event has no JSON: {error}")))?;
    let back: Event =
        serde_json::from_str(&there).map_err(|error| violation(&format!("an event cannot be read back: {error}")))?;
    require(back == *event, || format!("an event is another one when it is read back: {back:?}"))
}

fn require(holds: bool, rule: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(violation(&rule())) }
}

fn violation(rule: &str) -> Violation {
    Violation { message: rule.to_owned() }
}
