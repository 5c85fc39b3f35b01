//! Long texts as passages: short enough for a prompt, and cut where the text itself pauses.

use std::ops::Range;

use super::document::Document;

/// How long passages are, in characters (Unicode scalar values, as Python counts).
///
/// ```
/// use millstream_core::PassageSize;
///
/// assert_eq!(PassageSize::default(), PassageSize { characters: 1000, overlap: 200 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassageSize {
    /// A passage has at most so many; 0 is taken for 1.
    pub characters: usize,
    /// It begins with at most so many of the end of the one before: what fits of its last words, sentences or paragraphs.
    pub overlap: usize,
}

impl Default for PassageSize {
    fn default() -> Self {
        Self { characters: 1000, overlap: 200 }
    }
}

/// Where a text may be cut, the best places first.
#[derive(Clone, Copy)]
enum Border {
    Paragraph,
    Line,
    Sentence,
    Word,
    Character,
}

const BORDERS: &[Border] = &[Border::Paragraph, Border::Line, Border::Sentence, Border::Word, Border::Character];

/// A text as passages of at most `size`: LangChain's `RecursiveCharacterTextSplitter`, which cuts between paragraphs; what is still too long
/// between lines, then between words, and only then inside one. Here sentences come before words.
///
/// Passages are parts of the text, in its order, without white space around them. All of the text is in them but white space.
///
/// ```
/// use millstream_core::{PassageSize, split_text};
///
/// let text = "Bears eat honey. They like it.\n\nCats sleep.";
/// let size = PassageSize { characters: 20, overlap: 0 };
/// assert_eq!(split_text(text, size), ["Bears eat honey.", "They like it.", "Cats sleep."]);
/// ```
pub fn split_text(text: &str, size: PassageSize) -> Vec<&str> {
    let size = PassageSize { characters: size.characters.max(1), ..size };
    let mut split = Split { text, size, passages: Vec::new(), end: 0 };
    split.part(0..text.len(), BORDERS);
    split.passages
}

/// Documents as their passages, each with the metadata of its document. Passages of a document with an id are called `id#1`, `id#2` and so on.
///
/// ```
/// use millstream_core::{Document, PassageSize, split_documents};
///
/// let bears = Document::new("Bears eat honey. They like it.").with_id("bears").with_metadata("source", "bears.md");
/// let passages = split_documents([bears], PassageSize { characters: 20, overlap: 0 });
/// assert_eq!(passages[1], Document::new("They like it.").with_id("bears#2").with_metadata("source", "bears.md"));
/// ```
pub fn split_documents(documents: impl IntoIterator<Item = Document>, size: PassageSize) -> Vec<Document> {
    let mut passages = Vec::new();
    for document in documents {
        for (text, number) in split_text(&document.page_content, size).into_iter().zip(1..) {
            let id = document.id.as_ref().map(|id| format!("{id}#{number}"));
            passages.push(Document { id, page_content: text.to_owned(), metadata: document.metadata.clone() });
        }
    }
    passages
}

/// A text that is being split.
struct Split<'a> {
    text: &'a str,
    size: PassageSize,
    passages: Vec<&'a str>,
    /// Where the last passage ends.
    end: usize,
}

/// What is between two borders.
struct Piece {
    range: Range<usize>,
    characters: usize,
}

impl<'a> Split<'a> {
    /// Splits a part of the text at the first of `borders` that it has.
    fn part(&mut self, part: Range<usize>, borders: &[Border]) {
        let Some((border, finer)) = borders.split_first() else {
            return self.keep(part);
        };
        let mut short = Vec::new();
        for piece in self.pieces(part, *border) {
            if piece.characters <= self.size.characters {
                short.push(piece);
            } else {
                self.join(&short);
                short.clear();
                self.part(piece.range, finer);
            }
        }
        self.join(&short);
    }

    fn pieces(&self, part: Range<usize>, border: Border) -> Vec<Piece> {
        let text = &self.text[part.clone()];
        let begins = border.positions(text).into_iter().filter(|at| *at > 0).chain([text.len()]);
        let mut begin = 0;
        let piece = |end| {
            let piece = begin..end;
            begin = end;
            Piece {
                characters: text[piece.clone()].chars().count(),
                range: part.start + piece.start..part.start + piece.end,
            }
        };
        begins.map(piece).collect()
    }

    /// Joins pieces that follow each other to passages that are as long as they may be.
    fn join(&mut self, pieces: &[Piece]) {
        let PassageSize { characters, overlap } = self.size;
        let (mut first, mut total) = (0, 0);
        for piece in pieces {
            if total > 0 && total + piece.characters > characters {
                self.keep(pieces[first].range.start..piece.range.start);
                while total > overlap || (total > 0 && total + piece.characters > characters) {
                    total -= pieces[first].characters;
                    first += 1;
                }
            }
            total += piece.characters;
        }
        if let (Some(first), Some(last)) = (pieces.get(first), pieces.last()) {
            self.keep(first.range.start..last.range.end);
        }
    }

    fn keep(&mut self, passage: Range<usize>) {
        let text = &self.text[passage.clone()];
        let end = passage.start + text.trim_end().len();
        // Of what overlaps with the passage before only white space may be new.
        if !text.trim().is_empty() && end > self.end {
            self.passages.push(text.trim());
            self.end = end;
        }
    }
}

impl Border {
    /// Where pieces of `text` begin: with the white space that is between them.
    fn positions(self, text: &str) -> Vec<usize> {
        let lines = text.match_indices('\n').map(|(at, _)| at);
        match self {
            Self::Paragraph => lines.filter(|at| text[at + 1..].trim_start_matches('\r').starts_with('\n')).collect(),
            Self::Line => lines.collect(),
            Self::Sentence => sentences(text),
            Self::Word => text.match_indices(char::is_whitespace).map(|(at, _)| at).collect(),
            Self::Character => text.char_indices().map(|(at, _)| at).collect(),
        }
    }
}

/// Where sentences begin: at the white space behind a full stop, or behind a Chinese or Japanese one without any.
fn sentences(text: &str) -> Vec<usize> {
    let mut begins = Vec::new();
    let (mut ended, mut without_space) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            '.' | '!' | '?' | '…' => ended = true,
            '。' | '！' | '？' => (ended, without_space) = (true, true),
            // What is quoted or in brackets may end with its sentence.
            '"' | '\'' | '”' | '’' | ')' | ']' | '」' | '』' | '）' if ended => {}
            _ => {
                if ended && (without_space || character.is_whitespace()) {
                    begins.push(at);
                }
                (ended, without_space) = (false, false);
            }
        }
    }
    begins
}
