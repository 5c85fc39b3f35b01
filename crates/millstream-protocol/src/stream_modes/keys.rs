use serde_json::Value;

/// The keys of the outermost graph's state that are told: `output_keys` in Python.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StateKeys {
    /// All of them.
    #[default]
    All,
    /// These.
    Some(Vec<String>),
    /// The value of this one, without its name.
    One(String),
}

impl StateKeys {
    pub(super) fn contains(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(keys) => keys.iter().any(|known| known == key),
            Self::One(known) => known == key,
        }
    }

    /// A state as far as it is told.
    pub(super) fn shown(&self, mut state: Value) -> Value {
        match (self, &mut state) {
            (Self::One(key), state) => return state.get_mut(key).map(Value::take).unwrap_or_default(),
            (Self::Some(_), Value::Object(fields)) => fields.retain(|key, _| self.contains(key)),
            _ => {}
        }
        state
    }
}
