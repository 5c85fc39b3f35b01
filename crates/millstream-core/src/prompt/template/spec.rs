//! Python's format specifications: the `.2f` of `{price:.2f}`.

use serde_json::Value;

use super::number::{Digits, digits};
use super::python::shown;

/// `[[fill]align][sign][z][#][0][width][grouping][.precision][type]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spec {
    fill: Option<char>,
    align: Option<char>,
    pub(super) sign: Option<char>,
    /// No minus before a number that is shown as zero.
    pub(super) positive_zero: bool,
    pub(super) alternate: bool,
    zeros: bool,
    width: usize,
    pub(super) grouping: Option<char>,
    pub(super) precision: Option<usize>,
    pub(super) kind: Option<char>,
}

/// What may be written for a width or a precision: more is a mistake, and costs memory.
const LONGEST: usize = 9999;

impl Spec {
    /// Reads a specification.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let characters: Vec<char> = text.chars().collect();
        let mut rest = &characters[..];
        let mut spec = Self::default();
        let is_align = |character: &char| matches!(character, '<' | '>' | '=' | '^');
        if characters.get(1).is_some_and(is_align) {
            (spec.fill, spec.align, rest) = (Some(characters[0]), Some(characters[1]), &rest[2..]);
        } else if characters.first().is_some_and(is_align) {
            (spec.align, rest) = (Some(characters[0]), &rest[1..]);
        }
        spec.sign = taken(&mut rest, &['+', '-', ' ']);
        spec.positive_zero = taken(&mut rest, &['z']).is_some();
        spec.alternate = taken(&mut rest, &['#']).is_some();
        spec.zeros = spec.fill.is_none() && taken(&mut rest, &['0']).is_some();
        spec.width = size(&mut rest)?.unwrap_or_default();
        spec.grouping = taken(&mut rest, &[',', '_']);
        if taken(&mut rest, &['.']).is_some() {
            spec.precision = Some(size(&mut rest)?.ok_or("the precision behind the point is missing")?);
        }
        spec.kind = taken(&mut rest, &['s', 'b', 'c', 'd', 'o', 'x', 'X', 'n', 'e', 'E', 'f', 'F', 'g', 'G', '%']);
        if rest.is_empty() { Ok(spec) } else { Err(format!("{text:?} is not a format of Python's, as .2f or >10 are")) }
    }

    /// The value in this format.
    ///
    /// # Errors
    /// What does not go together.
    pub(super) fn show(&self, value: &Value) -> Result<String, String> {
        match value {
            _ if *self == Self::default() => Ok(shown(value)),
            Value::String(text) => self.text(text),
            // A truth value is a number in Python, once it has a format.
            Value::Bool(truth) => self.number(&i64::from(*truth).into()),
            Value::Number(number) => self.number(number),
            Value::Null => Err("nothing (null) has no format".to_owned()),
            Value::Array(_) => Err("a list has no format".to_owned()),
            Value::Object(_) => Err("an object has no format".to_owned()),
        }
    }

    fn text(&self, text: &str) -> Result<String, String> {
        if !matches!(self.kind, None | Some('s')) || self.grouping.is_some() {
            return Err("a text cannot be formatted as a number".to_owned());
        }
        if self.sign.is_some() || self.positive_zero || self.alternate || self.align == Some('=') {
            return Err("a text has no sign".to_owned());
        }
        let cut = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect::<String>();
        Ok(self.padded("", &cut, '<'))
    }

    fn number(&self, number: &serde_json::Number) -> Result<String, String> {
        let Digits { negative, prefix, whole, rest } = digits(number, self)?;
        let is_zero = whole.chars().chain(rest.chars()).all(|digit| !matches!(digit, '1'..='9'));
        let sign = match self.sign {
            _ if negative && !(self.positive_zero && is_zero) => "-",
            Some('+') => "+",
            Some(' ') => " ",
            _ => "",
        };
        let before = format!("{sign}{prefix}");
        let group = if matches!(self.kind, Some('b' | 'o' | 'x' | 'X')) { 4 } else { 3 };
        let whole = match self.grouping {
            Some(mark) => grouped(&self.widened(whole, before.len() + rest.len(), group), group, mark),
            None => whole,
        };
        Ok(self.padded(&before, &format!("{whole}{rest}"), '>'))
    }

    /// Zeros that fill a width are grouped with the digits.
    fn widened(&self, whole: String, others: usize, group: usize) -> String {
        if self.alignment('>') != '=' || self.filling() != '0' {
            return whole;
        }
        let mut count = whole.len();
        while others + count + (count - 1) / group < self.width {
            count += 1;
        }
        format!("{whole:0>count$}")
    }

    fn filling(&self) -> char {
        self.fill.unwrap_or(if self.zeros { '0' } else { ' ' })
    }

    fn alignment(&self, usual: char) -> char {
        self.align.unwrap_or(if self.zeros && usual == '>' { '=' } else { usual })
    }

    fn padded(&self, before: &str, text: &str, usual: char) -> String {
        let missing = self.width.saturating_sub(before.chars().count() + text.chars().count());
        let fill = |count: usize| self.filling().to_string().repeat(count);
        match self.alignment(usual) {
            '<' => format!("{before}{text}{}", fill(missing)),
            '^' => format!("{}{before}{text}{}", fill(missing / 2), fill(missing - missing / 2)),
            '=' => format!("{before}{}{text}", fill(missing)),
            _ => format!("{}{before}{text}", fill(missing)),
        }
    }
}

fn taken(rest: &mut &[char], wanted: &[char]) -> Option<char> {
    let (first, behind) = rest.split_first().filter(|(first, _)| wanted.contains(first))?;
    *rest = behind;
    Some(*first)
}

fn size(rest: &mut &[char]) -> Result<Option<usize>, String> {
    let count = rest.iter().take_while(|character| character.is_ascii_digit()).count();
    let (digits, behind) = rest.split_at(count);
    *rest = behind;
    if digits.is_empty() {
        return Ok(None);
    }
    let number: Option<usize> = digits.iter().collect::<String>().parse().ok();
    match number.filter(|number| *number <= LONGEST) {
        Some(number) => Ok(Some(number)),
        None => Err(format!("a width or a precision is {LONGEST} at most")),
    }
}

fn grouped(digits: &str, group: usize, mark: char) -> String {
    let mut written = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(group) {
            written.push(mark);
        }
        written.push(digit);
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn show(spec: &str, value: &Value) -> Result<String, String> {
        Spec::read(spec)?.show(value)
    }

    #[test]
    fn numbers_are_formatted_as_in_python() {
        for (spec, value, expected) in [
            (".2f", json!(2.71528), "2.72"),
            (".0f", json!(2.5), "2"),
            ("#.0f", json!(2.0), "2."),
            ("f", json!(5), "5.000000"),
            (",", json!(1234567), "1,234,567"),
            (",.2f", json!(-1234567.891), "-1,234,567.89"),
            (",", json!(1234.5), "1,234.5"),
            ("05d", json!(42), "00042"),
            ("010,d", json!(1234), "00,001,234"),
            ("08,", json!(1234), "0,001,234"),
            ("08,.1f", json!(1234.5), "01,234.5"),
            ("+.1e", json!(12345.678), "+1.2e+04"),
            ("e", json!(0.0), "0.000000e+00"),
            (".1%", json!(0.12345), "12.3%"),
            ("g", json!(1234567.0), "1.23457e+06"),
            ("g", json!(100000.0), "100000"),
            ("g", json!(0.0001), "0.0001"),
            ("#g", json!(1.5), "1.50000"),
            ("G", json!(1e-10), "1E-10"),
            (".3", json!(2.71528), "2.72"),
            (".1", json!(12.0), "1e+01"),
            (".3", json!(12.0), "12.0"),
            ("10", json!(3.5), "       3.5"),
            ("=+8", json!(5), "+      5"),
            (" d", json!(5), " 5"),
            ("x", json!(-255), "-ff"),
            ("#08x", json!(-255), "-0x000ff"),
            ("_b", json!(255), "1111_1111"),
            ("c", json!(65), "A"),
            ("z.1f", json!(-0.01), "0.0"),
            (".1f", json!(-0.01), "-0.0"),
            ("10", json!(true), "         1"),
            ("", json!(true), "True"),
            ("d", json!(u64::MAX), "18446744073709551615"),
        ] {
            assert_eq!(show(spec, &value), Ok(expected.to_owned()), "{spec:?} of {value}");
        }
    }

    #[test]
    fn texts_are_cut_and_padded() {
        for (spec, expected) in
            [("^7", " abcd  "), ("*<6.2", "ab****"), ("06", "abcd00"), (">6", "  abcd"), ("s", "abcd")]
        {
            assert_eq!(show(spec, &json!("abcd")), Ok(expected.to_owned()), "{spec:?}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        for (spec, value) in [
            ("d", json!("a")),
            ("=5", json!("a")),
            ("d", json!(1.5)),
            (".2d", json!(1)),
            (",x", json!(1)),
            (">5", json!(null)),
            (">5", json!([])),
            (".", json!(1)),
            ("q", json!(1)),
            (".99999f", json!(1)),
        ] {
            assert!(show(spec, &value).is_err(), "{spec:?} of {value}");
        }
    }
}
