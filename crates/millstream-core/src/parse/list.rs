//! What all lists have in common: items that come one after the other.

use super::text_parser::Reading;
use crate::error::Result;

/// Tells the items of a list from what is between them, character by character.
pub trait Items: Default + Send + 'static {
    /// Takes a character: adds it to `item` if it belongs there. Whether an item has ended before it.
    fn take(&mut self, character: char, item: &mut String) -> bool;

    /// Whether the text may end here with an item.
    fn is_in_item(&self) -> bool;
}

/// An answer that is read as a list.
#[derive(Debug, Default)]
pub struct ReadingList<I> {
    items: I,
    item: String,
}

impl<I: Items> Reading for ReadingList<I> {
    type Output = Vec<String>;

    fn push(&mut self, text: &str, made: &mut Vec<Vec<String>>) -> Result<()> {
        for character in text.chars() {
            if self.items.take(character, &mut self.item) {
                made.push(vec![std::mem::take(&mut self.item)]);
            }
        }
        Ok(())
    }

    fn finish(self, made: &mut Vec<Vec<String>>) -> Result<()> {
        if self.items.is_in_item() {
            made.push(vec![self.item]);
        }
        Ok(())
    }
}
