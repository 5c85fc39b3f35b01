//! The log of one run: its events, numbered from 1, written once.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use millstream::{Body, Event, Finished, Message, MessageFold, Part, Payload};
use tokio::sync::watch;
use uuid::Uuid;

use super::rendering::{Rendering, ViewKind};

/// The events of a run, in memory, and their renderings for the protocols that somebody reads.
#[derive(Debug)]
pub(crate) struct RunLog {
    pub(super) run: Uuid,
    entries: Mutex<Entries>,
    /// What readers wait on; its value only says that something has changed.
    changed: watch::Sender<u64>,
    finished: OnceLock<Finished>,
    renderings: [OnceLock<Arc<Rendering>>; ViewKind::COUNT],
}

#[derive(Debug, Default)]
struct Entries {
    events: Vec<Event>,
    bytes: usize,
    answering: bool,
}

impl RunLog {
    pub(crate) fn new(run: Uuid) -> Self {
        Self {
            run,
            entries: Mutex::default(),
            changed: watch::Sender::new(0),
            finished: OnceLock::new(),
            renderings: Default::default(),
        }
    }

    /// Adds an event and wakes the readers. Gives the size of the log in bytes, about.
    pub(crate) fn append(&self, event: Event) -> usize {
        let finished = match &event.body {
            Body::Finished(finished) => Some((**finished).clone()),
            _ => None,
        };
        let (length, bytes) = {
            let mut entries = self.entries();
            match event.body {
                // One number for each thing that is said: a reader may stop and come back between any two.
                Body::Message { chunk } if chunk.len() > 1 => {
                    for chunk in chunk.split() {
                        entries.push(Event::new(event.scope.clone(), Body::Message { chunk }));
                    }
                }
                body => entries.push(Event::new(event.scope, kept(body))),
            }
            (entries.events.len() as u64, entries.bytes)
        };
        // After the event is in the log: a reader that sees the end finds everything before it.
        if let Some(finished) = finished {
            let _ = self.finished.set(finished);
        }
        self.changed.send_replace(length);
        bytes
    }

    /// How the run ended, if it has.
    pub(crate) fn finished(&self) -> Option<&Finished> {
        self.finished.get()
    }

    /// How many events there are.
    pub(crate) fn length(&self) -> u64 {
        self.entries().events.len() as u64
    }

    /// About how many bytes the events and their renderings take.
    pub(crate) fn bytes(&self) -> usize {
        let rendered: usize = self.renderings.iter().filter_map(OnceLock::get).map(|rendering| rendering.bytes()).sum();
        self.entries().bytes + rendered
    }

    /// A receiver that is told of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Comes back when the model has begun to answer, or the run has ended without an answer.
    pub(crate) async fn begun(&self) {
        let mut changes = self.changes();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = changes.wait_for(|_| self.finished.get().is_some() || self.entries().answering).await;
    }

    /// Whether the run ended before it had said anything: then the failure can still be an HTTP status.
    pub(crate) fn failed_silently(&self) -> Option<&Finished> {
        let finished = self.finished()?;
        (finished.error.is_some() && !self.entries().answering).then_some(finished)
    }

    /// The log as `kind` of frames, shared by all its readers; made when the first of them comes.
    pub(crate) fn rendering(&self, kind: ViewKind) -> &Arc<Rendering> {
        self.renderings[kind.index()].get_or_init(|| Arc::new(Rendering::new(kind.view(self.run))))
    }

    /// Shows `see` the events behind number `after`.
    pub(crate) fn replay(&self, after: u64, mut see: impl FnMut(u64, &Event)) {
        let entries = self.entries();
        let first = usize::try_from(after).unwrap_or(usize::MAX).min(entries.events.len());
        for (event, seq) in entries.events[first..].iter().zip(after + 1..) {
            see(seq, event);
        }
    }

    /// What the model has said, whole or as far as it came: the fold of the log.
    pub(crate) fn answer(&self) -> Option<Message> {
        let mut fold: Option<MessageFold> = None;
        self.replay(0, |_, event| {
            if let Body::Message { chunk } = &event.body {
                if matches!(chunk.first(), Some(Part::Start { .. })) {
                    fold = Some(MessageFold::default());
                }
                if let Some(fold) = &mut fold {
                    // The writer of parts makes no part that cannot follow the one before.
                    let _ = fold.push(chunk);
                }
            }
        });
        fold.map(MessageFold::partial)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn push(&mut self, event: Event) {
        self.bytes += size_of::<Event>() + text_length(&event);
        self.answering |=
            matches!(event.body, Body::Message { .. } | Body::MessageReturned { .. } | Body::ToolStarted { .. });
        self.events.push(event);
    }
}

/// What the log keeps of an event. The states of a graph are not what it says, and why one of its tasks failed is not for clients.
fn kept(body: Body) -> Body {
    match body {
        Body::TaskStarted { task, .. } => Body::TaskStarted { task, input: Payload::new(()) },
        Body::TaskFinished { task, mut error, interrupts, .. } => {
            error.iter_mut().for_each(|error| error.message.clear());
            Body::TaskFinished { task, result: Vec::new(), error, interrupts }
        }
        Body::Interrupted { interrupts, .. } => Body::Interrupted { interrupts, state: Payload::new(()) },
        body => body,
    }
}

fn text_length(event: &Event) -> usize {
    match &event.body {
        Body::Message { chunk } => chunk.iter().map(part_length).sum(),
        Body::Custom { value } => value.to_string().len(),
        Body::MessageReturned { message } => message.json().to_string().len(),
        Body::ToolStarted { call } => call.args.to_string().len(),
        Body::ToolFinished { result } => result.text().len(),
        _ => 0,
    }
}

fn part_length(part: &Part) -> usize {
    match part {
        Part::Delta { delta, .. } => delta.as_str().len(),
        _ => size_of::<Part>(),
    }
}
