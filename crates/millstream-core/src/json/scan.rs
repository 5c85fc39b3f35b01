//! The grammar of JSON as a machine that can stop between any two characters.

mod number;
mod text;

use number::Number;
use text::{Taken, Text};

/// How deep JSON may be nested: as deep as `serde_json` reads.
const DEPTH: usize = 128;

/// What the machine has understood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// An object or a list begins.
    Open(Container),
    /// The innermost of them ends.
    Close,
    /// A piece of a key.
    Key(&'a str),
    /// The key is there in full.
    KeyEnd,
    /// A text begins.
    TextStart,
    /// A piece of the text.
    Text(&'a str),
    /// The text is there in full.
    TextEnd,
    /// A character of a number.
    Number {
        character: char,
        /// Whether the number is another one with it.
        shows: bool,
    },
    /// The number is there in full.
    NumberEnd,
    /// `true`, `false` or `null`.
    Literal(Option<bool>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Container {
    Object,
    List,
}

/// What may stand where the next character is.
#[derive(Debug)]
enum State {
    Value,
    FirstItem,
    FirstKey,
    NextKey,
    Key(Text),
    Colon,
    Text(Text),
    Number(Number),
    Literal { left: &'static str, value: Option<bool> },
    CommaOrEnd,
    Done,
    Broken { expected: &'static str },
}

/// Reads JSON, and keeps nothing of it but which objects and lists are open.
#[derive(Debug)]
pub(super) struct Scan {
    state: State,
    open: Vec<Container>,
    has_members: bool,
    position: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self { state: State::Value, open: Vec::new(), has_members: false, position: 0 }
    }
}

impl Scan {
    /// Reads on, and says how many bytes of `piece` belong to the JSON: all of them, unless it ends or is broken there.
    pub(super) fn read(&mut self, piece: &str, tell: &mut dyn FnMut(Token<'_>)) -> usize {
        let mut taken = 0;
        while taken < piece.len() && !self.has_stopped() {
            taken += self.step(&piece[taken..], tell);
        }
        self.position += taken;
        taken
    }

    /// Whether nothing more is read: the JSON has ended, or it is broken.
    pub(super) fn has_stopped(&self) -> bool {
        matches!(self.state, State::Done | State::Broken { .. })
    }

    /// Whether the JSON is there in full. A number that stands alone may always get further digits.
    pub(super) fn is_complete(&self) -> bool {
        match &self.state {
            State::Done => true,
            State::Number(number) => self.open.is_empty() && number.is_one(),
            _ => false,
        }
    }

    /// What was expected where the JSON is broken.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        match self.state {
            State::Broken { expected } => Some(expected),
            _ => None,
        }
    }

    /// Whether anything is inside of the outermost object or list.
    pub(super) fn has_members(&self) -> bool {
        self.has_members
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Takes one character, or a run of them in a text; gives how many bytes. None is taken where a number has ended or the JSON is broken.
    fn step(&mut self, rest: &str, tell: &mut dyn FnMut(Token<'_>)) -> usize {
        let Some(character) = rest.chars().next() else { return 0 };
        match &mut self.state {
            State::Key(text) => match text.take(rest, &mut |run| tell(Token::Key(run))) {
                Taken::Run(length) => length,
                Taken::End => {
                    tell(Token::KeyEnd);
                    self.state = State::Colon;
                    1
                }
                Taken::Wrong => self.broken("an escape"),
            },
            State::Text(text) => match text.take(rest, &mut |run| tell(Token::Text(run))) {
                Taken::Run(length) => length,
                Taken::End => {
                    tell(Token::TextEnd);
                    self.end_value();
                    1
                }
                Taken::Wrong => self.broken("an escape"),
            },
            State::Number(number) => match number.take(character) {
                Some(shows) => {
                    tell(Token::Number { character, shows });
                    1
                }
                None if number.is_one() => {
                    tell(Token::NumberEnd);
                    self.end_value();
                    0
                }
                None => self.broken("a digit"),
            },
            State::Literal { left, value } if left.starts_with(character) => {
                *left = &left[1..];
                if left.is_empty() {
                    tell(Token::Literal(*value));
                    self.end_value();
                }
                1
            }
            State::Literal { .. } => self.broken("true, false or null"),
            _ if matches!(character, ' ' | '\t' | '\n' | '\r') => 1,
            _ => self.step_outside(character, tell),
        }
    }

    /// Takes a character that is in no value.
    fn step_outside(&mut self, character: char, tell: &mut dyn FnMut(Token<'_>)) -> usize {
        self.state = match (&self.state, character) {
            (State::FirstItem, ']') | (State::FirstKey, '}') => return self.close(tell),
            (State::Value | State::FirstItem, _) => return self.begin_value(character, tell),
            (State::FirstKey | State::NextKey, '"') => {
                self.has_members = true;
                State::Key(Text::default())
            }
            (State::Colon, ':') => State::Value,
            (State::CommaOrEnd, _) => match (self.open.last(), character) {
                (Some(Container::Object), ',') => State::NextKey,
                (Some(Container::List), ',') => State::Value,
                (Some(Container::Object), '}') | (Some(Container::List), ']') => return self.close(tell),
                (Some(Container::Object), _) => return self.broken("a comma or }"),
                _ => return self.broken("a comma or ]"),
            },
            (State::FirstKey, _) => return self.broken("a key in quotes or }"),
            (State::NextKey, _) => return self.broken("a key in quotes"),
            _ => return self.broken("a colon"),
        };
        1
    }

    fn begin_value(&mut self, character: char, tell: &mut dyn FnMut(Token<'_>)) -> usize {
        let is_inside = !self.open.is_empty();
        self.state = match character {
            '{' | '[' if self.open.len() == DEPTH => return self.broken("no deeper nesting than 128 levels"),
            '{' => self.open(Container::Object, tell),
            '[' => self.open(Container::List, tell),
            '"' => {
                tell(Token::TextStart);
                State::Text(Text::default())
            }
            '-' | '0'..='9' => {
                let (number, shows) = Number::begin(character);
                tell(Token::Number { character, shows });
                State::Number(number)
            }
            't' => State::Literal { left: "rue", value: Some(true) },
            'f' => State::Literal { left: "alse", value: Some(false) },
            'n' => State::Literal { left: "ull", value: None },
            _ => return self.broken("a value"),
        };
        self.has_members |= is_inside;
        1
    }

    fn open(&mut self, container: Container, tell: &mut dyn FnMut(Token<'_>)) -> State {
        self.open.push(container);
        tell(Token::Open(container));
        match container {
            Container::Object => State::FirstKey,
            Container::List => State::FirstItem,
        }
    }

    fn close(&mut self, tell: &mut dyn FnMut(Token<'_>)) -> usize {
        self.open.pop();
        tell(Token::Close);
        self.end_value();
        1
    }

    fn end_value(&mut self) {
        self.state = if self.open.is_empty() { State::Done } else { State::CommaOrEnd };
    }

    fn broken(&mut self, expected: &'static str) -> usize {
        self.state = State::Broken { expected };
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_however_many_pieces_each_byte_is_told_once() {
        let text = "mot é \u{1F600} ".repeat(1 << 17);
        let written = serde_json::json!({ "a": text }).to_string();
        assert!(written.len() > 1 << 20);
        let (mut scan, mut told, mut tokens) = (Scan::default(), 0, 0);
        for piece in written.split_inclusive(' ') {
            scan.read(piece, &mut |token| {
                tokens += 1;
                if let Token::Text(more) = token {
                    told += more.len();
                }
            });
        }
        assert!(scan.is_complete());
        assert_eq!(told, text.len());
        assert!(tokens < 4 * (1 << 17), "{tokens}");
    }
}
