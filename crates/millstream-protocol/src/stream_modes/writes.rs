use std::collections::BTreeMap;

use millstream_core::Payload;
use serde_json::{Value, json};

/// What a task wrote: an object, in which several writes of a key are `{"$writes": [..]}`.
#[must_use]
pub fn task_result(updates: &[Payload]) -> Value {
    let mut by_key: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (key, value) in writes(updates) {
        by_key.entry(key).or_default().push(value);
    }
    let told = by_key.into_iter().map(|(key, mut values)| match values.len() {
        1 => (key, values.remove(0)),
        _ => (key, json!({ "$writes": values })),
    });
    Value::Object(told.collect())
}

/// The keys that updates write, and what, one after the other.
pub(super) fn writes(updates: &[Payload]) -> impl Iterator<Item = (String, Value)> {
    let objects = updates.iter().filter_map(|update| match update.json() {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    objects.flatten()
}
