//! What a graph works on: a state of named channels, and partial updates of it.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::channel::{Channel, Progress};

/// The state of a graph: a plain struct. Nodes read it as `Arc<S>` and answer with an update in which every field is optional.
pub trait State: Clone + Serialize + std::marker::Send + Sync + 'static {
    /// What a node changes.
    type Update: Update<State = Self>;
}

/// A change of a state: the fields that a node writes. `Default` writes nothing.
pub trait Update: Clone + Default + Serialize + std::marker::Send + Sync + 'static {
    /// What it changes.
    type State: State<Update = Self>;
}

/// A state that is a struct whose fields say themselves how they take writes: what `#[derive(State)]` implements.
pub trait Typed: State {
    /// The channels of the fields.
    fn schema() -> Schema<Self>;
}

/// How the channels of a state take writes: which fields there are, and what happens when several nodes write one in a step.
pub struct Schema<S: State> {
    channels: Arc<Vec<Channel<S>>>,
}

impl<S: State> Schema<S> {
    /// A schema without channels.
    pub fn new() -> Self {
        Self { channels: Arc::default() }
    }

    /// Adds a channel.
    #[must_use]
    pub fn channel(mut self, channel: Channel<S>) -> Self {
        let channels = Arc::make_mut(&mut self.channels);
        channels.push(channel);
        self
    }

    pub(crate) fn channels(&self) -> &[Channel<S>] {
        &self.channels
    }

    /// Whether `update` writes anything.
    pub(crate) fn says_something(&self, update: &S::Update) -> bool {
        self.channels.iter().any(|channel| channel.is_written(update))
    }

    /// The state as the nodes of a step get it: with the values that the engine sets.
    pub(crate) fn given(&self, state: &Arc<S>, progress: Progress) -> Arc<S> {
        let mut given = state.clone();
        for manage in self.channels.iter().filter_map(Channel::manage) {
            manage(Arc::make_mut(&mut given), progress);
        }
        given
    }
}

impl<S: State> Default for Schema<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: State> Clone for Schema<S> {
    fn clone(&self) -> Self {
        Self { channels: self.channels.clone() }
    }
}

impl<S: State> fmt::Debug for Schema<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.channels.iter().map(Channel::name)).finish()
    }
}
