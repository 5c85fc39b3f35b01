//! A list in Markdown.

use super::list::{Items, ReadingList};
use super::text_parser::TextParser;
use crate::cx::Label;
use crate::event::Kind;

/// Reads the items of Markdown lists out of an answer: LangChain's `MarkdownListOutputParser`. Streams each item when its line has ended.
///
/// An item is what follows a `-` or `*` and white space at the begin of a line; other lines are left out. Items of lists inside of lists are items.
///
/// ```
/// use millstream_core::{Demo, MarkdownList, Model, Runnable};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let chain = Model::from(Demo::says(["Here they are:\n- red\n- light green"])).pipe(MarkdownList);
/// assert_eq!(chain.run("Which colours?").await?, ["red", "light green"]);
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MarkdownList;

impl MarkdownList {
    /// What to tell a model.
    pub fn format_instructions(self) -> &'static str {
        "Answer with a Markdown list, each item on a line of its own, like:\n\n- one\n- two\n- three"
    }
}

impl TextParser for MarkdownList {
    type Reading = ReadingList<Place>;

    fn read(&self) -> ReadingList<Place> {
        ReadingList::default()
    }

    fn label(&self) -> Label {
        Label::new(Kind::Parser, "MarkdownListOutputParser")
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Place {
    #[default]
    BeginOfLine,
    Mark,
    Space,
    Item,
    OtherLine,
}

impl Items for Place {
    fn take(&mut self, character: char, item: &mut String) -> bool {
        let ends = *self == Self::Item && character == '\n';
        *self = match (*self, character) {
            // As for the reference's pattern, the white space after a mark may be the end of its line.
            (Self::Mark, _) if character.is_whitespace() => Self::Space,
            (_, '\n') => Self::BeginOfLine,
            (Self::BeginOfLine, '-' | '*') => Self::Mark,
            (Self::BeginOfLine, _) if character.is_whitespace() => Self::BeginOfLine,
            (Self::Space | Self::Item, _) => {
                item.push(character);
                Self::Item
            }
            _ => Self::OtherLine,
        };
        ends
    }

    fn is_in_item(&self) -> bool {
        *self == Self::Item
    }
}
