//! JSON Schema in the part of it that providers promise to follow.

use serde_json::{Map, Value, json};

/// Keywords that the promise does not cover and that are not needed for it: what they ask is checked when the answer is there.
const LEFT_OUT: [&str; 8] =
    ["default", "examples", "title", "minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties"];
/// Formats that it covers; those of Rust's numbers are not among them.
const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];
/// Keywords without which the schema would be another.
const UNKNOWN: [&str; 8] =
    ["allOf", "not", "if", "patternProperties", "prefixItems", "propertyNames", "contains", "unevaluatedProperties"];

/// `schema` with all fields of objects required and no others allowed, as OpenAI's strict mode wants it; `None` if it says what that mode cannot.
///
/// What it accepts, `schema` accepts, but for what is left out. A field that may be missing is there, as `null` where it is an `Option`.
pub(crate) fn strict(schema: &Value) -> Option<Value> {
    let mut strict = schema.clone();
    close(&mut strict)?;
    Some(strict)
}

fn close(schema: &mut Value) -> Option<()> {
    let schema = schema.as_object_mut()?;
    if UNKNOWN.iter().any(|keyword| schema.contains_key(*keyword)) {
        return None;
    }
    schema.retain(|keyword, value| match keyword.as_str() {
        "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
        keyword => !LEFT_OUT.contains(&keyword),
    });
    if schema.contains_key("$ref") {
        // Nothing may stand beside a reference.
        schema.retain(|keyword, _| matches!(keyword.as_str(), "$ref" | "$defs"));
    } else {
        close_kind(schema)?;
    }
    let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut);
    definitions.into_iter().flat_map(Map::values_mut).try_for_each(close)
}

fn close_kind(schema: &mut Map<String, Value>) -> Option<()> {
    if let Some(alternatives) = schema.remove("oneOf") {
        schema.insert("anyOf".to_owned(), alternatives);
    }
    if !["type", "anyOf", "enum", "const"].iter().any(|keyword| schema.contains_key(*keyword)) {
        return None;
    }
    let is = |kind: &str| match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(many)) => many.iter().any(|one| one == kind),
        _ => false,
    };
    if is("object") {
        close_object(schema)?;
    } else if is("array") {
        close(schema.get_mut("items")?)?;
    }
    schema.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten().try_for_each(close)
}

fn close_object(schema: &mut Map<String, Value>) -> Option<()> {
    if schema.get("additionalProperties").is_some_and(|others| *others != json!(false)) {
        return None;
    }
    let fields = schema.get_mut("properties")?.as_object_mut()?;
    fields.values_mut().try_for_each(close)?;
    let names: Vec<Value> = fields.keys().map(|name| name.as_str().into()).collect();
    schema.insert("required".to_owned(), names.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    Some(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;

    use super::*;
    use crate::schema;

    /// A tree of notes.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only the schema is of interest")]
    struct Note {
        /// What it says.
        text: String,
        stars: Option<u8>,
        #[serde(default)]
        done: bool,
        below: Vec<Note>,
        mood: Option<Mood>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only the schema is of interest")]
    enum Mood {
        /// Like the sun.
        Good,
        Because {
            of: String,
        },
    }

    /// Fails for what OpenAI's documentation says of strict schemas.
    fn assert_strict(schema: &Value) {
        let schema = schema.as_object().expect("an object");
        assert!(!schema.keys().any(|keyword| matches!(keyword.as_str(), "default" | "oneOf" | "allOf" | "title")));
        if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
            assert_eq!(schema["additionalProperties"], false);
            assert!(fields.keys().eq(schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap())));
            fields.values().for_each(assert_strict);
        }
        if let Some(definitions) = schema.get("$defs").and_then(Value::as_object) {
            definitions.values().for_each(assert_strict);
        }
        schema.get("items").into_iter().for_each(assert_strict);
        schema.get("anyOf").and_then(Value::as_array).into_iter().flatten().for_each(assert_strict);
        assert!(!schema.contains_key("$ref") || schema.keys().all(|keyword| keyword == "$ref" || keyword == "$defs"));
    }

    #[test]
    fn what_can_be_strict_is_closed_and_keeps_its_words() {
        let schema = strict(&schema::of::<Note>()).unwrap();
        assert_strict(&schema);
        let written = schema.to_string();
        assert!(written.contains("What it says.") && written.contains("Like the sun."), "{written}");
        assert!(!written.contains("uint8"), "{written}");
        assert!(strict(&schema::of::<Vec<(u8,)>>()).is_none());
        assert!(strict(&schema::of::<BTreeMap<String, u8>>()).is_none());
        assert!(strict(&schema::of::<Value>()).is_none());
    }

    #[test]
    fn what_a_strict_schema_accepts_the_schema_accepts() {
        let (open, closed) = (schema::of::<Note>(), strict(&schema::of::<Note>()).unwrap());
        let leaf = json!({"text": "a", "stars": null, "done": false, "below": [], "mood": "Good"});
        let tree = json!({"text": "a", "stars": 1, "done": true, "below": [leaf], "mood": {"Because": {"of": "x"}}});
        for note in [leaf, tree] {
            assert_eq!(schema::check(&closed, &note, "it"), Ok(()));
            assert_eq!(schema::check(&open, &note, "it"), Ok(()));
        }
        let short = json!({"text": "a", "below": []});
        assert_eq!(schema::check(&open, &short, "it"), Ok(()));
        assert!(schema::check(&closed, &short, "it").is_err());
    }
}
