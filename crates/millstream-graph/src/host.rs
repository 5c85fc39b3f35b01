//! A task, as everything that runs inside it sees it: who answers its questions, and where graphs inside keep their state.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_core::{Interrupt, Result, TaskHost, ToolCall};
use serde_json::Value;
use uuid::Uuid;

use crate::checkpoint::{Checkpointer, Durability};

/// What the tasks of one execution of a graph have in common.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    /// Where graphs inside keep their state, if anywhere.
    pub(crate) checkpointer: Option<Arc<dyn Checkpointer>>,
    pub(crate) thread: Option<Arc<str>>,
    /// The tasks around this graph, joined by `|`.
    pub(crate) namespace: Arc<str>,
    /// The checkpoints of the graphs around this one.
    pub(crate) parents: BTreeMap<String, Uuid>,
    pub(crate) durability: Durability,
    /// Before how many supersteps each graph of the run has to end.
    pub(crate) limit: u64,
    pub(crate) answers: Arc<Answers>,
    pub(crate) replay: Option<Arc<Replay>>,
}

/// The answers that a run was given.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// By the ids of the questions.
    by_id: HashMap<String, Value>,
    only: Mutex<Option<Only>>,
}

/// An answer that came without the id of a question.
#[derive(Debug)]
pub(crate) struct Only {
    /// The only question that waited, and the task of the outermost graph that asked it; none if nobody is known to wait.
    pub(crate) question: Option<(Arc<str>, String)>,
    pub(crate) answer: Value,
}

impl Answers {
    pub(crate) fn new(by_id: HashMap<String, Value>, only: Option<Only>) -> Self {
        Self { by_id, only: Mutex::new(only) }
    }

    /// The answer that came without an id, if it is for the question `id` of a task.
    fn take(&self, id: &str, host: &Host) -> Option<Value> {
        let mut only = lock(&self.only);
        let is_meant = match &only.as_ref()?.question {
            None => true,
            // What keeps nothing is another task in every run, inside the same task of the outermost graph.
            Some((asked, task)) => **asked == *id || (host.checkpoint.is_none() && host.place().contains(task)),
        };
        if is_meant { only.take().map(|only| only.answer) } else { None }
    }

    /// The step is over that the answer was for: no question of a later one is meant.
    pub(crate) fn expire(&self) {
        lock(&self.only).take();
    }
}

/// A run that goes on from an old checkpoint: graphs inside go on from theirs of that time.
#[derive(Debug)]
pub(crate) struct Replay {
    before: Uuid,
    /// The graphs that have done so; each does it once.
    begun: Mutex<HashSet<String>>,
}

impl Replay {
    pub(crate) fn new(before: Uuid) -> Self {
        Self { before, begun: Mutex::default() }
    }

    /// Before which checkpoint the graph of `namespace` begins, if this is its first time.
    pub(crate) fn begin(&self, namespace: &str) -> Option<Uuid> {
        let stable = namespace.rsplit_once(':').map_or(namespace, |(stable, _)| stable);
        lock(&self.begun).insert(stable.to_owned()).then_some(self.before)
    }
}

/// A task.
pub(crate) struct Host {
    pub(crate) ground: Arc<Ground>,
    node: Arc<str>,
    pub(crate) id: Uuid,
    /// The checkpoint of its graph that it runs after, if there are checkpoints.
    pub(crate) checkpoint: Option<Uuid>,
    /// Whether the run goes on where another has stopped, and graphs inside do so too.
    pub(crate) resuming: bool,
    /// The tool call that it is there for.
    pub(crate) call: Option<ToolCall>,
    talk: Mutex<Talk>,
}

/// Questions and answers of a task.
#[derive(Debug, Default)]
struct Talk {
    /// The answers so far, in the order of the questions.
    answers: Vec<Value>,
    /// How many questions were asked in this execution.
    asked: usize,
    /// How many were answered in this execution.
    answered: usize,
}

impl Host {
    /// A task that was given `answers` earlier.
    pub(crate) fn new(ground: Arc<Ground>, node: Arc<str>, id: Uuid, answers: Vec<Value>) -> Self {
        let talk = Mutex::new(Talk { answers, ..Talk::default() });
        let host = Self { ground, node, id, checkpoint: None, resuming: false, call: None, talk };
        if !host.ground.answers.by_id.is_empty() {
            let mut talk = host.lock();
            let place = host.place();
            if let Some(answer) = host.ground.answers.by_id.get(&*interrupt_id(&place, talk.answers.len())) {
                talk.answers.push(answer.clone());
            }
        }
        host
    }

    /// The task's place among all graphs: the reference's `outer:id|inner:id`.
    pub(crate) fn place(&self) -> String {
        place(&self.ground.namespace, &self.node, self.id)
    }

    /// The checkpoints of the graphs around what runs inside.
    pub(crate) fn parents(&self) -> BTreeMap<String, Uuid> {
        let mut parents = self.ground.parents.clone();
        parents.extend(self.checkpoint.map(|checkpoint| (self.ground.namespace.to_string(), checkpoint)));
        parents
    }

    /// The node runs from its beginning: its first question is the first again.
    pub(crate) fn begin(&self) {
        let mut talk = self.lock();
        (talk.asked, talk.answered) = (0, 0);
    }

    /// The answers that this execution has used, if any.
    pub(crate) fn used(&self) -> Option<Vec<Value>> {
        let talk = self.lock();
        (talk.answered > 0).then(|| talk.answers[..talk.answered.min(talk.answers.len())].to_vec())
    }

    fn lock(&self) -> MutexGuard<'_, Talk> {
        lock(&self.talk)
    }
}

/// A task's place among all graphs.
pub(crate) fn place(namespace: &str, node: &str, task: Uuid) -> String {
    let mut place = String::with_capacity(namespace.len() + node.len() + 38);
    place.push_str(namespace);
    if !place.is_empty() {
        place.push('|');
    }
    place.push_str(node);
    place.push(':');
    place.push_str(task.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    place
}

/// A place without the ids of tasks: the namespace of a graph that keeps one state for all its runs.
pub(crate) fn without_tasks(place: &str) -> String {
    let segments = place.split('|').map(|segment| segment.split_once(':').map_or(segment, |(node, _)| node));
    segments.collect::<Vec<_>>().join("|")
}

impl TaskHost for Host {
    fn ask(&self, question: Value) -> Result<Value> {
        let mut talk = self.lock();
        let number = talk.asked;
        talk.asked += 1;
        if let Some(answer) = talk.answers.get(number).cloned() {
            talk.answered = talk.answered.max(number + 1);
            return Ok(answer);
        }
        let id = interrupt_id(&self.place(), talk.answers.len());
        if let Some(answer) = self.ground.answers.take(&id, self) {
            talk.answers.push(answer.clone());
            talk.answered = talk.answers.len();
            return Ok(answer);
        }
        Err(Interrupt::error(vec![Interrupt { id, value: question }]))
    }
}

/// The id of a task's question, by how many of its questions have answers: the same in every run that comes to it.
fn interrupt_id(place: &str, answered: usize) -> Arc<str> {
    let name = if answered == 0 { place.to_owned() } else { format!("{place}|{answered}") };
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).simple().to_string().into()
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task {}", self.place())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
