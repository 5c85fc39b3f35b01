//! JSON inside what a model says: with words before it and a fence around it, as LangChain's `parse_json_markdown` finds it.

use super::reader::JsonReader;
use super::view::JsonView;

/// What is around JSON and does not belong to it.
const AROUND: [char; 5] = [' ', '\n', '\r', '\t', '`'];
/// How many backticks are a fence.
const FENCE: usize = 3;
/// How long a language may be that a fence names.
const LANGUAGE: usize = 16;

/// Finds JSON in a text that comes in pieces: at its begin, or else behind a fence.
#[derive(Debug)]
pub(crate) struct MarkdownJson {
    place: Place,
    reader: JsonReader,
    /// Read already, and not known yet to belong to the JSON: [`AROUND`] at its end.
    held: String,
}

#[derive(Debug)]
enum Place {
    /// Where JSON may begin.
    Begin {
        backticks: usize,
    },
    /// In words; the last so many characters were backticks.
    Words {
        backticks: usize,
    },
    /// Behind a fence: what it says of its content.
    Fence {
        says: String,
    },
    Json,
}

/// Whether `character` goes on with what a fence `says`: `json5`, but not the 5 of a bare number.
fn is_of_name(character: char, says: &str) -> bool {
    says.len() < LANGUAGE && (character.is_alphabetic() || (character.is_numeric() && !says.is_empty()))
}

impl Default for MarkdownJson {
    fn default() -> Self {
        Self { place: Place::Begin { backticks: 0 }, reader: JsonReader::default(), held: String::new() }
    }
}

impl MarkdownJson {
    /// Reads on, and says whether there is more to see than before.
    pub(crate) fn push(&mut self, piece: &str) -> bool {
        let mut shows_more = false;
        let mut rest = piece;
        while !rest.is_empty() {
            if let Place::Json = self.place {
                let (used, more) = self.read(rest);
                shows_more |= more;
                rest = &rest[used..];
            } else {
                let Some(character) = rest.chars().next() else { break };
                rest = &rest[self.look(character)..];
            }
        }
        shows_more
    }

    /// What is there so far; `None` if nothing can be shown yet.
    pub(crate) fn view(&self) -> Option<JsonView> {
        self.reader.view()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.reader.is_complete()
    }

    /// What is wrong with the JSON that was found, and where.
    pub(crate) fn mistake(&self) -> Option<String> {
        self.reader.mistake()
    }

    /// Looks for JSON; gives how many bytes belong to what is before it.
    fn look(&mut self, character: char) -> usize {
        let begins = matches!(character, '{' | '[' | '"' | '-' | '0'..='9' | 't' | 'f' | 'n');
        let length = character.len_utf8();
        let (place, taken) = match &mut self.place {
            Place::Begin { .. } if begins => {
                self.reader = JsonReader::default();
                (Place::Json, 0)
            }
            Place::Begin { backticks } | Place::Words { backticks } if character == '`' => {
                *backticks += 1;
                if *backticks < FENCE {
                    return length;
                }
                (Place::Fence { says: String::new() }, length)
            }
            Place::Begin { .. } if AROUND.contains(&character) => (Place::Begin { backticks: 0 }, length),
            Place::Fence { says } if is_of_name(character, says) => {
                says.push(character.to_ascii_lowercase());
                return length;
            }
            Place::Fence { says } if matches!(says.as_str(), "" | "json" | "json5" | "jsonc") => {
                (Place::Begin { backticks: 0 }, 0)
            }
            Place::Begin { .. } | Place::Words { .. } | Place::Fence { .. } => (Place::Words { backticks: 0 }, length),
            Place::Json => return 0,
        };
        self.place = place;
        taken
    }

    /// Reads JSON; gives how many bytes are done with, and whether there is more to see.
    fn read(&mut self, rest: &str) -> (usize, bool) {
        let inside = rest.trim_end_matches(AROUND);
        if self.reader.scan().has_stopped() {
            return (rest.len(), false);
        }
        if inside.is_empty() {
            self.held.push_str(rest);
            return (rest.len(), false);
        }
        let held = std::mem::take(&mut self.held);
        let before = self.reader.read(&held);
        if self.was_words() {
            // There is no more JSON in what was held, but there may be a fence.
            self.push(&held[before.used..]);
            return (0, before.shows_more);
        }
        let read = self.reader.read(inside);
        let shows_more = before.shows_more || read.shows_more;
        if self.was_words() {
            return (read.used, shows_more);
        }
        self.held.push_str(&rest[inside.len()..]);
        (rest.len(), shows_more)
    }

    /// Goes on with words if what was read as JSON is broken before anything was inside.
    fn was_words(&mut self) -> bool {
        let was_words = self.reader.scan().mistake().is_some() && !self.reader.scan().has_members();
        if was_words {
            self.place = Place::Words { backticks: 0 };
        }
        was_words
    }
}
