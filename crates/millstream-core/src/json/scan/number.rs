//! A number, character by character.

/// How far a number has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    E,
    ESign,
    Exponent,
}

impl Number {
    /// Begins with a minus or a digit; and whether that shows a number.
    pub(super) fn begin(character: char) -> (Self, bool) {
        match character {
            '-' => (Self::Minus, false),
            '0' => (Self::Zero, true),
            _ => (Self::Digits, true),
        }
    }

    /// Takes the next character and says whether the number is another one with it; `None` if it does not belong to the number.
    pub(super) fn take(&mut self, character: char) -> Option<bool> {
        let (next, shows) = match (*self, character) {
            (Self::Minus, '0'..='9') => Self::begin(character),
            (Self::Digits, '0'..='9') => (Self::Digits, true),
            (Self::Zero | Self::Digits, '.') => (Self::Point, false),
            (Self::Point, '0'..='9') => (Self::Fraction, true),
            (Self::Fraction, '0'..='9') => (Self::Fraction, character != '0'),
            (Self::Zero | Self::Digits | Self::Fraction, 'e' | 'E') => (Self::E, false),
            (Self::E, '+' | '-') => (Self::ESign, false),
            (Self::E | Self::ESign | Self::Exponent, '0'..='9') => (Self::Exponent, true),
            _ => return None,
        };
        *self = next;
        Some(shows)
    }

    /// Whether it can end here.
    pub(super) fn is_one(self) -> bool {
        matches!(self, Self::Zero | Self::Digits | Self::Fraction | Self::Exponent)
    }
}
