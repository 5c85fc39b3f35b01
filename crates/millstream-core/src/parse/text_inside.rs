//! The text inside of one tag.

use std::sync::Arc;

use super::text_parser::{Reading, TextParser};
use super::unfit;
use crate::cx::Label;
use crate::error::Result;
use crate::event::Kind;

/// Reads the text inside of the first `<tag>...</tag>` out of an answer, and streams it as it comes.
///
/// For answers in which a model thinks aloud before it says what counts. What is inside is text: other tags are part of it. A tag that is
/// never closed, since the answer stopped there, goes to the end.
///
/// ```
/// use millstream_core::{Demo, Model, Runnable, TextInside};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let model = Model::from(Demo::says(["Let me see. 6 * 7 is... <answer>It is 42.</answer>"]));
/// assert_eq!(model.pipe(TextInside::tag("answer")).run("What is 6 * 7?").await?, "It is 42.");
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
///
/// # Errors
/// `invalid_output` if the tag is not in the answer.
#[derive(Clone, Debug)]
pub struct TextInside {
    tag: Arc<str>,
}

impl TextInside {
    /// The text inside of `<tag>`.
    pub fn tag(tag: impl Into<Arc<str>>) -> Self {
        Self { tag: tag.into() }
    }
}

impl TextParser for TextInside {
    type Reading = ReadingInside;

    fn read(&self) -> ReadingInside {
        let start = format!("<{}", self.tag);
        let end = format!("</{}>", self.tag);
        ReadingInside { start, end, place: Place::Before, matched: String::new() }
    }

    fn label(&self) -> Label {
        Label::new(Kind::Parser, "TextInside")
    }
}

/// An answer of which the text inside of a tag is read.
#[derive(Debug)]
pub struct ReadingInside {
    start: String,
    end: String,
    place: Place,
    /// What may be the begin of the tag that is looked for, and is not known to be it yet.
    matched: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Before,
    /// After the tag's name: it ends here, or has attributes.
    Name,
    Attributes {
        slash: bool,
    },
    Inside,
    After,
}

impl ReadingInside {
    fn take(&mut self, character: char, inside: &mut String) {
        match self.place {
            Place::Before => {
                self.look_for_start(character);
            }
            Place::Name if character == '>' || character == '/' || character.is_whitespace() => {
                self.place = Place::Attributes { slash: false };
                self.take_attribute(character, false);
            }
            Place::Name => {
                // Another tag that begins with the same letters.
                self.place = Place::Before;
                self.look_for_start(character);
            }
            Place::Attributes { slash } => self.take_attribute(character, slash),
            Place::Inside => self.look_for_end(character, inside),
            Place::After => {}
        }
    }

    fn look_for_start(&mut self, character: char) {
        if !self.start[self.matched.len()..].starts_with(character) {
            self.matched.clear();
        }
        if self.start[self.matched.len()..].starts_with(character) {
            self.matched.push(character);
        }
        if self.matched == self.start {
            self.matched.clear();
            self.place = Place::Name;
        }
    }

    fn take_attribute(&mut self, character: char, slash: bool) {
        self.place = match character {
            '>' if slash => Place::After,
            '>' => Place::Inside,
            _ => Place::Attributes { slash: character == '/' },
        };
    }

    fn look_for_end(&mut self, character: char, inside: &mut String) {
        if !self.end[self.matched.len()..].starts_with(character) {
            inside.push_str(&self.matched);
            self.matched.clear();
        }
        if self.end[self.matched.len()..].starts_with(character) {
            self.matched.push(character);
        } else {
            inside.push(character);
        }
        if self.matched == self.end {
            self.matched.clear();
            self.place = Place::After;
        }
    }
}

impl Reading for ReadingInside {
    type Output = String;

    fn push(&mut self, text: &str, made: &mut Vec<Arc<str>>) -> Result<()> {
        let mut inside = String::new();
        for character in text.chars() {
            self.take(character, &mut inside);
        }
        made.extend((!inside.is_empty()).then(|| inside.into()));
        Ok(())
    }

    fn finish(self, made: &mut Vec<Arc<str>>) -> Result<()> {
        match self.place {
            Place::Inside => made.extend((!self.matched.is_empty()).then(|| self.matched.into())),
            Place::After => {}
            Place::Before | Place::Name | Place::Attributes { .. } => {
                return Err(unfit(format!("the model's answer has no {}>", self.start)));
            }
        }
        Ok(())
    }
}
