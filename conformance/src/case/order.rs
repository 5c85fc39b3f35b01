//! JSON whose objects of runnables keep their order: the name of a map of runnables, and who of them begins first, follow it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

/// Reads JSON. The `steps` of parallel runnables become lists of pairs, since an object has no order once it is read.
///
/// ```
/// use millstream_conformance::case::read_in_order;
/// use serde_json::json;
///
/// let case = read_in_order(r#"{"t": "parallel", "steps": {"b": {"t": "str"}, "a": {"t": "json"}}}"#)?;
/// assert_eq!(case["steps"], json!([["b", {"t": "str"}], ["a", {"t": "json"}]]));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
/// If it is not JSON.
pub fn read_in_order(text: &str) -> serde_json::Result<Value> {
    Ok(serde_json::from_str::<Ordered>(text)?.into_value())
}

enum Ordered {
    List(Vec<Ordered>),
    Object(Vec<(String, Ordered)>),
    Other(Value),
}

impl Ordered {
    fn into_value(self) -> Value {
        match self {
            Self::Other(value) => value,
            Self::List(items) => items.into_iter().map(Self::into_value).collect(),
            Self::Object(fields) => {
                let is_map = fields.iter().any(|(name, field)| name == "t" && field.names_a_map());
                let value = |(name, field): (String, Self)| match field {
                    Self::Object(steps) if is_map && name == "steps" => {
                        (name, steps.into_iter().map(|(key, step)| json!([key, step.into_value()])).collect())
                    }
                    field => (name, field.into_value()),
                };
                Value::Object(fields.into_iter().map(value).collect())
            }
        }
    }

    fn names_a_map(&self) -> bool {
        matches!(self, Self::Other(Value::String(name)) if name == "parallel" || name == "assign")
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Ordered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Ordered, E> {
        Ok(Ordered::Other(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Ordered, E> {
        Ok(Ordered::Other(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Ordered, E> {
        Ok(Ordered::Other(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Ordered, E> {
        Ok(Ordered::Other(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Ordered, E> {
        Ok(Ordered::Other(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Ordered, E> {
        Ok(Ordered::Other(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ordered, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Ordered::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Ordered, A::Error> {
        let mut object = Vec::new();
        while let Some(field) = fields.next_entry()? {
            object.push(field);
        }
        Ok(Ordered::Object(object))
    }
}
