//! What a graph works on: a state of named channels, and partial updates of it.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::channel::{Channel, Progress};

/// The state of a graph: a plain struct. Nodes read it as `Arc<S>` and answer with an update in which every field is optional.
pub trait State: Clone + Serialize + DeserializeOwned + std::marker::Send + Sync + 'static {
    /// What a node changes.
    type Update: Update<State = Self>;

    /// The update that writes every field: what the state is as the input of a run.
    fn into_update(self) -> Self::Update;
}

/// A change of a state: the fields that a node writes. `Default` writes nothing.
pub trait Update: Clone + Default + Serialize + DeserializeOwned + std::marker::Send + Sync + 'static {
    /// What it changes.
    type State: State<Update = Self>;
}

/// A state that is a struct whose fields say themselves how they take writes: what `#[derive(State)]` implements. Its default is the state
/// before anything was written.
pub trait Typed: State + Default {
    /// The channels of the fields.
    fn schema() -> Schema<Self>;
}

/// What a run may begin with: a whole state, or an update. Both are written to what the graph has so far, as if a node had written them.
#[diagnostic::on_unimplemented(
    message = "a graph on `{S}` cannot begin with `{Self}`",
    note = "begin with a `{S}`, or with an update of it"
)]
pub trait IntoInput<S: State> {
    /// The input as an update.
    fn into_input(self) -> S::Update;
}

/// What an update writes to one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Write<T> {
    /// The field's reducer joins it with what is there.
    Join(T),
    /// It takes the place of what is there, past the reducer: LangGraph's `Overwrite`.
    Replace(T),
}

const REPLACE: &str = "$overwrite";

impl<T: Serialize> Serialize for Write<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Join(value) => value.serialize(serializer),
            Self::Replace(value) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(REPLACE, value)?;
                map.end()
            }
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Write<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(deserializer)? {
            Value::Object(mut fields) if fields.len() == 1 && fields.contains_key(REPLACE) => {
                let value = fields.remove(REPLACE).unwrap_or_default();
                return serde_json::from_value(value).map(Self::Replace).map_err(D::Error::custom);
            }
            value => value,
        };
        serde_json::from_value(value).map(Self::Join).map_err(D::Error::custom)
    }
}

/// Reads a field of an update that is there, also if it is null: for the generated code.
#[doc(hidden)]
pub fn written<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Write<T>>, D::Error> {
    Write::deserialize(deserializer).map(Some)
}

/// How the channels of a state take writes: which fields there are, and what happens when several nodes write one in a step.
pub struct Schema<S: State> {
    channels: Arc<Vec<Channel<S>>>,
    initial: Arc<dyn Fn() -> S + std::marker::Send + Sync>,
    /// The channels that an input may write, if not all.
    input: Option<Names>,
    /// The channels that a run gives in the end, if not all.
    output: Option<Names>,
}

type Names = Arc<[Arc<str>]>;

impl<S: State> Schema<S> {
    /// A schema without channels, of a state that is `initial` before anything was written.
    pub fn new(initial: impl Fn() -> S + std::marker::Send + Sync + 'static) -> Self {
        Self { channels: Arc::default(), initial: Arc::new(initial), input: None, output: None }
    }

    /// Adds a channel.
    #[must_use]
    pub fn channel(mut self, channel: Channel<S>) -> Self {
        let channels = Arc::make_mut(&mut self.channels);
        channels.push(channel);
        self
    }

    /// Lets inputs write only the channels of these names; what else is in an input is left out of it. Without this they may write all.
    #[must_use]
    pub fn input<N: Into<Arc<str>>>(self, names: impl IntoIterator<Item = N>) -> Self {
        Self { input: Some(names.into_iter().map(Into::into).collect()), ..self }
    }

    /// Has runs give only the channels of these names in the end, and so what a graph gives to the graph around it. The others are as if nothing
    /// had been written to them; a key of a [`Json`](crate::Json) state is not there. Streams and checkpoints have the whole state. Without this,
    /// runs give all.
    #[must_use]
    pub fn output<N: Into<Arc<str>>>(self, names: impl IntoIterator<Item = N>) -> Self {
        Self { output: Some(names.into_iter().map(Into::into).collect()), ..self }
    }

    pub(crate) fn channels(&self) -> &[Channel<S>] {
        &self.channels
    }

    pub(crate) fn initial(&self) -> S {
        (self.initial)()
    }

    /// Whether `update` writes anything.
    pub(crate) fn says_something(&self, update: &S::Update) -> bool {
        self.channels.iter().any(|channel| channel.is_written(update))
    }

    /// Whether inputs may write some channels only.
    pub(crate) fn has_input(&self) -> bool {
        self.input.is_some()
    }

    /// What of an input is taken.
    pub(crate) fn taken(&self, input: S::Update) -> S::Update {
        self.only(self.input.as_ref(), input)
    }

    /// What of an end's update goes to the graph around this one, if both are on the same state.
    pub(crate) fn given_back(&self, end: S::Update) -> S::Update {
        self.only(self.output.as_ref(), end)
    }

    fn only(&self, names: Option<&Names>, mut update: S::Update) -> S::Update {
        let Some(names) = names else { return update };
        let mut kept = S::Update::default();
        for channel in self.channels.iter().filter(|channel| channel.is_in(names)) {
            channel.pass(&mut update, &mut kept);
        }
        kept
    }

    /// What a run gives in the end.
    pub(crate) fn given_in_the_end(&self, state: Arc<S>) -> Arc<S> {
        let Some(names) = &self.output else { return state };
        let (mut given, initial) = (state, self.initial());
        for channel in self.channels.iter().filter(|channel| !channel.is_in(names)) {
            channel.reset(Arc::make_mut(&mut given), &initial);
        }
        given
    }

    /// What is wrong with the names of inputs and outputs.
    pub(crate) fn mistakes(&self) -> impl Iterator<Item = String> + '_ {
        let lists = [("input", &self.input), ("output", &self.output)];
        let named =
            lists.into_iter().flat_map(|(what, names)| names.iter().flat_map(|it| it.iter()).map(move |it| (what, it)));
        named.filter_map(|(what, name)| match self.channels.iter().find(|channel| channel.name() == &**name) {
            None => Some(format!("{name:?} is to be {what}, and the state has no such field")),
            Some(channel) if channel.manage().is_some() => {
                Some(format!("{name:?} is to be {what}, and it is the engine that sets it, for nodes alone"))
            }
            Some(_) => None,
        })
    }

    /// The state as the nodes of a step get it: with the values that the engine sets.
    pub(crate) fn given(&self, state: Arc<S>, progress: Progress) -> Arc<S> {
        let mut given = state;
        for manage in self.channels.iter().filter_map(Channel::manage) {
            manage(Arc::make_mut(&mut given), progress);
        }
        given
    }
}

impl<S: State> Clone for Schema<S> {
    fn clone(&self) -> Self {
        Self {
            channels: self.channels.clone(),
            initial: self.initial.clone(),
            input: self.input.clone(),
            output: self.output.clone(),
        }
    }
}

impl<S: State> fmt::Debug for Schema<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.channels.iter().map(Channel::name)).finish()
    }
}
