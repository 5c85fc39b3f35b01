//! One field of a state: how it takes writes, and how it is saved.

use std::any::TypeId;
use std::sync::Arc;

use millstream_core::{Error, ErrorKind, Identified, Message, Result, add_messages};
use serde::Serialize;

use crate::checkpoint::Change;
use crate::reduce::append;
use crate::state::{State, Write};

/// An update and the node that made it.
#[derive(Debug)]
pub struct Written<'a, S: State> {
    /// The node.
    pub node: &'a str,
    /// What it wrote.
    pub update: &'a S::Update,
}

impl<S: State> Clone for Written<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: State> Copy for Written<'_, S> {}

/// What happened to a channel since its last checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dirty {
    /// Nothing.
    #[default]
    Clean,
    /// A list has new elements behind the first so many, which are as they were.
    Grown(usize),
    /// It has another value.
    Changed,
}

impl Dirty {
    /// Both, one after the other.
    pub(crate) fn and(self, then: Self) -> Self {
        match (self, then) {
            (Self::Clean, only) | (only, Self::Clean) => only,
            (Self::Grown(first), Self::Grown(_)) => Self::Grown(first),
            _ => Self::Changed,
        }
    }
}

type Apply<S> = Arc<dyn Fn(&mut S, &[Written<'_, S>]) -> Result<Dirty> + std::marker::Send + Sync>;
type IsWritten<S> = Arc<dyn Fn(&<S as State>::Update) -> bool + std::marker::Send + Sync>;
type Clear<S> = Arc<dyn Fn(&mut S) -> Dirty + std::marker::Send + Sync>;
type Manage<S> = Arc<dyn Fn(&mut S, Progress) + std::marker::Send + Sync>;
type Save<S> = Arc<dyn Fn(&S, Dirty) -> Result<Change> + std::marker::Send + Sync>;
type Identify<S> = Arc<dyn Fn(&mut <S as State>::Update) + std::marker::Send + Sync>;
type Pass<S> = Arc<dyn Fn(&mut <S as State>::Update, &mut <S as State>::Update) + std::marker::Send + Sync>;
type Reset<S> = Arc<dyn Fn(&mut S, &S) + std::marker::Send + Sync>;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The superstep that runs.
    pub(crate) step: i64,
    /// The superstep that the run does not reach.
    pub(crate) stop: i64,
}

impl Progress {
    /// How many steps the run may still begin, this one included.
    pub(crate) fn remaining(self) -> u64 {
        u64::try_from(self.stop - self.step).unwrap_or(0)
    }

    /// Whether the run may begin no step after this one.
    pub(crate) fn is_last(self) -> bool {
        self.remaining() == 1
    }
}

/// A channel: the name of a field, and functions that write, clear and save it.
pub struct Channel<S: State> {
    name: Arc<str>,
    apply: Apply<S>,
    is_written: IsWritten<S>,
    /// Passes what one update writes on to another.
    pass: Pass<S>,
    /// Makes the value what it is in a state to which nothing was written.
    reset: Reset<S>,
    /// None for a value that is not saved.
    save: Option<Save<S>>,
    /// For a channel that keeps its value for one step only.
    clear: Option<Clear<S>>,
    /// For a value that the engine sets, for the nodes of a step alone.
    manage: Option<Manage<S>>,
    /// Gives ids to what a node wrote without.
    identify: Option<Identify<S>>,
}

impl<S: State> Clone for Channel<S> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            apply: self.apply.clone(),
            is_written: self.is_written.clone(),
            pass: self.pass.clone(),
            reset: self.reset.clone(),
            save: self.save.clone(),
            clear: self.clear.clone(),
            manage: self.manage.clone(),
            identify: self.identify.clone(),
        }
    }
}

type Field<S, T> = fn(&mut S) -> &mut T;
type Seen<S, T> = fn(&S) -> &T;
type Writes<S, T> = fn(&<S as State>::Update) -> Option<&Write<T>>;

/// A field of a struct: how to get at it in the state and in an update. Made by `#[derive(State)]`.
pub struct Access<S: State, T> {
    /// Its name.
    pub name: &'static str,
    /// The field, to be written.
    pub field: Field<S, T>,
    /// The field, to be read.
    pub seen: Seen<S, T>,
    /// What an update writes to it.
    pub written: Writes<S, T>,
    /// The same, to be changed.
    pub to_write: fn(&mut S::Update) -> &mut Option<Write<T>>,
}

impl<S: State, T> Clone for Access<S, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: State, T> Copy for Access<S, T> {}

impl<S: State> Channel<S> {
    /// A channel from its functions; the constructors below cover what most states need.
    pub(crate) fn from_functions(
        name: impl Into<Arc<str>>,
        apply: impl Fn(&mut S, &[Written<'_, S>]) -> Result<Dirty> + std::marker::Send + Sync + 'static,
        is_written: impl Fn(&S::Update) -> bool + std::marker::Send + Sync + 'static,
        pass: impl Fn(&mut S::Update, &mut S::Update) + std::marker::Send + Sync + 'static,
        reset: impl Fn(&mut S, &S) + std::marker::Send + Sync + 'static,
        save: impl Fn(&S, Dirty) -> Result<Change> + std::marker::Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            apply: Arc::new(apply),
            is_written: Arc::new(is_written),
            pass: Arc::new(pass),
            reset: Arc::new(reset),
            save: Some(Arc::new(save)),
            clear: None,
            manage: None,
            identify: None,
        }
    }

    /// A channel of a field of a struct.
    fn of_field<T: Clone + 'static>(
        access: Access<S, T>,
        apply: impl Fn(&mut S, &[Written<'_, S>]) -> Result<Dirty> + std::marker::Send + Sync + 'static,
        save: impl Fn(&S, Dirty) -> Result<Change> + std::marker::Send + Sync + 'static,
    ) -> Self {
        let Access { name, field, seen, written, to_write } = access;
        let pass = move |from: &mut S::Update, to: &mut S::Update| *to_write(to) = to_write(from).take();
        let reset = move |state: &mut S, initial: &S| field(state).clone_from(seen(initial));
        Self::from_functions(name, apply, move |update| written(update).is_some(), pass, reset, save)
    }

    /// A channel that keeps the last value. Two nodes may not write it in one step: which of them was last would be chance.
    pub fn last<T: Clone + Serialize + 'static>(access: Access<S, T>) -> Self {
        let Access { name, field, seen, written, .. } = access;
        let apply = move |state: &mut S, writes: &[Written<'_, S>]| {
            let [one] = writes else { return Err(concurrent(name, writes)) };
            if let Some(Write::Join(value) | Write::Replace(value)) = written(one.update) {
                field(state).clone_from(value);
            }
            Ok(Dirty::Changed)
        };
        Self::of_field(access, apply, move |state, _| Change::whole(seen(state)))
    }

    /// A channel that keeps any of the values that are written in a step, which are meant to be equal.
    pub fn any<T: Clone + Serialize + 'static>(access: Access<S, T>) -> Self {
        let Access { field, seen, written, .. } = access;
        let apply = move |state: &mut S, writes: &[Written<'_, S>]| {
            let last = writes.iter().rev().find_map(|write| written(write.update));
            if let Some(Write::Join(value) | Write::Replace(value)) = last {
                field(state).clone_from(value);
            }
            Ok(Dirty::Changed)
        };
        Self::of_field(access, apply, move |state, _| Change::whole(seen(state)))
    }

    /// A channel in which `reduce` joins each write with the value that is there, in the order of the nodes' names.
    pub fn reduced<T: Clone + Serialize + 'static>(
        access: Access<S, T>,
        reduce: impl Fn(&mut T, T) + std::marker::Send + Sync + 'static,
    ) -> Self {
        let Access { name, field, seen, written, .. } = access;
        let apply = move |state: &mut S, writes: &[Written<'_, S>]| {
            join(name, field(state), writes, written, &reduce)?;
            Ok(Dirty::Changed)
        };
        Self::of_field(access, apply, move |state, _| Change::whole(seen(state)))
    }

    /// [`reduced`](Self::reduced) for a list. What [`append`] and [`add_messages`] put behind it is saved alone, not the list again (R37).
    pub fn list<T, F>(access: Access<S, Vec<T>>, reduce: F) -> Self
    where
        T: Clone + Serialize + 'static,
        F: Fn(&mut Vec<T>, Vec<T>) + Copy + std::marker::Send + Sync + 'static,
    {
        let Access { name, field, seen, written, to_write } = access;
        let appends = TypeId::of::<F>() == type_of(append::<T>);
        let adds_messages = TypeId::of::<F>() == type_of(add_messages);
        let apply = move |state: &mut S, writes: &[Written<'_, S>]| {
            let list = field(state);
            let before = list.len();
            let sizes = writes.iter().filter_map(|write| written(write.update)).map(|write| match write {
                Write::Join(values) => Some(values.len()),
                Write::Replace(_) => None,
            });
            let added: Option<usize> = sizes.sum();
            join(name, list, writes, written, &reduce)?;
            // Messages were only added if the list grew by all of them: one that replaces or removes another makes it shorter than that.
            let only_grown = appends || (adds_messages && added.is_some_and(|added| list.len() == before + added));
            Ok(if only_grown && added.is_some() { Dirty::Grown(before) } else { Dirty::Changed })
        };
        let save = move |state: &S, dirty| Change::list(seen(state), dirty);
        let channel = Self::of_field(access, apply, save);
        if !adds_messages {
            return channel;
        }
        channel.identified_by(move |update| {
            if let Some(Write::Join(values) | Write::Replace(values)) = to_write(update) {
                for message in (values as &mut dyn std::any::Any).downcast_mut::<Vec<Message>>().into_iter().flatten() {
                    give_id(message);
                }
            }
        })
    }

    /// A value that no node writes: the engine sets it to how many steps the run may still begin.
    pub fn remaining_steps<T: TryFrom<u64> + 'static>(access: Access<S, T>) -> Self {
        let Access { name, field, .. } = access;
        Self::managed(name, move |state: &mut S, progress| {
            if let Ok(steps) = T::try_from(progress.remaining()) {
                *field(state) = steps;
            }
        })
    }

    /// A value that no node writes: the engine sets whether the run may begin no step after this one.
    pub fn is_last_step(access: Access<S, bool>) -> Self {
        let Access { name, field, .. } = access;
        Self::managed(name, move |state: &mut S, progress| *field(state) = progress.is_last())
    }

    /// The channel, whose value is there for the one step after it was written, and then again what it is by default.
    #[must_use]
    pub fn ephemeral<T: Default + 'static>(self, access: Access<S, T>) -> Self {
        self.cleared_by(move |state| {
            *(access.field)(state) = T::default();
            Dirty::Changed
        })
    }

    /// The channel, whose value is in no checkpoint.
    #[must_use]
    pub fn untracked(self) -> Self {
        Self { save: None, ..self }
    }

    #[must_use]
    pub(crate) fn cleared_by(mut self, clear: impl Fn(&mut S) -> Dirty + std::marker::Send + Sync + 'static) -> Self {
        self.clear = Some(Arc::new(clear));
        self
    }

    #[must_use]
    pub(crate) fn identified_by(
        mut self,
        identify: impl Fn(&mut S::Update) + std::marker::Send + Sync + 'static,
    ) -> Self {
        self.identify = Some(Arc::new(identify));
        self
    }

    /// A value that no node writes: the engine sets it for the nodes of each step.
    pub(crate) fn managed(
        name: impl Into<Arc<str>>,
        manage: impl Fn(&mut S, Progress) + std::marker::Send + Sync + 'static,
    ) -> Self {
        let apply = |_: &mut S, _: &[Written<'_, S>]| Ok(Dirty::Clean);
        let channel = Self::from_functions(name, apply, |_| false, |_, _| {}, |_, _| {}, |_, _| Ok(Change::Gone));
        Self { manage: Some(Arc::new(manage)), save: None, ..channel }
    }

    /// The name of the field.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_in(&self, names: &[Arc<str>]) -> bool {
        names.contains(&self.name)
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    pub(crate) fn is_written(&self, update: &S::Update) -> bool {
        (self.is_written)(update)
    }

    /// Passes what `from` writes on to `to`.
    pub(crate) fn pass(&self, from: &mut S::Update, to: &mut S::Update) {
        (self.pass)(from, to);
    }

    /// Makes the value in `state` what it is in `initial`, to which nothing was written; none if it may have none.
    pub(crate) fn reset(&self, state: &mut S, initial: &S) {
        (self.reset)(state, initial);
    }

    pub(crate) fn apply(&self, state: &mut S, writes: &[Written<'_, S>]) -> Result<Dirty> {
        (self.apply)(state, writes)
    }

    pub(crate) fn save(&self, state: &S, dirty: Dirty) -> Option<Result<Change>> {
        self.save.as_ref().map(|save| save(state, dirty))
    }

    pub(crate) fn is_saved(&self) -> bool {
        self.save.is_some()
    }

    pub(crate) fn manage(&self) -> Option<&Manage<S>> {
        self.manage.as_ref()
    }

    pub(crate) fn clear(&self) -> Option<&Clear<S>> {
        self.clear.as_ref()
    }

    pub(crate) fn identify(&self) -> Option<&Identify<S>> {
        self.identify.as_ref()
    }
}

/// Joins the writes of a step with what is there. What others write in the step in which one takes the place of everything would be lost in
/// any order but one, so it is lost in all.
fn join<S: State, T: Clone>(
    name: &str,
    value: &mut T,
    writes: &[Written<'_, S>],
    written: Writes<S, T>,
    reduce: &impl Fn(&mut T, T),
) -> Result<()> {
    let mut replaced = false;
    for write in writes.iter().filter_map(|write| written(write.update)) {
        match write {
            Write::Replace(_) if replaced => return Err(concurrent(name, writes)),
            Write::Replace(new) => {
                value.clone_from(new);
                replaced = true;
            }
            Write::Join(_) if replaced => {}
            Write::Join(new) => reduce(value, new.clone()),
        }
    }
    Ok(())
}

fn type_of<T: 'static>(_: T) -> TypeId {
    TypeId::of::<T>()
}

/// Gives a message without an id one: so that all who see it before it is in the state call it the same.
pub(crate) fn give_id(message: &mut impl Identified) {
    if message.id().is_none_or(str::is_empty) {
        message.set_id(uuid::Uuid::new_v4().to_string());
    }
}

/// Several nodes wrote a channel that takes one write a step.
pub(crate) fn concurrent<S: State>(name: &str, writes: &[Written<'_, S>]) -> Error {
    let nodes: Vec<&str> = writes.iter().map(|write| write.node).collect();
    let message = format!(
        "the nodes {} wrote {name:?} in the same step, and it keeps only the last value; give it a reducer, or let one of them write it",
        nodes.join(" and ")
    );
    Error::new(ErrorKind::InvalidInput, message).with_name(INVALID_UPDATE)
}

/// LangGraph's name for an update that cannot be applied.
pub(crate) const INVALID_UPDATE: &str = "InvalidUpdateError";
