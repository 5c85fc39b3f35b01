//! A list with commas.

use super::list::{Items, ReadingList};
use super::text_parser::TextParser;
use crate::cx::Label;
use crate::event::Kind;

/// Reads an answer as items with commas between them: LangChain's `CommaSeparatedListOutputParser`. Streams each item when it has ended.
///
/// An item in quotes may have commas in it, and `""` for a quote. Each line is a row of items, and all rows are one list.
///
/// ```
/// use millstream_core::{CommaList, Demo, Model, Runnable};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let chain = Model::from(Demo::says([r#"red, "light, green", blue"#])).pipe(CommaList);
/// assert_eq!(chain.run("Which colours?").await?, ["red", "light, green", "blue"]);
/// # Ok::<(), millstream_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CommaList;

impl CommaList {
    /// What to tell a model.
    pub fn format_instructions(self) -> &'static str {
        "Answer with a list of values with commas between them, like `one, two, three`, and with nothing else."
    }
}

impl TextParser for CommaList {
    type Reading = ReadingList<Place>;

    fn read(&self) -> ReadingList<Place> {
        ReadingList::default()
    }

    fn label(&self) -> Label {
        Label::new(Kind::Parser, "CommaSeparatedListOutputParser")
    }
}

/// Where the next character stands, in the words of Python's `csv` module.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Place {
    #[default]
    BeginOfRow,
    BeginOfItem,
    Item,
    Quoted,
    /// After a quote, which ends the item or is the first of two.
    QuoteInQuoted,
}

impl Items for Place {
    fn take(&mut self, character: char, item: &mut String) -> bool {
        match (*self, character) {
            (Self::Quoted, '"') => *self = Self::QuoteInQuoted,
            (Self::Quoted, _) => item.push(character),
            (Self::BeginOfRow, '\n' | '\r') => {}
            (_, '\n' | '\r') => {
                *self = Self::BeginOfRow;
                return true;
            }
            (_, ',') => {
                *self = Self::BeginOfItem;
                return true;
            }
            (Self::BeginOfRow | Self::BeginOfItem, ' ') => *self = Self::BeginOfItem,
            (Self::BeginOfRow | Self::BeginOfItem, '"') => *self = Self::Quoted,
            (Self::QuoteInQuoted, '"') => {
                item.push('"');
                *self = Self::Quoted;
            }
            _ => {
                item.push(character);
                *self = Self::Item;
            }
        }
        false
    }

    fn is_in_item(&self) -> bool {
        *self != Self::BeginOfRow
    }
}
