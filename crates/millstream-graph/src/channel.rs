//! One field of a state, and how it takes writes.

use std::sync::Arc;

use millstream_core::{Error, ErrorKind, Result};

use crate::state::State;

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

type Apply<S> = Arc<dyn Fn(&mut S, &[Written<'_, S>]) -> Result<()> + std::marker::Send + Sync>;
type IsWritten<S> = Arc<dyn Fn(&<S as State>::Update) -> bool + std::marker::Send + Sync>;
type Clear<S> = Arc<dyn Fn(&mut S) + std::marker::Send + Sync>;
type Manage<S> = Arc<dyn Fn(&mut S, Progress) + std::marker::Send + Sync>;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The superstep, counted from 1.
    pub(crate) step: u64,
    /// The step that the run does not reach.
    pub(crate) limit: u64,
}

impl Progress {
    /// How many steps the run may still begin, this one included.
    pub(crate) fn remaining(self) -> u64 {
        self.limit.saturating_sub(self.step)
    }
}

/// A channel: the name of a field, and functions that write and clear it.
pub struct Channel<S: State> {
    name: Arc<str>,
    apply: Apply<S>,
    is_written: IsWritten<S>,
    /// For a channel that keeps its value for one step only.
    clear: Option<Clear<S>>,
    /// For a value that the engine sets, for the nodes of a step alone.
    manage: Option<Manage<S>>,
}

impl<S: State> Clone for Channel<S> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            apply: self.apply.clone(),
            is_written: self.is_written.clone(),
            clear: self.clear.clone(),
            manage: self.manage.clone(),
        }
    }
}

impl<S: State> Channel<S> {
    /// A channel from its functions; the constructors below cover what most states need.
    pub(crate) fn from_functions(
        name: impl Into<Arc<str>>,
        apply: impl Fn(&mut S, &[Written<'_, S>]) -> Result<()> + std::marker::Send + Sync + 'static,
        is_written: impl Fn(&S::Update) -> bool + std::marker::Send + Sync + 'static,
    ) -> Self {
        let name = name.into();
        Self { name, apply: Arc::new(apply), is_written: Arc::new(is_written), clear: None, manage: None }
    }

    /// A channel that keeps the last value. Two nodes may not write it in one step: which of them was last would be chance.
    pub fn last<T: Clone + 'static>(
        name: &'static str,
        field: fn(&mut S) -> &mut T,
        written: fn(&S::Update) -> Option<&T>,
    ) -> Self {
        let apply = move |state: &mut S, writes: &[Written<'_, S>]| {
            if let [one] = writes {
                if let Some(value) = written(one.update) {
                    field(state).clone_from(value);
                }
                return Ok(());
            }
            Err(concurrent(name, writes))
        };
        Self::from_functions(name, apply, move |update| written(update).is_some())
    }

    /// A channel in which `reduce` joins each write with the value that is there, in the order of the nodes' names.
    pub fn reduced<T: Clone + 'static>(
        name: &'static str,
        field: fn(&mut S) -> &mut T,
        written: fn(&S::Update) -> Option<&T>,
        reduce: fn(&mut T, T),
    ) -> Self {
        let apply = move |state: &mut S, writes: &[Written<'_, S>]| {
            for value in writes.iter().filter_map(|write| written(write.update)) {
                reduce(field(state), value.clone());
            }
            Ok(())
        };
        Self::from_functions(name, apply, move |update| written(update).is_some())
    }

    /// A channel whose value is there for the one step after it was written.
    #[must_use]
    pub(crate) fn cleared_by(mut self, clear: impl Fn(&mut S) + std::marker::Send + Sync + 'static) -> Self {
        self.clear = Some(Arc::new(clear));
        self
    }

    /// A value that no node writes: the engine sets it for the nodes of each step.
    pub(crate) fn managed(
        name: impl Into<Arc<str>>,
        manage: impl Fn(&mut S, Progress) + std::marker::Send + Sync + 'static,
    ) -> Self {
        let channel = Self::from_functions(name, |_, _| Ok(()), |_| false);
        Self { manage: Some(Arc::new(manage)), ..channel }
    }

    /// The name of the field.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_written(&self, update: &S::Update) -> bool {
        (self.is_written)(update)
    }

    pub(crate) fn apply(&self, state: &mut S, writes: &[Written<'_, S>]) -> Result<()> {
        (self.apply)(state, writes)
    }

    pub(crate) fn manage(&self) -> Option<&Manage<S>> {
        self.manage.as_ref()
    }

    pub(crate) fn clear(&self) -> Option<&Clear<S>> {
        self.clear.as_ref()
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
