//! The parts that came together.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{BlockKind, Part};

/// A piece of a message: the parts that one frame of a provider made. Most have one part, a delta.
///
/// Chunks keep together what came together, so that a view can tell a message in the same pieces in which the model told it.
/// `Display` shows the visible text: `print!("{chunk}")` prints an answer.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chunk(pub(super) SmallVec<[Part; 1]>);

/// Nearly all chunks have one part, which needs no loop.
impl Clone for Chunk {
    fn clone(&self) -> Self {
        match &*self.0 {
            [one] => Self(SmallVec::from_buf([one.clone()])),
            many => Self(many.into()),
        }
    }
}

impl Chunk {
    /// The visible text of this piece, if it has any. One delta's text is shared, not copied.
    pub fn text(&self) -> Option<Arc<str>> {
        let mut texts = self.0.iter().filter_map(Part::text);
        let first = texts.next()?;
        match texts.next() {
            None => Some(first.clone()),
            Some(second) => {
                Some([&**first, &**second].into_iter().chain(texts.map(|text| &**text)).collect::<String>().into())
            }
        }
    }
}

impl Chunk {
    /// Whether somebody who reads along would see anything of it: more than that a message or a block begins or ends.
    pub fn is_visible(&self) -> bool {
        self.0.iter().any(|part| match part {
            Part::Delta { .. } => true,
            Part::BlockStart { block, .. } => matches!(block, BlockKind::ToolCall { .. } | BlockKind::Given { .. }),
            _ => false,
        })
    }

    /// The same parts in chunks that each go on with one block only, for a log whose readers are to stop and come back between any two
    /// things that are said.
    pub fn split(self) -> impl Iterator<Item = Self> {
        let mut pieces: SmallVec<[Self; 1]> = SmallVec::new();
        let mut says_something = true;
        for part in self.0 {
            let says = matches!(part, Part::Delta { .. } | Part::BlockEnd { .. });
            if (says && says_something) || pieces.is_empty() {
                pieces.push(Self::default());
                says_something = false;
            }
            says_something |= says;
            if let Some(piece) = pieces.last_mut() {
                piece.0.push(part);
            }
        }
        pieces.into_iter()
    }
}

impl Deref for Chunk {
    type Target = [Part];
    fn deref(&self) -> &[Part] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Chunk {
    type Item = &'a Part;
    type IntoIter = std::slice::Iter<'a, Part>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Shows the visible text.
impl fmt::Display for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().filter_map(Part::text).try_for_each(|text| f.write_str(text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::PartWriter;
    use super::*;
    use crate::message::Finish;

    #[test]
    fn a_split_chunk_has_the_same_parts_and_says_one_thing_at_a_time() {
        let mut writer = PartWriter::new("m1");
        writer.reasoning("hm");
        writer.text("so");
        writer.tool_call("call_1", "look");
        writer.tool_call("call_2", "look");
        writer.end(Finish::ToolCalls);
        let chunk = writer.take().unwrap();
        let pieces: Vec<Chunk> = chunk.clone().split().collect();
        assert_eq!(pieces.iter().flatten().collect::<Vec<_>>(), chunk.iter().collect::<Vec<_>>());
        for piece in &pieces {
            let says = piece.iter().filter(|part| matches!(part, Part::Delta { .. } | Part::BlockEnd { .. })).count();
            assert!(says <= 1, "{piece:?}");
        }
    }
}
