//! Checks arguments against the part of JSON Schema that tools use: types, properties, required ones, items, enums.

use serde_json::Value;

/// Says what is wrong with `value`, and where; a keyword that is not known here accepts everything.
pub(super) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    check_at(schema, value, "")
}

fn check_at(schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let here = || if place.is_empty() { "the arguments".to_owned() } else { place.to_owned() };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|of| is_of(of, value)) {
        return Err(format!("{} must be of type {}, not {value}", here(), types.join(" or ")));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        return Err(format!("{} must be one of {}, not {value}", here(), allowed.join(", ")));
    }
    if let Value::Object(fields) = value {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                return Err(format!("{} must have the field {name:?}", here()));
            }
        }
        for (name, value) in fields {
            let inside = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            match schema["properties"].get(name) {
                Some(schema) => check_at(schema, value, &inside)?,
                None if schema["additionalProperties"] == Value::Bool(false) => {
                    return Err(format!("{} must not have the field {name:?}", here()));
                }
                None => {}
            }
        }
    }
    if let (Value::Array(items), schema @ Value::Object(_)) = (value, &schema["items"]) {
        for (number, item) in items.iter().enumerate() {
            check_at(schema, item, &format!("{place}[{number}]"))?;
        }
    }
    Ok(())
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
                "city": { "type": "string" },
                "days": { "type": ["integer", "null"] },
                "unit": { "enum": ["C", "F"] },
                "stops": { "type": "array", "items": { "type": "object", "required": ["name"] } },
            },
            "required": ["city"],
            "additionalProperties": false,
        });
        for good in
            [json!({ "city": "Paris" }), json!({ "city": "", "days": null, "unit": "C", "stops": [{ "name": 1 }] })]
        {
            assert_eq!(check(&schema, &good), Ok(()));
        }
        for (bad, why) in [
            (json!([]), "the arguments must be of type object"),
            (json!({}), "must have the field \"city\""),
            (json!({ "city": 7 }), "city must be of type string, not 7"),
            (json!({ "city": "x", "days": 1.5 }), "days must be of type integer or null"),
            (json!({ "city": "x", "unit": "K" }), "unit must be one of \"C\", \"F\""),
            (json!({ "city": "x", "stops": [{}] }), "stops[0] must have the field \"name\""),
            (json!({ "city": "x", "more": 1 }), "must not have the field \"more\""),
        ] {
            let problem = check(&schema, &bad).unwrap_err();
            assert!(problem.contains(why), "{bad}: {problem}");
        }
    }
}
