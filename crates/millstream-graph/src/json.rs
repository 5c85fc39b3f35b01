//! A state for graphs that are defined by data: named JSON values with named reducers.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_core::{Error, ErrorKind, Identified, Message, Result, join_messages};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::channel::{Channel, Dirty, Written, concurrent, give_id};
use crate::checkpoint::Change;
use crate::state::{IntoInput, Schema, State, Update, Write};

/// A state of named JSON values. A key may have no value yet. Values are shared, so that cloning a state copies none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Json {
    fields: BTreeMap<Arc<str>, Arc<Value>>,
    /// What is no object: only a send can carry that.
    other: Option<Arc<Value>>,
}

/// Writes to a [`Json`] state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonUpdate(BTreeMap<String, Write<Value>>);

/// What a key of a [`Json`] state does with writes. As JSON it is its name: `"append"`, `"remaining_steps"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JsonKind {
    /// Keeps the last value; one write a step.
    Last,
    /// Joins lists; begins empty.
    Append,
    /// Adds numbers; begins at 0.
    Sum,
    /// Joins texts; begins empty.
    Concat,
    /// Keeps the larger number; begins at 0.
    Max,
    /// Joins objects; begins empty.
    Merge,
    /// Joins conversations, as [`add_messages`](millstream_core::add_messages) does; begins empty.
    Messages,
    /// Has a value for one step only.
    Ephemeral,
    /// Keeps any of several equal writes; has a value for one step only.
    Any,
    /// Keeps the last value; one write a step; not saved.
    Untracked,
    /// How many steps the run may still begin: set by the engine, for nodes alone.
    RemainingSteps,
    /// Whether the run may begin no step after this one: set by the engine, for nodes alone.
    IsLastStep,
}

impl State for Json {
    type Update = JsonUpdate;

    fn into_update(self) -> JsonUpdate {
        let fields = self.fields.into_iter();
        JsonUpdate(fields.map(|(key, value)| (key.to_string(), Write::Join(Arc::unwrap_or_clone(value)))).collect())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.other {
            Some(other) => other.serialize(serializer),
            None => serializer.collect_map(&self.fields),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

/// A state with exactly these values, whatever the schema: what a send carries. What is no object has no keys.
impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(values) => Self::from_object(values),
            other => Self { other: Some(Arc::new(other)), ..Self::default() },
        }
    }
}

impl IntoInput<Json> for Json {
    fn into_input(self) -> JsonUpdate {
        self.into_update()
    }
}

impl IntoInput<Json> for JsonUpdate {
    fn into_input(self) -> Self {
        self
    }
}

impl Update for JsonUpdate {
    type State = Json;
}

impl Json {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.fields.get(key).map(|value| &**value)
    }

    /// A state with exactly these values, whatever the schema.
    pub fn from_object(values: Map<String, Value>) -> Self {
        let fields = values.into_iter().map(|(key, value)| (key.into(), Arc::new(value)));
        Self { fields: fields.collect(), other: None }
    }

    /// The state with these keys alone: what a node with an input schema of its own sees.
    #[must_use]
    pub fn only(&self, keys: &[String]) -> Self {
        let kept = self.fields.iter().filter(|(key, _)| keys.iter().any(|kept| **kept == ***key));
        Self { fields: kept.map(|(key, value)| (key.clone(), value.clone())).collect(), other: None }
    }

    /// The state as JSON: an object, except for what was sent as something else.
    pub fn to_value(&self) -> Value {
        match &self.other {
            Some(other) => (**other).clone(),
            None => {
                Value::Object(self.fields.iter().map(|(key, value)| (key.to_string(), (**value).clone())).collect())
            }
        }
    }

    fn take(&mut self, key: &Arc<str>) -> Option<Value> {
        self.fields.remove(key).map(Arc::unwrap_or_clone)
    }

    fn put(&mut self, key: &Arc<str>, value: Value) {
        self.fields.insert(key.clone(), Arc::new(value));
    }
}

impl JsonUpdate {
    /// Writes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes `value` to `key`; the key's reducer joins it with what is there.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), Write::Join(value.into()));
        self
    }

    /// Writes `value` to `key` in the place of what is there, past the key's reducer.
    #[must_use]
    pub fn overwrite(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), Write::Replace(value.into()));
        self
    }
}

impl From<Map<String, Value>> for JsonUpdate {
    fn from(values: Map<String, Value>) -> Self {
        Self(values.into_iter().map(|(key, value)| (key, Write::Join(value))).collect())
    }
}

impl Schema<Json> {
    /// The schema of keys and what they do with writes.
    ///
    /// ```
    /// use millstream_graph::{JsonKind, Schema};
    ///
    /// let keys = [("question", JsonKind::Last), ("notes", JsonKind::Append), ("answer", JsonKind::Last)];
    /// let schema = Schema::json(keys).input(["question"]).output(["answer"]);
    /// ```
    pub fn json<K: Into<Arc<str>>>(keys: impl IntoIterator<Item = (K, JsonKind)>) -> Self {
        let keys: Arc<[(Arc<str>, JsonKind)]> = keys.into_iter().map(|(key, kind)| (key.into(), kind)).collect();
        let known = keys.clone();
        let initial = move || JsonKind::initial_state(known.iter().map(|(key, kind)| (&**key, *kind)));
        keys.iter().fold(Self::new(initial), |schema, (key, kind)| schema.channel(channel(key.clone(), *kind)))
    }
}

impl JsonKind {
    /// Whether what is written is joined with what is there.
    fn is_reduced(self) -> bool {
        matches!(self, Self::Append | Self::Sum | Self::Concat | Self::Max | Self::Merge | Self::Messages)
    }

    /// Whether what is written is put behind what is there, as a rule.
    fn is_list(self) -> bool {
        matches!(self, Self::Append | Self::Messages)
    }

    /// What a key has before anything was written.
    pub fn initial(self) -> Option<Value> {
        match self {
            Self::Append | Self::Messages => Some(json!([])),
            Self::Sum | Self::Max => Some(json!(0)),
            Self::Concat => Some(json!("")),
            Self::Merge => Some(json!({})),
            _ => None,
        }
    }

    /// The state before anything was written.
    pub fn initial_state<'a>(keys: impl IntoIterator<Item = (&'a str, Self)>) -> Json {
        let values = keys.into_iter().filter_map(|(key, kind)| Some((key.into(), Arc::new(kind.initial()?))));
        Json { fields: values.collect(), other: None }
    }
}

fn channel(key: Arc<str>, kind: JsonKind) -> Channel<Json> {
    match kind {
        JsonKind::RemainingSteps => {
            return Channel::managed(key.clone(), move |state: &mut Json, progress| {
                state.put(&key, progress.remaining().into());
            });
        }
        JsonKind::IsLastStep => {
            return Channel::managed(key.clone(), move |state: &mut Json, progress| {
                state.put(&key, progress.is_last().into());
            });
        }
        _ => {}
    }
    let (written, passed, left_out, cleared) = (key.clone(), key.clone(), key.clone(), key.clone());
    let (saved, named) = (key.clone(), key.clone());
    let channel = Channel::from_functions(
        named,
        move |state: &mut Json, writes: &[Written<'_, Json>]| write(&key, kind, state, writes),
        move |update: &JsonUpdate| update.0.contains_key(&*written),
        move |from: &mut JsonUpdate, to: &mut JsonUpdate| to.0.extend(from.0.remove_entry(&*passed)),
        move |state: &mut Json, _: &Json| drop(state.fields.remove(&left_out)),
        move |state: &Json, dirty| match state.get(&saved) {
            None => Ok(Change::Gone),
            Some(Value::Array(list)) if kind.is_list() => Change::list(list, dirty),
            Some(value) => Change::whole(value),
        },
    );
    match kind {
        JsonKind::Ephemeral | JsonKind::Any => channel.cleared_by(move |state| {
            let gone = state.fields.remove(&cleared).is_some();
            if gone { Dirty::Changed } else { Dirty::Clean }
        }),
        JsonKind::Untracked => channel.untracked(),
        JsonKind::Messages => channel.identified_by(move |update| {
            if let Some(Write::Join(value) | Write::Replace(value)) = update.0.get_mut(&*cleared) {
                give_ids(value);
            }
        }),
        _ => channel,
    }
}

/// Gives ids to messages that are written as objects; what is written otherwise is made one by the reducer.
fn give_ids(value: &mut Value) {
    let items = match value {
        Value::Array(items) => items.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for item in items.iter_mut().filter(|item| item.get("type").is_some() && item.get("content").is_some()) {
        if let Value::Object(fields) = item {
            let mut message = Raw(std::mem::take(fields));
            give_id(&mut message);
            *fields = message.0;
        }
    }
}

fn write(key: &Arc<str>, kind: JsonKind, state: &mut Json, writes: &[Written<'_, Json>]) -> Result<Dirty> {
    let one_only = matches!(kind, JsonKind::Last | JsonKind::Ephemeral | JsonKind::Untracked);
    if one_only && writes.len() > 1 {
        return Err(concurrent(key, writes));
    }
    let mut value = state.take(key).or_else(|| kind.initial());
    let before = value.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
    let (mut replaced, mut added) = (false, 0);
    for write in writes.iter().filter_map(|write| write.update.0.get(&**key)) {
        match write {
            // Only a reducer knows what it means; elsewhere LangGraph takes it for the value.
            Write::Replace(new) if !kind.is_reduced() => value = Some(json!({ "$overwrite": new })),
            Write::Replace(_) if replaced => return Err(concurrent(key, writes)),
            Write::Replace(new) => {
                value = Some(new.clone());
                replaced = true;
            }
            // What others write in the same step would be lost in any order but one.
            Write::Join(_) if replaced => {}
            Write::Join(new) => {
                added += new.as_array().map_or(1, Vec::len);
                value = Some(reduce(key, kind, value, new)?);
            }
        }
    }
    // A list that grew by all that was written to it is what it was, and more.
    let after = value.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
    if let Some(value) = value {
        state.put(key, value);
    }
    let grown = kind.is_list() && !replaced && after == before + added;
    Ok(if grown { Dirty::Grown(before) } else { Dirty::Changed })
}

fn reduce(key: &str, kind: JsonKind, old: Option<Value>, new: &Value) -> Result<Value> {
    let wrong = || {
        let message = format!("{key:?} is a {kind:?} value and cannot take {new}");
        Err(Error::new(ErrorKind::InvalidInput, message).with_name("TypeError"))
    };
    match (kind, old, new) {
        (JsonKind::Last | JsonKind::Ephemeral | JsonKind::Any | JsonKind::Untracked, _, new) => Ok(new.clone()),
        (JsonKind::Append, Some(Value::Array(mut old)), Value::Array(new)) => {
            old.extend(new.iter().cloned());
            Ok(Value::Array(old))
        }
        (JsonKind::Sum, Some(Value::Number(old)), Value::Number(new)) => Ok(add(&old, new)),
        (JsonKind::Max, Some(Value::Number(old)), Value::Number(new)) => {
            let larger = if new.as_f64() > old.as_f64() { new.clone() } else { old };
            Ok(Value::Number(larger))
        }
        (JsonKind::Concat, Some(Value::String(old)), Value::String(new)) => Ok(Value::String(old + new)),
        (JsonKind::Merge, Some(Value::Object(mut old)), Value::Object(new)) => {
            old.extend(new.clone());
            Ok(Value::Object(old))
        }
        (JsonKind::Messages, Some(Value::Array(old)), new) => messages(old, new),
        _ => wrong(),
    }
}

fn add(old: &serde_json::Number, new: &serde_json::Number) -> Value {
    match (old.as_i64(), new.as_i64()) {
        (Some(old), Some(new)) => json!(old + new),
        _ => json!(old.as_f64().unwrap_or_default() + new.as_f64().unwrap_or_default()),
    }
}

/// A message as JSON: kept as it is, whatever fields it has.
struct Raw(Map<String, Value>);

impl Identified for Raw {
    fn id(&self) -> Option<&str> {
        self.0.get("id").and_then(Value::as_str)
    }

    fn set_id(&mut self, id: String) {
        self.0.insert("id".to_owned(), id.into());
    }

    fn is_removal(&self) -> bool {
        self.0.get("type").and_then(Value::as_str) == Some("remove")
    }
}

fn messages(old: Vec<Value>, new: &Value) -> Result<Value> {
    let new: Vec<&Value> = match new {
        // A list of messages, or one message: as an object, a text, or a [role, text] pair.
        Value::Array(items) if !matches!(items.as_slice(), [Value::String(_), Value::String(_)]) => {
            items.iter().collect()
        }
        one => vec![one],
    };
    let mut joined = old.into_iter().map(raw).collect::<Result<Vec<_>>>()?;
    join_messages(&mut joined, new.into_iter().cloned().map(raw).collect::<Result<_>>()?)?;
    Ok(Value::Array(joined.into_iter().map(|Raw(fields)| Value::Object(fields)).collect()))
}

fn raw(value: Value) -> Result<Raw> {
    let value = match value {
        // The sum of a message's pieces becomes the message.
        Value::Object(fields) if fields.get("type").is_some_and(|kind| kind != "AIMessageChunk") => {
            return Ok(Raw(fields));
        }
        other => other,
    };
    let unreadable = |error: serde_json::Error| Error::new(ErrorKind::InvalidInput, error.to_string());
    let message: Message = serde_json::from_value(value).map_err(unreadable)?;
    match serde_json::to_value(&message).map_err(unreadable)? {
        Value::Object(fields) => Ok(Raw(fields)),
        _ => Err(Error::new(ErrorKind::Internal, "a message is not an object")),
    }
}
