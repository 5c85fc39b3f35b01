//! JSON of a known shape.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::any_json::ReadingJson;
use super::partial::{Partial, Valid};
use super::text_parser::{Reading, TextParser};
use super::{excerpt, unfit};
use crate::cx::Label;
use crate::error::Result;
use crate::event::Kind;
use crate::json::JsonView;
use crate::schema;

/// Reads an answer as a `T`: LangChain's `PydanticOutputParser`. [`Model::structured`](crate::Model::structured) also asks for one.
///
/// Streams [`Partial`]s of what has come, the last of which is whole, and gives one [`Valid`] value.
///
/// ```
/// use futures_util::TryStreamExt;
/// use millstream_core::{Demo, Model, Runnable, Typed};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Country {
///     name: String,
///     area: u32,
/// }
///
/// # futures_util::FutureExt::now_or_never(async {
/// let model = Model::from(Demo::says([r#"{"name": "France", "area": 551}"#]));
/// let chain = model.pipe(Typed::<Country>::new());
///
/// let mut drafts = chain.run("Which country?").stream();
/// while let Some(draft) = drafts.try_next().await? {
///     println!("{:?} so far, complete: {}", draft.get("name"), draft.whole().is_some());
/// }
/// let country = chain.run("Which country?").await?;
/// assert_eq!((country.name.as_str(), country.area), ("France", 551));
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
///
/// # Errors
/// `invalid_output` if the answer has no JSON, or JSON that is not complete, has a mistake in it, or is no `T`: then it says where in the
/// value, and what should be there.
pub struct Typed<T> {
    schema: Arc<Value>,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + JsonSchema + Send + Sync + 'static> Typed<T> {
    /// A parser for the JSON Schema of `T`.
    pub fn new() -> Self {
        Self { schema: Arc::new(schema::of::<T>()), of: PhantomData }
    }

    /// What to tell a model: that it should answer with JSON, and the schema. It has braces: give it to a prompt as a variable.
    pub fn format_instructions(&self) -> String {
        schema::instructions(&self.schema)
    }

    /// The JSON Schema of `T`.
    pub fn schema(&self) -> &Value {
        &self.schema
    }
}

impl<T: DeserializeOwned + JsonSchema + Send + Sync + 'static> Default for Typed<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self { schema: self.schema.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").field("schema", &self.schema).finish()
    }
}

impl<T: DeserializeOwned + JsonSchema + Send + Sync + 'static> TextParser for Typed<T> {
    type Reading = ReadingTyped<T>;

    fn read(&self) -> ReadingTyped<T> {
        ReadingTyped { json: ReadingJson::default(), parser: self.clone() }
    }

    fn label(&self) -> Label {
        Label::new(Kind::Parser, "PydanticOutputParser")
    }
}

/// An answer that is read as a `T`.
#[derive(Debug)]
pub struct ReadingTyped<T> {
    json: ReadingJson,
    parser: Typed<T>,
}

impl<T: DeserializeOwned + JsonSchema + Send + Sync + 'static> Reading for ReadingTyped<T> {
    type Output = Valid<T>;

    fn push(&mut self, text: &str, made: &mut Vec<Partial<T>>) -> Result<()> {
        made.extend(self.json.more(text).map(Partial::new));
        Ok(())
    }

    fn finish(self, made: &mut Vec<Partial<T>>) -> Result<()> {
        let view = self.json.whole()?;
        made.push(Partial::whole_of(valid(&self.parser.schema, view)?));
        Ok(())
    }
}

fn valid<T: DeserializeOwned + JsonSchema>(schema: &Value, view: JsonView) -> Result<Valid<T>> {
    let name: Cow<'static, str> = T::schema_name();
    let refused = |problem: String| {
        unfit(format!("the model's answer is no {name}: {problem}; the answer is {}", excerpt(&view.to_string())))
    };
    schema::check(schema, view.value(), "the answer").map_err(refused)?;
    match T::deserialize(view.value()) {
        Ok(value) => Ok(Valid::new(value, view)),
        Err(problem) => Err(refused(problem.to_string()).with_source(problem)),
    }
}
