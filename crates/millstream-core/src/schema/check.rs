//! Checks values against the part of JSON Schema that types and tools use: types, properties, items, enums, bounds, alternatives, references.

use std::cell::Cell;

use serde_json::Value;

/// How deep a check may lead, so that a schema that refers to itself in a circle comes to an end.
const DEPTH: u32 = 200;
/// How many schemas a check may ask, so that alternatives inside alternatives do.
const SCHEMAS: u32 = 100_000;

/// Says what is wrong with `value`, which is called `subject`, and where; a keyword that is not known here accepts everything.
pub(crate) fn check(schema: &Value, value: &Value, subject: &str) -> Result<(), String> {
    let everywhere = Place { root: schema, left: &Cell::new(SCHEMAS), subject, name: String::new(), depth: 0 };
    // A model needs no more than this to see what is wrong.
    everywhere.check(schema, value).map_err(|problem| problem.chars().take(1000).collect())
}

/// Where in the whole a value is.
struct Place<'a> {
    root: &'a Value,
    /// How many schemas may still be asked.
    left: &'a Cell<u32>,
    /// What the whole value is called.
    subject: &'a str,
    name: String,
    depth: u32,
}

impl Place<'_> {
    fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let Some(left) = self.left.get().checked_sub(1).filter(|_| self.depth < DEPTH) else {
            return Err(format!("{self} is nested too deeply to be checked"));
        };
        self.left.set(left);
        self.check_type(schema, value)?;
        self.check_choice(schema, value)?;
        self.check_bounds(schema, value)?;
        match value {
            Value::Object(_) => self.check_fields(schema, value)?,
            Value::Array(items) => {
                if let schema @ Value::Object(_) = &schema["items"] {
                    for (number, item) in items.iter().enumerate() {
                        self.at(format!("{}[{number}]", self.name)).check(schema, item)?;
                    }
                }
            }
            _ => {}
        }
        self.check_others(schema, value)
    }

    fn check_type(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => return Ok(()),
        };
        if types.iter().any(|of| is_of(of, value)) {
            return Ok(());
        }
        Err(format!("{self} must be of type {}, not {value}", types.join(" or ")))
    }

    fn check_choice(&self, schema: &Value, value: &Value) -> Result<(), String> {
        if let Some(only) = schema.get("const").filter(|only| *only != value) {
            return Err(format!("{self} must be {only}, not {value}"));
        }
        match schema["enum"].as_array() {
            Some(allowed) if !allowed.contains(value) => {
                let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
                Err(format!("{self} must be one of {}, not {value}", allowed.join(", ")))
            }
            _ => Ok(()),
        }
    }

    fn check_bounds(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let (size, unit) = match value {
            Value::Number(number) => (number.as_f64().unwrap_or_default(), ""),
            Value::String(text) => (text.chars().count() as f64, " characters long"),
            Value::Array(items) => (items.len() as f64, " items long"),
            _ => return Ok(()),
        };
        let (least, most) = match value {
            Value::Number(_) => ("minimum", "maximum"),
            Value::String(_) => ("minLength", "maxLength"),
            _ => ("minItems", "maxItems"),
        };
        if schema[least].as_f64().is_some_and(|least| size < least) {
            return Err(format!("{self} must be at least {}{unit}, not {size}", schema[least]));
        }
        if schema[most].as_f64().is_some_and(|most| size > most) {
            return Err(format!("{self} must be at most {}{unit}, not {size}", schema[most]));
        }
        Ok(())
    }

    fn check_fields(&self, schema: &Value, value: &Value) -> Result<(), String> {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                return Err(format!("{self} must have the field {name:?}"));
            }
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            let inside = if self.name.is_empty() { name.clone() } else { format!("{}.{name}", self.name) };
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(schema), _) | (None, schema @ Value::Object(_)) => self.at(inside).check(schema, value)?,
                (None, Value::Bool(false)) => return Err(format!("{self} must not have the field {name:?}")),
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// Schemas that are asked about the same value.
    fn check_others(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let same = self.at(self.name.clone());
        // Only what is in the schema itself: nothing is ever fetched.
        let meant = schema["$ref"].as_str().and_then(|reference| self.root.pointer(reference.strip_prefix('#')?));
        let all = schema["allOf"].as_array().into_iter().flatten().chain(meant);
        all.into_iter().try_for_each(|schema| same.check(schema, value))?;
        for alternatives in ["anyOf", "oneOf"] {
            let Some(alternatives) = schema[alternatives].as_array() else { continue };
            let mut problems: Vec<String> = Vec::new();
            for schema in alternatives {
                match same.check(schema, value) {
                    Ok(()) => {
                        problems.clear();
                        break;
                    }
                    Err(problem) => problems.push(problem),
                }
            }
            if !problems.is_empty() {
                return Err(problems.join(", or "));
            }
        }
        Ok(())
    }

    fn at(&self, name: String) -> Self {
        Self { root: self.root, left: self.left, subject: self.subject, name, depth: self.depth + 1 }
    }
}

/// Shows the place as part of a sentence.
impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.name.is_empty() { self.subject } else { &self.name })
    }
}

fn is_of(of: &str, value: &Value) -> bool {
    match of {
        "string" => value.is_string(),
        "number" => value.is_number(),
        // 3.0 is an integer for JSON Schema.
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_checked_and_the_place_is_named() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": { "type": "string", "maxLength": 5 },
                "days": { "type": ["integer", "null"], "minimum": 1 },
                "unit": { "enum": ["C", "F"] },
                "stops": { "type": "array", "items": { "type": "object", "required": ["name"] }, "maxItems": 2 },
                "when": { "anyOf": [{ "type": "integer" }, { "const": "now" }] },
                "tree": { "$ref": "#/$defs/Tree" },
            },
            "required": ["city"],
            "additionalProperties": false,
            "$defs": { "Tree": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Tree" } } },
        });
        for good in [
            json!({ "city": "Paris" }),
            json!({ "city": "", "days": null, "unit": "C", "stops": [{ "name": 1 }], "when": "now" }),
            json!({ "city": "", "tree": { "a": { "b": {} } } }),
        ] {
            assert_eq!(check(&schema, &good, "the arguments"), Ok(()));
        }
        for (bad, why) in [
            (json!([]), "the arguments must be of type object"),
            (json!({}), "must have the field \"city\""),
            (json!({ "city": 7 }), "city must be of type string, not 7"),
            (json!({ "city": "Berlin" }), "city must be at most 5 characters long, not 6"),
            (json!({ "city": "x", "days": 1.5 }), "days must be of type integer or null"),
            (json!({ "city": "x", "days": 0 }), "days must be at least 1, not 0"),
            (json!({ "city": "x", "unit": "K" }), "unit must be one of \"C\", \"F\""),
            (json!({ "city": "x", "stops": [{}] }), "stops[0] must have the field \"name\""),
            (json!({ "city": "x", "stops": [{"name": 1}, {"name": 1}, {"name": 1}] }), "at most 2 items long"),
            (
                json!({ "city": "x", "when": "then" }),
                "when must be of type integer, not \"then\", or when must be \"now\"",
            ),
            (json!({ "city": "x", "tree": { "a": { "b": 1 } } }), "tree.a.b must be of type object"),
            (json!({ "city": "x", "more": 1 }), "must not have the field \"more\""),
        ] {
            let problem = check(&schema, &bad, "the arguments").unwrap_err();
            assert!(problem.contains(why), "{bad}: {problem}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        let circle = json!({ "$ref": "#/$defs/A", "$defs": { "A": { "$ref": "#/$defs/A" } } });
        assert!(check(&circle, &json!({}), "it").unwrap_err().contains("too deeply"));
        let a = json!({ "$ref": "#/$defs/A" });
        let many = json!({ "$ref": "#/$defs/A", "$defs": { "A": { "anyOf": [a, a, a] } } });
        assert!(check(&many, &json!({}), "it").is_err());
    }
}
