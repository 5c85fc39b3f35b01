//! How pieces of JSON become one: the rules by which LangChain adds chunks up.

use serde_json::{Map, Number, Value};

use crate::error::{Error, ErrorKind, Result};

/// Adds `more` to `fields`. Texts grow in place.
pub(crate) fn merge_objects(fields: &mut Map<String, Value>, more: &Map<String, Value>) -> Result<()> {
    more.iter().try_for_each(|(name, value)| merge_field(fields, name, value))
}

/// Adds one field.
pub(crate) fn merge_field(fields: &mut Map<String, Value>, name: &str, more: &Value) -> Result<()> {
    match fields.get_mut(name) {
        None => {
            fields.insert(name.to_owned(), more.clone());
            Ok(())
        }
        Some(known) => merge(name, known, more),
    }
}

fn merge(name: &str, known: &mut Value, more: &Value) -> Result<()> {
    match (&mut *known, more) {
        (_, Value::Null) => {}
        (Value::Null, more) => *known = more.clone(),
        (Value::String(text), Value::String(more)) => {
            let says_again = matches!(name, "id" | "output_version" | "model_provider") && text == more;
            let is_generated_index = name == "index" && text.starts_with("lc_");
            if !(says_again || is_generated_index) {
                text.push_str(more);
            }
        }
        (Value::Object(fields), Value::Object(more)) => merge_objects(fields, more)?,
        (Value::Array(items), Value::Array(more)) => merge_lists(items, more)?,
        (known, more) if known == more => {}
        (Value::Number(count), Value::Number(more)) => match (count.as_i64(), more.as_i64()) {
            (Some(_), Some(last)) if matches!(name, "index" | "created" | "timestamp") => *count = last.into(),
            (Some(first), Some(second)) => {
                *count = first.checked_add(second).map_or_else(|| Number::from(i64::MAX), Number::from);
            }
            _ => return Err(refused(name, "two different numbers that are no integers")),
        },
        (Value::Bool(_), Value::Bool(_)) => return Err(refused(name, "true and false")),
        _ => return Err(refused(name, "values of two types")),
    }
    Ok(())
}

fn refused(name: &str, what: &str) -> Error {
    let message = format!("pieces of a message cannot be added up: the field {name:?} has {what}");
    Error::new(ErrorKind::ProviderProtocol, message)
}

/// Adds a list: an item with an index goes on with the item of that index, any other is appended.
pub(crate) fn merge_lists(items: &mut Vec<Value>, more: &[Value]) -> Result<()> {
    for item in more {
        let known = item.as_object().and_then(|piece| items.iter_mut().find_map(|known| goes_on(known, piece)));
        match (known, item) {
            (Some(known), Value::Object(piece)) => {
                let piece = continuation(known.get("type").and_then(Value::as_str), piece);
                merge_objects(known, &piece)?;
            }
            _ => items.push(item.clone()),
        }
    }
    Ok(())
}

/// The item, if `piece` is a piece of it.
fn goes_on<'a>(known: &'a mut Value, piece: &Map<String, Value>) -> Option<&'a mut Map<String, Value>> {
    let known = known.as_object_mut()?;
    let same = is_index(piece.get("index")?)
        && known.get("index") == piece.get("index")
        && ids_agree(text_of(known, "id"), text_of(piece, "id"));
    same.then_some(known)
}

/// Whether a value numbers the items of a list: an integer, or a text that LangChain made.
pub(crate) fn is_index(index: &Value) -> bool {
    index.is_i64() || index.is_u64() || index.as_str().is_some_and(|index| index.starts_with("lc_"))
}

/// Whether two ids may be one: an absent one agrees with any.
pub(crate) fn ids_agree(one: &str, other: &str) -> bool {
    one.is_empty() || other.is_empty() || one == other
}

fn text_of<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What a piece adds to an item of type `known`: everything but its type. What only one provider knows goes to `extras` of a block that
/// everybody knows.
pub(crate) fn continuation(known: Option<&str>, piece: &Map<String, Value>) -> Map<String, Value> {
    let without_type = |fields: &Map<String, Value>| -> Map<String, Value> {
        fields.iter().filter(|(name, _)| *name != "type").map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let foreign = piece.get("value").and_then(Value::as_object).filter(|_| text_of(piece, "type") == "non_standard");
    match (known, foreign) {
        (Some(known), Some(value)) => {
            let name = if known == "non_standard" { "value" } else { "extras" };
            Map::from_iter([(name.to_owned(), Value::Object(without_type(value)))])
        }
        _ => without_type(piece),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sum(left: &Value, right: &Value) -> Result<Value> {
        let mut sum = left.as_object().cloned().unwrap_or_default();
        merge_objects(&mut sum, right.as_object().unwrap_or(&Map::new()))?;
        Ok(Value::Object(sum))
    }

    #[test]
    fn fields_are_added_by_their_type_and_some_by_their_name() {
        let cases = [
            (json!({"a": "x"}), json!({"a": "y", "b": 1}), json!({"a": "xy", "b": 1})),
            (
                json!({"id": "x", "model_provider": "p"}),
                json!({"id": "x", "model_provider": "p"}),
                json!({"id": "x", "model_provider": "p"}),
            ),
            (json!({"id": "x"}), json!({"id": "y"}), json!({"id": "xy"})),
            (
                json!({"n": 1, "created": 1, "index": 1}),
                json!({"n": 2, "created": 2, "index": 2}),
                json!({"n": 3, "created": 2, "index": 2}),
            ),
            (json!({"f": 0.5, "b": true}), json!({"f": 0.5, "b": true}), json!({"f": 0.5, "b": true})),
            (json!({"a": null, "b": 1}), json!({"a": [1], "b": null}), json!({"a": [1], "b": 1})),
            (json!({"o": {"a": "x"}}), json!({"o": {"a": "y"}}), json!({"o": {"a": "xy"}})),
            (
                json!({"l": ["x", {"index": 0, "t": "a"}]}),
                json!({"l": ["x", {"index": 0, "t": "b"}, {"t": "c"}]}),
                json!({"l": ["x", {"index": 0, "t": "ab"}, "x", {"t": "c"}]}),
            ),
            (
                json!({"l": [{"index": "lc_0", "t": "a"}]}),
                json!({"l": [{"index": "lc_0", "t": "b"}]}),
                json!({"l": [{"index": "lc_0", "t": "ab"}]}),
            ),
            (
                json!({"l": [{"index": 0, "id": "a"}]}),
                json!({"l": [{"index": 0, "id": "b"}]}),
                json!({"l": [{"index": 0, "id": "a"}, {"index": 0, "id": "b"}]}),
            ),
        ];
        for (left, right, wanted) in cases {
            assert_eq!(sum(&left, &right).unwrap(), wanted, "{left} + {right}");
        }
    }

    #[test]
    fn what_cannot_be_added_is_an_error() {
        for (left, right) in [
            (json!({"a": 1}), json!({"a": "x"})),
            (json!({"a": true}), json!({"a": false})),
            (json!({"a": 0.5}), json!({"a": 1.5})),
        ] {
            assert_eq!(sum(&left, &right).unwrap_err().code(), "provider_protocol", "{left} + {right}");
        }
    }
}
