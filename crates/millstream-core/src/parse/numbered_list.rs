//! A numbered list.

use super::list::{Items, ReadingList};
use super::text_parser::TextParser;
use crate::cx::Label;
use crate::event::Kind;

/// Reads the items of a numbered list out of an answer: LangChain's `NumberedListOutputParser`. Streams each item when its line has ended.
///
/// An item is what follows a number, a point and white space, up to the end of the line; other text is left out.
///
/// ```
/// use millstream_core::{Demo, Model, NumberedList, Runnable};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let chain = Model::from(Demo::says(["Here they are:\n1. red\n2. light green"])).pipe(NumberedList);
/// assert_eq!(chain.run("Which colours?").await?, ["red", "light green"]);
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberedList;

impl NumberedList {
    /// What to tell a model.
    pub fn format_instructions(self) -> &'static str {
        "Answer with a numbered list, each item on a line of its own, like:\n\n1. one\n2. two\n3. three"
    }
}

impl TextParser for NumberedList {
    type Reading = ReadingList<Place>;

    fn read(&self) -> ReadingList<Place> {
        ReadingList::default()
    }

    fn label(&self) -> Label {
        Label::new(Kind::Parser, "NumberedListOutputParser")
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Place {
    #[default]
    Outside,
    Number,
    Point,
    Space,
    Item,
}

impl Items for Place {
    fn take(&mut self, character: char, item: &mut String) -> bool {
        let ends = *self == Self::Item && character == '\n';
        *self = match (*self, character) {
            (Self::Item | Self::Space, '\n') => Self::Outside,
            (Self::Item | Self::Space, _) => {
                item.push(character);
                Self::Item
            }
            (Self::Number, '.') => Self::Point,
            (Self::Point, _) if character.is_whitespace() => Self::Space,
            _ if character.is_numeric() => Self::Number,
            _ => Self::Outside,
        };
        ends
    }

    fn is_in_item(&self) -> bool {
        *self == Self::Item
    }
}
