//! JSON Schema: of a type, as a model is told it, and as a check of what the model wrote.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

mod check;
mod strict;

pub(crate) use check::check;
pub(crate) use strict::strict;

/// The JSON Schema of a type, as models are told it: with everything in place rather than by reference, and without a title.
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    schema.to_value()
}

/// What to tell a model that should answer by `schema`.
pub(crate) fn instructions(schema: &Value) -> String {
    format!(
        "Answer with one JSON value, and with nothing before or after it. It has to be valid by this JSON Schema; \
         it is the value itself, not a schema:\n```json\n{}\n```",
        crate::message::spaced(schema)
    )
}
