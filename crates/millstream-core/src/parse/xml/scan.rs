//! Tags and text, character by character.

/// What is told of XML.
#[derive(Debug, PartialEq)]
pub(super) enum Token {
    /// An element begins.
    Start(String),
    /// Text goes on.
    Character(char),
    /// An element ends.
    End(String),
}

/// How long a reference like `&amp;` may be.
const LONGEST_REFERENCE: usize = 10;
const CDATA: &str = "[CDATA[";

/// Reads XML, and keeps nothing of it but a tag that has begun.
#[derive(Debug, Default)]
pub(super) struct Scan {
    place: Place,
    /// The name of a tag, or a reference, as far as it has come.
    name: String,
    has_begun: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Place {
    #[default]
    Text,
    /// After `<`.
    Angle,
    StartName,
    /// In a start tag, after its name.
    Attributes {
        quote: Option<char>,
        slash: bool,
    },
    EndName,
    /// In an end tag, after its name.
    EndRest,
    /// After `&`.
    Reference,
    /// After `<!`.
    Bang,
    Comment {
        dashes: usize,
    },
    Cdata {
        brackets: usize,
    },
    /// In `<!...>` or `<?...>`.
    Skipped,
    Stopped,
}

impl Scan {
    /// Reads a character, and adds to `tokens` what it tells.
    pub(super) fn take(&mut self, character: char, tokens: &mut Vec<Token>) {
        self.place = match (self.place, character) {
            (Place::Text, '<') => Place::Angle,
            (Place::Text, '&') if self.has_begun => Place::Reference,
            (Place::Text, _) => self.text(character, tokens),
            (Place::Angle, '/') if self.has_begun => Place::EndName,
            (Place::Angle, '!') => Place::Bang,
            (Place::Angle, '?') => Place::Skipped,
            (Place::Angle, _) if character.is_alphabetic() || matches!(character, '_' | ':') => {
                self.has_begun = true;
                self.name.push(character);
                Place::StartName
            }
            (Place::Angle, _) => self.again("<", character, tokens),
            (Place::StartName, '>' | '/') => self.attributes(None, false, character, tokens),
            (Place::StartName, _) if character.is_whitespace() => Place::Attributes { quote: None, slash: false },
            (Place::StartName | Place::EndName, _) if character != '>' && !character.is_whitespace() => {
                self.name.push(character);
                self.place
            }
            (Place::Attributes { quote, slash }, _) => self.attributes(quote, slash, character, tokens),
            (Place::EndName | Place::EndRest, '>') => {
                tokens.push(Token::End(std::mem::take(&mut self.name)));
                Place::Text
            }
            (Place::StartName | Place::EndName | Place::EndRest, _) => Place::EndRest,
            (Place::Reference, ';') => self.reference(tokens),
            (Place::Reference, _) if self.may_be_reference(character) => {
                self.name.push(character);
                Place::Reference
            }
            (Place::Reference, _) => {
                let written = format!("&{}", std::mem::take(&mut self.name));
                self.again(&written, character, tokens)
            }
            (Place::Bang, _) => self.bang(character),
            (Place::Comment { dashes: 2.. }, '>') => Place::Text,
            (Place::Comment { dashes }, '-') => Place::Comment { dashes: dashes + 1 },
            (Place::Comment { .. }, _) => Place::Comment { dashes: 0 },
            (Place::Cdata { brackets }, _) => self.cdata(brackets, character, tokens),
            (Place::Skipped, '>') => Place::Text,
            (Place::Skipped, _) => Place::Skipped,
            (Place::Stopped, _) => Place::Stopped,
        };
    }

    /// Reads nothing more.
    pub(super) fn stop(&mut self) {
        self.place = Place::Stopped;
    }

    fn text(&self, character: char, tokens: &mut Vec<Token>) -> Place {
        if self.has_begun {
            tokens.push(Token::Character(character));
        }
        Place::Text
    }

    /// What looked like markup was text: tells it, and reads `character` as what comes after.
    fn again(&mut self, written: &str, character: char, tokens: &mut Vec<Token>) -> Place {
        for character in written.chars() {
            self.text(character, tokens);
        }
        self.place = Place::Text;
        self.take(character, tokens);
        self.place
    }

    fn attributes(&mut self, quote: Option<char>, slash: bool, character: char, tokens: &mut Vec<Token>) -> Place {
        match (quote, character) {
            (Some(open), _) if open == character => Place::Attributes { quote: None, slash: false },
            (None, '"' | '\'') => Place::Attributes { quote: Some(character), slash: false },
            (None, '>') => {
                let name = std::mem::take(&mut self.name);
                let ends = slash.then(|| Token::End(name.clone()));
                tokens.push(Token::Start(name));
                tokens.extend(ends);
                Place::Text
            }
            (None, _) => Place::Attributes { quote, slash: character == '/' },
            (Some(_), _) => Place::Attributes { quote, slash: false },
        }
    }

    fn may_be_reference(&self, character: char) -> bool {
        let is_first = self.name.is_empty();
        self.name.len() < LONGEST_REFERENCE && (character.is_ascii_alphanumeric() || (is_first && character == '#'))
    }

    fn reference(&mut self, tokens: &mut Vec<Token>) -> Place {
        let name = std::mem::take(&mut self.name);
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let meant = match name.as_str() {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            name => match name.strip_prefix('#') {
                Some(digits) => match digits.strip_prefix(['x', 'X']) {
                    Some(digits) => number(digits, 16),
                    None => number(digits, 10),
                },
                None => None,
            },
        };
        match meant {
            Some(character) => {
                tokens.push(Token::Character(character));
                Place::Text
            }
            None => self.again(&format!("&{name}"), ';', tokens),
        }
    }

    /// Finds out which kind of `<!...` it is.
    fn bang(&mut self, character: char) -> Place {
        self.name.push(character);
        let place = match self.name.as_str() {
            "--" => Place::Comment { dashes: 0 },
            CDATA => Place::Cdata { brackets: 0 },
            begun if "--".starts_with(begun) || CDATA.starts_with(begun) => return Place::Bang,
            _ if character == '>' => Place::Text,
            _ => Place::Skipped,
        };
        self.name.clear();
        place
    }

    fn cdata(&self, brackets: usize, character: char, tokens: &mut Vec<Token>) -> Place {
        match (brackets, character) {
            (2.., '>') => return Place::Text,
            // Of three brackets the first is text.
            (2.., ']') => {
                self.text(']', tokens);
                return Place::Cdata { brackets };
            }
            (_, ']') => return Place::Cdata { brackets: brackets + 1 },
            _ => {}
        }
        for _ in 0..brackets {
            self.text(']', tokens);
        }
        self.text(character, tokens);
        Place::Cdata { brackets: 0 }
    }
}
