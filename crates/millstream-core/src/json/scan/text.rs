//! A text in quotes, with its escapes.

/// What stands for half of a pair whose other half is not there.
const NO_CHARACTER: &str = "\u{FFFD}";

/// A text that has begun.
#[derive(Debug, Default)]
pub(super) struct Text {
    escape: Escape,
    /// The first half of a pair of escapes that are one character.
    high: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    Slash,
    Unicode {
        digits: u8,
        value: u16,
    },
}

/// What was taken.
pub(super) enum Taken {
    /// So many bytes of the text.
    Run(usize),
    /// The quote that ends it.
    End,
    /// Nothing: there is no such escape.
    Wrong,
}

impl Text {
    /// Takes a run of plain characters or one character of an escape, and tells what they stand for.
    pub(super) fn take(&mut self, rest: &str, tell: &mut dyn FnMut(&str)) -> Taken {
        let Some(character) = rest.chars().next() else { return Taken::Run(0) };
        match self.escape {
            Escape::None => match character {
                '\\' => self.escape = Escape::Slash,
                '"' => {
                    self.drop_half(tell);
                    return Taken::End;
                }
                _ => {
                    self.drop_half(tell);
                    let length = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
                    tell(&rest[..length]);
                    return Taken::Run(length);
                }
            },
            Escape::Slash if character == 'u' => self.escape = Escape::Unicode { digits: 0, value: 0 },
            Escape::Slash => {
                let Some(meant) = meant_by(character) else { return Taken::Wrong };
                self.escape = Escape::None;
                self.drop_half(tell);
                tell(meant);
            }
            Escape::Unicode { digits, value } => {
                let Some(digit) = character.to_digit(16) else { return Taken::Wrong };
                let value = value << 4 | digit as u16;
                self.escape = Escape::Unicode { digits: digits + 1, value };
                if digits == 3 {
                    self.escape = Escape::None;
                    self.take_unit(value, tell);
                }
            }
        }
        Taken::Run(character.len_utf8())
    }

    fn take_unit(&mut self, unit: u16, tell: &mut dyn FnMut(&str)) {
        let mut shown = [0; 4];
        if let Some(high) = self.high
            && let Some(Ok(character)) = char::decode_utf16([high, unit]).next()
        {
            self.high = None;
            tell(character.encode_utf8(&mut shown));
            return;
        }
        self.drop_half(tell);
        match char::from_u32(unit.into()) {
            Some(character) => tell(character.encode_utf8(&mut shown)),
            None if unit < 0xDC00 => self.high = Some(unit),
            None => tell(NO_CHARACTER),
        }
    }

    fn drop_half(&mut self, tell: &mut dyn FnMut(&str)) {
        if self.high.take().is_some() {
            tell(NO_CHARACTER);
        }
    }
}

fn meant_by(escape: char) -> Option<&'static str> {
    Some(match escape {
        '"' => "\"",
        '\\' => "\\",
        '/' => "/",
        'b' => "\u{8}",
        'f' => "\u{c}",
        'n' => "\n",
        'r' => "\r",
        't' => "\t",
        _ => return None,
    })
}
