//! How an execution begins: on what is saved, with an input, with orders, or just by going on.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_core::{Cx, Error, ErrorKind, Interrupt, Metadata, Payload, Result};
use serde_json::Value;
use uuid::Uuid;

use super::{Engine, Settings};
use crate::ahead::{Ahead, Onward, SavedOutput};
use crate::answer::Answer;
use crate::channel::{Dirty, Progress};
use crate::checkpoint::{Checkpoint, CheckpointMetadata, CheckpointSource, Durability, TaskWrite, WriteKind, json};
use crate::graph::Keeping;
use crate::host::{Answers, Ground, Host, Only, Replay};
use crate::past::Past;
use crate::plan::Plan;
use crate::returned::Returned;
use crate::saver::{Place, Saver};
use crate::shape::AnyWrite;
use crate::tell::Tell;

/// The name under which what comes from outside is written.
const OUTSIDE: &str = "__input__";

/// What a run begins with.
#[derive(Clone, Debug)]
pub(crate) enum Begin {
    /// An input, as the update that it is.
    Input(Payload),
    /// Nothing: it goes on where the thread is.
    GoOn,
    /// Orders: it goes on with them.
    Orders(Orders),
}

/// What a run is told from outside: a `Command` as the input of a run, in LangGraph.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders {
    /// The answer to the only question.
    pub(crate) answer: Option<Value>,
    /// Answers by the ids of the questions; there may be none, and the run just goes on.
    pub(crate) answers: Option<HashMap<String, Value>>,
    /// What to write, and where to go.
    pub(crate) also: Answer,
}

/// Where a run goes on.
struct Found {
    checkpoint: Option<Checkpoint>,
    /// Whether the checkpoint was named, and is not just the newest.
    addressed: bool,
    /// Whether it was named, and the thread has gone on since.
    superseded: bool,
    /// Whether it was chosen for a graph inside one that goes on from an old checkpoint.
    replayed: bool,
}

impl Engine {
    /// An execution of the graph of `plan` as `cx`, inside the task `outer` or on its own in `thread`.
    pub(crate) fn new(
        plan: Arc<Plan>,
        keeping: &Keeping,
        cx: Cx,
        outer: Option<&Host>,
        thread: Option<Arc<str>>,
        settings: Settings,
    ) -> Self {
        let namespace: Arc<str> = cx.scope().namespace.join("|").into();
        let (checkpointer, thread) = match (keeping, outer) {
            (Keeping::Nowhere, outer) => (None, outer.and_then(|outer| outer.ground.thread.clone())),
            (_, Some(outer)) => (outer.ground.checkpointer.clone(), outer.ground.thread.clone()),
            (Keeping::In(checkpointer), None) => (Some(checkpointer.clone()), thread),
            (_, None) => (None, thread),
        };
        let place = match (&checkpointer, &thread) {
            (Some(checkpointer), Some(thread)) => {
                Some(Place { checkpointer: checkpointer.clone(), thread: thread.clone(), namespace: namespace.clone() })
            }
            _ => None,
        };
        let limit = outer.map_or(settings.limit, |outer| outer.ground.limit);
        let durability = outer.map_or(settings.durability, |outer| outer.ground.durability);
        let ground = Ground {
            checkpointer,
            thread,
            namespace,
            parents: outer.map(Host::parents).unwrap_or_default(),
            durability,
            limit,
            answers: outer.map(|outer| outer.ground.answers.clone()).unwrap_or_default(),
            replay: outer.and_then(|outer| outer.ground.replay.clone()),
        };
        let run = if place.is_some() { of_the_run(&cx.scope().metadata) } else { Metadata::new() };
        let metadata =
            CheckpointMetadata { source: CheckpointSource::Input, step: -2, parents: ground.parents.clone(), run };
        Self {
            state: plan.shape.initial(),
            nothing: Payload::new(()),
            ahead: Ahead::nothing(&plan),
            dirty: vec![Dirty::Changed; plan.shape.width()],
            base: cx.scope().run_id,
            tell: Tell::new(cx),
            saver: place.map(|place| Saver::new(place, durability, None)),
            is_nested: outer.is_some(),
            keeps_one_state: matches!(keeping, Keeping::One),
            resuming: outer.is_some_and(|outer| outer.resuming),
            plan,
            settings,
            ground: Arc::new(ground),
            unmade: metadata.clone(),
            metadata,
            parent: None,
            progress: Progress { step: 0, stop: 0 },
            past: Past::default(),
            replaying: false,
            returned: Returned::default(),
            is_amid: false,
            unfinished: Vec::new(),
        }
    }

    pub(super) async fn begin(&mut self, begin: Begin) -> Result<()> {
        self.tell.began(&begin).await?;
        let found = self.find().await?;
        if let Some(checkpoint) = &found.checkpoint {
            self.load(checkpoint)?;
            self.past.superseded = found.superseded;
        }
        let limit = i64::try_from(self.ground.limit).unwrap_or(i64::MAX);
        let step = self.metadata.step + 1;
        self.progress = Progress { step, stop: step.saturating_add(limit).saturating_add(1) };
        self.returned.know(&self.tell, &self.state);

        let goes_on = !matches!(begin, Begin::Input(_)) || (self.resuming && !found.replayed && self.is_same_task());
        self.resuming = goes_on && found.checkpoint.is_some();
        let answered = matches!(&begin, Begin::Orders(orders) if orders.answer.is_some() || orders.answers.is_some());
        let nested_goes_on = self.is_nested && self.resuming;
        let travelling = found.addressed && !answered && !nested_goes_on;
        self.replaying = travelling || found.superseded;
        if travelling {
            self.past.forget_answers();
        }
        let made_outside = matches!(self.metadata.source, CheckpointSource::Update | CheckpointSource::Fork);
        let forks = self.resuming && travelling && (!made_outside || found.superseded);
        let answers = match &begin {
            Begin::Orders(orders) => self.obey(orders, forks)?,
            _ => Answers::new(std::mem::take(&mut self.past.answers), None),
        };
        // An answer is for a question that was asked: a run that begins anew has none. Graphs inside have those of the graph around them.
        if self.resuming && !self.is_nested {
            Arc::make_mut(&mut self.ground).answers = Arc::new(answers);
        }
        self.write_from_outside(&begin).await?;
        let replay = travelling && !self.is_nested;
        let before = self.parent.filter(|_| made_outside).unwrap_or(self.base);
        match begin {
            _ if self.resuming => {
                if forks {
                    self.past.forget_tasks();
                    self.checkpoint(CheckpointSource::Fork).await?;
                }
                self.tell.values(&self.state).await?;
            }
            Begin::Input(input) => self.take_input(self.plan.shape.taken(input)).await?,
            Begin::Orders(orders) => self.take_orders(orders).await?,
            Begin::GoOn => return Err(nothing_to_run("there is nothing to run: the thread has no checkpoint yet")),
        }
        if replay {
            Arc::make_mut(&mut self.ground).replay = Some(Arc::new(Replay::new(before)));
        }
        Ok(())
    }

    /// Whether what was found is of the task that runs now. A graph that keeps one state for all its runs also finds what an earlier task left, and
    /// begins with its input on that.
    fn is_same_task(&self) -> bool {
        !self.keeps_one_state || self.metadata.parents == self.ground.parents
    }

    async fn find(&mut self) -> Result<Found> {
        let mut found = Found { checkpoint: None, addressed: false, superseded: false, replayed: false };
        let Some(Saver { place, .. }) = &self.saver else { return Ok(found) };
        let place = place.clone();
        if let Some(id) = self.settings.at {
            found.addressed = true;
            found.checkpoint = place.get(Some(id)).await?;
            if found.checkpoint.is_none() {
                let message = format!("the thread {:?} has no checkpoint {id}", place.thread);
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            let newest = place.get(None).await?.map(|newest| newest.id);
            if let (Some(newest), Some(saver)) = (newest, &mut self.saver) {
                saver.know(newest);
            }
            found.superseded = newest != Some(id);
            return Ok(found);
        }
        let replay = self.ground.replay.as_ref().filter(|_| self.is_nested);
        if let Some(replay) = replay {
            (found.addressed, found.replayed) = (true, true);
            if let Some(before) = replay.begin(&place.namespace) {
                found.checkpoint = place.newest_before(before).await?;
                return Ok(found);
            }
        }
        found.checkpoint = place.get(None).await?;
        Ok(found)
    }

    fn load(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.state = self.plan.shape.load(&checkpoint.values)?;
        self.ahead = Ahead::load(&checkpoint.next, &self.plan)?;
        self.dirty.fill(Dirty::Clean);
        self.base = checkpoint.id;
        self.parent = checkpoint.parent;
        self.metadata = checkpoint.metadata.clone();
        self.past = Past::read(&checkpoint.writes)?;
        if let Some(saver) = &mut self.saver {
            saver.saved = Some(checkpoint.id);
            saver.know(checkpoint.id);
        }
        Ok(())
    }

    /// Checks orders, and keeps them with the checkpoint, unless a new one is made that has them in it. Gives the answers, with those of earlier
    /// runs that have not got past the checkpoint.
    fn obey(&mut self, orders: &Orders, forks: bool) -> Result<Answers> {
        let Orders { answer, answers, also } = orders;
        if also.parent {
            let message = "a run cannot be told to speak to the graph around it: there is none";
            return Err(Error::new(ErrorKind::InvalidInput, message).with_name("InvalidUpdateError"));
        }
        let resumes = answer.is_some() || answers.is_some();
        if !resumes && also.updates.is_empty() && also.goto.is_empty() {
            return Err(nothing_to_run("there is nothing to run: the command is empty"));
        }
        // What cannot be followed must not be kept either.
        Onward::of(&self.plan, also.goto.clone())?;
        let Some(saver) = &mut self.saver else {
            if !resumes {
                return Ok(Answers::default());
            }
            let message =
                "a graph without a checkpointer, or a run without a thread, keeps nothing that an answer could be for";
            return Err(Error::new(ErrorKind::InvalidInput, message).with_name("RuntimeError"));
        };
        let mut kept = std::mem::take(&mut self.past.answers);
        kept.extend(answers.clone().unwrap_or_default());
        let mut by_id = kept.clone();
        let mut only = None;
        if let Some(answer) = answer.clone() {
            let pending: Vec<_> = self.past.pending().collect();
            match pending.as_slice() {
                [] => only = Some(Only { question: None, answer }),
                [(task, asked)] => {
                    by_id.remove(&*asked.id);
                    kept.insert(asked.id.to_string(), answer.clone());
                    only = Some(Only { question: Some((asked.id.clone(), task.to_string())), answer });
                }
                many => return Err(ambiguous(many.iter().map(|(_, asked)| *asked))),
            }
        }
        let mut written = Vec::new();
        if !also.updates.is_empty() || !also.goto.is_empty() {
            // Orders of an earlier run that has not got past the checkpoint stay.
            let mut outside = self.past.outside.clone().unwrap_or_default();
            outside.extend(SavedOutput::from_outside(also, &*self.plan.shape)?);
            written.push((WriteKind::Output, json(&outside)?));
        }
        if !kept.is_empty() {
            written.push((WriteKind::Resume, json(&kept)?));
        }
        if !forks && saver.saved.is_some() {
            for (kind, value) in written {
                saver.hold(TaskWrite { task: Uuid::nil(), kind, value });
            }
            if saver.durability != Durability::Exit {
                saver.flush();
            }
        }
        Ok(Answers::new(by_id, only))
    }

    /// Writes what came from outside, with this run or with an earlier one that has not got past the checkpoint.
    async fn write_from_outside(&mut self, begin: &Begin) -> Result<()> {
        let earlier = self.past.outside.take().map(|outside| outside.load(&self.plan)).transpose()?;
        let now = match begin {
            Begin::Orders(Orders { also, .. }) if self.resuming => {
                Some((also.updates.clone(), Onward::of(&self.plan, also.goto.clone())?))
            }
            _ => None,
        };
        for (updates, onward) in earlier.into_iter().chain(now) {
            let writes: Vec<_> = updates.iter().map(|update| AnyWrite { node: OUTSIDE, update }).collect();
            self.change(|shape, state, dirty| shape.apply(state, &writes, dirty))?;
            self.ahead.go_from_outside(&self.plan, onward);
        }
        Ok(())
    }

    async fn take_input(&mut self, update: Payload) -> Result<()> {
        // What was due after an earlier run is given up.
        let plan = self.plan.clone();
        if !self.ahead.due(&plan).is_empty() {
            self.change(|shape, state, dirty| shape.after_step(state, &[], dirty))?;
            self.ahead.done(&plan);
        }
        self.past = Past::default();
        let update = self.plan.shape.identify(update);
        self.returned.know(&self.tell, &update);
        self.ahead.input = Some(update);
        self.checkpoint(CheckpointSource::Input).await
    }

    /// Orders for a thread that has no checkpoint: what they write is its input.
    async fn take_orders(&mut self, orders: Orders) -> Result<()> {
        let Answer { updates, goto, .. } = orders.also;
        let mut updates = updates.into_iter();
        let first = match updates.next() {
            Some(first) => first,
            None => self.plan.shape.read_update(Value::Object(serde_json::Map::new()))?,
        };
        let onward = Onward::of(&self.plan, goto)?;
        let rest: Vec<Payload> = updates.collect();
        let writes: Vec<_> = rest.iter().map(|update| AnyWrite { node: OUTSIDE, update }).collect();
        self.change(|shape, state, dirty| shape.apply(state, &writes, dirty))?;
        self.take_input(first).await?;
        self.ahead.go_from_outside(&self.plan, onward);
        Ok(())
    }
}

/// What somebody who started a run says of it, of all that is known of an execution.
fn of_the_run(metadata: &Metadata) -> Metadata {
    let own = |key: &str| key == "thread_id" || key.starts_with("langgraph_") || key.starts_with("checkpoint_");
    let plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    let said = metadata.iter().filter(|(key, value)| !own(key) && plain(value));
    said.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn nothing_to_run(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with_name("EmptyInputError")
}

fn ambiguous<'a>(asked: impl ExactSizeIterator<Item = &'a Interrupt>) -> Error {
    let count = asked.len();
    let asked: Vec<String> = asked.map(|asked| format!("{} ({})", asked.id, asked.value)).collect();
    let message =
        format!("{count} questions wait for an answer; say which one is answered, by its id: {}", asked.join(", "));
    Error::new(ErrorKind::InvalidInput, message).with_name("RuntimeError")
}
