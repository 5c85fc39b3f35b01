//! JSON of any shape.

use super::text_parser::{Reading, TextParser};
use super::{excerpt, unfit};
use crate::cx::Label;
use crate::error::{Error, Result};
use crate::event::Kind;
use crate::json::{JsonView, MarkdownJson};

/// How many bytes of an answer's begin are kept: more than an error shows of it.
const BEGIN: usize = 1000;

/// Reads an answer as JSON: LangChain's `JsonOutputParser`. [`Typed`](crate::Typed) is for JSON whose shape is known.
///
/// Streams a [`JsonView`] whenever there is more to see. The JSON may stand in a fence, with words before and after it. JSON that was cut is
/// as far as it goes; whoever needs all of it uses [`Typed`](crate::Typed).
///
/// ```
/// use futures_util::TryStreamExt;
/// use millstream_core::{AnyJson, Demo, Model, Runnable};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let chain = Model::from(Demo::says([r#"{"name": "France", "area": 551}"#])).pipe(AnyJson);
/// let mut views = chain.run("Which country?").stream();
/// while let Some(view) = views.try_next().await? {
///     println!("{}", view["name"]);
/// }
/// assert_eq!(chain.run("Which country?").await?["area"], 551);
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
///
/// # Errors
/// `invalid_output` if the answer has no JSON, or JSON with a mistake in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyJson;

impl AnyJson {
    /// What to tell a model.
    pub fn format_instructions(self) -> &'static str {
        "Answer with JSON, and with nothing else."
    }
}

impl TextParser for AnyJson {
    type Reading = ReadingJson;

    fn read(&self) -> ReadingJson {
        ReadingJson::default()
    }

    fn label(&self) -> Label {
        Label::new(Kind::Parser, "JsonOutputParser")
    }
}

/// An answer that is read as JSON.
#[derive(Debug, Default)]
pub struct ReadingJson {
    json: MarkdownJson,
    /// What the answer begins with, for an error.
    begin: String,
}

impl ReadingJson {
    /// Reads on, and gives what there is to see if it is more than before.
    pub(super) fn more(&mut self, text: &str) -> Option<JsonView> {
        if self.begin.len() < BEGIN {
            self.begin.push_str(&text[..text.floor_char_boundary(BEGIN)]);
        }
        if self.json.push(text) { self.json.view() } else { None }
    }

    /// The JSON, as far as it is there.
    pub(super) fn seen(&self) -> Result<JsonView> {
        if let Some(mistake) = self.json.mistake() {
            return Err(self.unfit(&format!("its JSON has a mistake: {mistake}")));
        }
        self.json.view().ok_or_else(|| self.unfit("there is no JSON in it, nor behind a fence ```json"))
    }

    /// The JSON, if it is there in full.
    pub(super) fn whole(&self) -> Result<JsonView> {
        let seen = self.seen()?;
        if self.json.is_complete() { Ok(seen) } else { Err(self.unfit("its JSON ends before it is complete")) }
    }

    fn unfit(&self, what: &str) -> Error {
        unfit(format!("the model's answer cannot be read: {what}; the answer begins with {:?}", excerpt(&self.begin)))
    }
}

impl Reading for ReadingJson {
    type Output = JsonView;

    fn push(&mut self, text: &str, made: &mut Vec<JsonView>) -> Result<()> {
        made.extend(self.more(text));
        Ok(())
    }

    fn finish(self, _: &mut Vec<JsonView>) -> Result<()> {
        self.seen().map(drop)
    }
}
