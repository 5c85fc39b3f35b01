//! The state's functions without its type: what the engine knows of a state.

use std::sync::Arc;

use millstream_core::{Error, ErrorKind, Payload, Result};
use serde_json::Value;

use crate::channel::{Channel, Dirty, INVALID_UPDATE, Progress, Written};
use crate::checkpoint::{Change, Stored};
use crate::state::{Schema, State};

/// An update, and the node that made it.
pub(crate) struct AnyWrite<'a> {
    pub(crate) node: &'a str,
    pub(crate) update: &'a Payload,
}

/// What the engine does with states and updates: they are payloads, and this knows what is in them.
pub(crate) trait Shape: std::marker::Send + Sync + 'static {
    /// The state before anything was written.
    fn initial(&self) -> Payload;

    /// The state with the writes of a step, channel by channel; takes note of what happened to the channels.
    fn apply(&self, state: Payload, writes: &[AnyWrite<'_>], dirty: &mut [Dirty]) -> Result<Payload>;

    /// The state after a step with these writes: what lives for one step is gone, if it was not written again.
    fn after_step(&self, state: Payload, writes: &[AnyWrite<'_>], dirty: &mut [Dirty]) -> Result<Payload>;

    /// How many channels there are.
    fn width(&self) -> usize;

    /// Whether an update writes anything.
    fn says_something(&self, update: &Payload) -> bool;

    /// The state as the nodes of a step get it.
    fn given(&self, state: &Payload, progress: Progress) -> Payload;

    /// What of an input is taken.
    fn taken(&self, input: Payload) -> Payload;

    /// What a run that ends with `state` gives.
    fn given_in_the_end(&self, state: Payload) -> Result<Payload>;

    /// Gives ids to the messages of an update that have none.
    fn identify(&self, update: Payload) -> Payload;

    /// What is to be saved of the channels to which something happened.
    fn save(&self, state: &Payload, dirty: &[Dirty]) -> Result<Vec<(Arc<str>, Change)>>;

    /// The state that was saved.
    fn load(&self, values: &[(Arc<str>, Stored)]) -> Result<Payload>;

    /// An update or a state as it is saved: without what is in no checkpoint.
    fn save_json(&self, payload: &Payload) -> Result<Value>;

    /// An update, from its JSON.
    fn read_update(&self, json: Value) -> Result<Payload>;

    /// A state, from its JSON; what was not saved is as before anything was written.
    fn read_state(&self, json: Value) -> Result<Payload>;

    /// Whether a payload is an update of this state.
    fn is_update(&self, payload: &Payload) -> bool;

    /// Whether a payload is a state of this kind.
    fn is_state(&self, payload: &Payload) -> bool;
}

impl<S: State> Shape for Schema<S> {
    fn initial(&self) -> Payload {
        Payload::new(Self::initial(self))
    }

    fn apply(&self, state: Payload, writes: &[AnyWrite<'_>], dirty: &mut [Dirty]) -> Result<Payload> {
        let mut state: Arc<S> = typed(state)?;
        let writes = writes
            .iter()
            .map(|write| Ok(Written { node: write.node, update: update_of::<S>(write.update)? }))
            .collect::<Result<Vec<Written<'_, S>>>>()?;
        let mut own = Vec::new();
        for (channel, dirty) in self.channels().iter().zip(dirty) {
            own.clear();
            own.extend(writes.iter().filter(|write| channel.is_written(write.update)).copied());
            if !own.is_empty() {
                *dirty = dirty.and(channel.apply(Arc::make_mut(&mut state), &own)?);
            }
        }
        Ok(Payload::shared(state))
    }

    fn after_step(&self, state: Payload, writes: &[AnyWrite<'_>], dirty: &mut [Dirty]) -> Result<Payload> {
        if self.channels().iter().all(|channel| channel.clear().is_none()) {
            return Ok(state);
        }
        let mut state: Arc<S> = typed(state)?;
        for (channel, dirty) in self.channels().iter().zip(dirty) {
            let is_written =
                |write: &AnyWrite<'_>| update_of::<S>(write.update).is_ok_and(|update| channel.is_written(update));
            if let (Some(clear), false) = (channel.clear(), writes.iter().any(is_written)) {
                *dirty = dirty.and(clear(Arc::make_mut(&mut state)));
            }
        }
        Ok(Payload::shared(state))
    }

    fn width(&self) -> usize {
        self.channels().len()
    }

    fn says_something(&self, update: &Payload) -> bool {
        update.downcast::<S::Update>().is_some_and(|update| Self::says_something(self, update))
    }

    fn given(&self, state: &Payload, progress: Progress) -> Payload {
        match state.clone().into_shared::<S>() {
            Some(typed) => Payload::shared(Self::given(self, typed, progress)),
            None => state.clone(),
        }
    }

    fn taken(&self, input: Payload) -> Payload {
        if !self.has_input() {
            return input;
        }
        match input.clone().into_shared::<S::Update>() {
            Some(typed) => {
                drop(input);
                Payload::new(Self::taken(self, Arc::unwrap_or_clone(typed)))
            }
            None => input,
        }
    }

    fn given_in_the_end(&self, state: Payload) -> Result<Payload> {
        Ok(Payload::shared(Self::given_in_the_end(self, typed(state)?)))
    }

    fn identify(&self, update: Payload) -> Payload {
        let mut to_do = self.channels().iter().filter_map(Channel::identify).peekable();
        if to_do.peek().is_none() {
            return update;
        }
        match update.clone().into_shared::<S::Update>() {
            Some(typed) => {
                drop(update);
                let mut typed = typed;
                to_do.for_each(|identify| identify(Arc::make_mut(&mut typed)));
                Payload::shared(typed)
            }
            None => update,
        }
    }

    fn save(&self, state: &Payload, dirty: &[Dirty]) -> Result<Vec<(Arc<str>, Change)>> {
        let state: Arc<S> = typed(state.clone())?;
        let mut changes = Vec::new();
        for (channel, dirty) in self.channels().iter().zip(dirty) {
            if *dirty != Dirty::Clean
                && let Some(change) = channel.save(&state, *dirty)
            {
                changes.push((channel.shared_name(), change?));
            }
        }
        Ok(changes)
    }

    fn load(&self, values: &[(Arc<str>, Stored)]) -> Result<Payload> {
        // A field that is in no checkpoint, or was not there when this one was made, is as before anything was written.
        let mut initial: Value = serde_json::to_value(Self::initial(self)).map_err(Error::failed)?;
        if let Some(fields) = initial.as_object_mut() {
            fields.retain(|name, _| !values.iter().any(|(saved, _)| **saved == **name));
        }
        let mut text = String::from("{");
        for (name, value) in initial.as_object().into_iter().flatten() {
            separate(&mut text, name);
            text.push_str(&value.to_string());
        }
        for (name, stored) in values {
            separate(&mut text, name);
            stored.write_json(&mut text);
        }
        text.push('}');
        let state: S = serde_json::from_str(&text).map_err(|error| {
            let message = format!("the saved state does not fit the graph's state: {error}");
            Error::new(ErrorKind::InvalidInput, message).with_source(error)
        })?;
        Ok(Payload::new(state))
    }

    fn save_json(&self, payload: &Payload) -> Result<Value> {
        let mut json = payload.try_json().map_err(Error::failed)?;
        if let Value::Object(fields) = &mut json {
            for channel in self.channels().iter().filter(|channel| !channel.is_saved()) {
                fields.remove(channel.name());
            }
        }
        Ok(json)
    }

    fn read_update(&self, json: Value) -> Result<Payload> {
        let update: S::Update = serde_json::from_value(json).map_err(|error| {
            let message = format!("this is no update of the graph's state: {error}");
            Error::new(ErrorKind::InvalidInput, message).with_name(INVALID_UPDATE).with_source(error)
        })?;
        Ok(Payload::new(update))
    }

    fn read_state(&self, mut json: Value) -> Result<Payload> {
        if let Value::Object(fields) = &mut json
            && self.channels().iter().any(|channel| !channel.is_saved() && !fields.contains_key(channel.name()))
            && let Value::Object(mut initial) = serde_json::to_value(Self::initial(self)).map_err(Error::failed)?
        {
            for channel in self.channels().iter().filter(|channel| !channel.is_saved()) {
                if let Some(value) = initial.remove(channel.name()) {
                    fields.entry(channel.name()).or_insert(value);
                }
            }
        }
        let state: S = serde_json::from_value(json).map_err(|error| {
            let message = format!("this is no state of the graph: {error}");
            Error::new(ErrorKind::InvalidInput, message).with_source(error)
        })?;
        Ok(Payload::new(state))
    }

    fn is_update(&self, payload: &Payload) -> bool {
        payload.downcast::<S::Update>().is_some()
    }

    fn is_state(&self, payload: &Payload) -> bool {
        payload.downcast::<S>().is_some()
    }
}

fn separate(text: &mut String, name: &str) {
    if text.len() > 1 {
        text.push(',');
    }
    text.push_str(&Value::from(name).to_string());
    text.push(':');
}

/// The state in a payload.
pub(crate) fn typed<S: State>(state: Payload) -> Result<Arc<S>> {
    let wrong = || Error::new(ErrorKind::Internal, "a graph met a state of another type than its own");
    state.into_shared().ok_or_else(wrong)
}

fn update_of<S: State>(update: &Payload) -> Result<&S::Update> {
    let wrong = || Error::new(ErrorKind::Internal, "a graph met an update of another type than its own");
    update.downcast().ok_or_else(wrong)
}
