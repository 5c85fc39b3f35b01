//! The digits of a number in the notation that a format asks for.

use serde_json::Number;

use super::python::{of_exponent, of_float};
use super::spec::Spec;

/// A number in four texts, so that it can be padded and grouped.
pub(super) struct Digits {
    /// Whether it is below zero.
    pub(super) negative: bool,
    /// `0x`, `0o` or `0b`.
    pub(super) prefix: &'static str,
    /// The digits before the point.
    pub(super) whole: String,
    /// The point and what follows.
    pub(super) rest: String,
}

/// The digits of `number` as `spec` wants them.
///
/// # Errors
/// If the number has no such format.
pub(super) fn digits(number: &Number, spec: &Spec) -> Result<Digits, String> {
    let kind = spec.kind.unwrap_or(' ');
    if kind == 's' {
        return Err("a number cannot be formatted as a text; write {x!s:...}".to_owned());
    }
    if kind == 'n' && spec.grouping.is_some() {
        return Err("the format 'n' has groups of its own".to_owned());
    }
    let as_float = matches!(kind, 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%');
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match whole {
        Some(whole) if !as_float => of_whole(whole, kind, spec),
        _ if as_float || matches!(kind, ' ' | 'n') => Ok(of_fraction(number.as_f64().unwrap_or_default(), kind, spec)),
        _ => Err(format!("a number with a fraction cannot have the format {kind:?}")),
    }
}

fn of_whole(number: i128, kind: char, spec: &Spec) -> Result<Digits, String> {
    if spec.precision.is_some() {
        return Err("a whole number has no precision; write f behind it".to_owned());
    }
    if spec.grouping == Some(',') && matches!(kind, 'b' | 'o' | 'x' | 'X') {
        return Err(format!("the format {kind:?} cannot be grouped with commas"));
    }
    if spec.positive_zero {
        return Err("a whole number has no zero with a sign".to_owned());
    }
    if kind == 'c' && (spec.sign.is_some() || spec.alternate || spec.grouping.is_some()) {
        return Err("a character has no sign and no groups".to_owned());
    }
    let size = number.unsigned_abs();
    let (prefix, whole) = match kind {
        'b' => ("0b", format!("{size:b}")),
        'o' => ("0o", format!("{size:o}")),
        'x' => ("0x", format!("{size:x}")),
        'X' => ("0X", format!("{size:X}")),
        'c' => ("", of_code(number)?),
        _ => ("", size.to_string()),
    };
    let prefix = if spec.alternate { prefix } else { "" };
    Ok(Digits { negative: number < 0, prefix, whole, rest: String::new() })
}

fn of_code(number: i128) -> Result<String, String> {
    let character = u32::try_from(number).ok().and_then(char::from_u32);
    character.map(String::from).ok_or_else(|| format!("{number} is not the number of a character"))
}

fn of_fraction(number: f64, kind: char, spec: &Spec) -> Digits {
    let (size, negative) = (number.abs(), number.is_sign_negative());
    let written = match (kind, spec.precision) {
        ('e' | 'E', precision) => scientific(size, precision.unwrap_or(6), spec.alternate),
        ('f' | 'F', precision) => fixed(size, precision.unwrap_or(6), spec.alternate),
        ('%', precision) => fixed(size * 100.0, precision.unwrap_or(6), spec.alternate) + "%",
        (' ', None) => {
            let written = of_float(size);
            if spec.alternate && !written.contains('.') { written.replacen('e', ".e", 1) } else { written }
        }
        (' ', Some(precision)) => general(size, precision, spec.alternate, true),
        (_, precision) => general(size, precision.unwrap_or(6), spec.alternate, false),
    };
    let written = if kind.is_ascii_uppercase() { written.to_uppercase() } else { written };
    let end = written.find(|character: char| !character.is_ascii_digit()).unwrap_or(written.len());
    let (whole, rest) = written.split_at(end);
    Digits { negative, prefix: "", whole: whole.to_owned(), rest: rest.to_owned() }
}

fn fixed(size: f64, precision: usize, keep_point: bool) -> String {
    let written = format!("{size:.precision$}");
    if keep_point && precision == 0 { written + "." } else { written }
}

fn scientific(size: f64, precision: usize, keep_point: bool) -> String {
    let (digits, exponent) = parts(size, precision);
    let point = if keep_point && precision == 0 { "." } else { "" };
    format!("{digits}{point}{}", of_exponent(exponent))
}

fn parts(size: f64, precision: usize) -> (String, i32) {
    let written = format!("{size:.precision$e}");
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    (digits.to_owned(), exponent.parse().unwrap_or_default())
}

/// As many digits as `precision` says, in the notation that is shorter. A number that is to look like a fraction keeps one digit behind the point.
fn general(size: f64, precision: usize, alternate: bool, as_fraction: bool) -> String {
    let precision = precision.max(1);
    let (digits, exponent) = parts(size, precision - 1);
    let most = i32::try_from(precision).unwrap_or(i32::MAX) - i32::from(as_fraction);
    if exponent < -4 || exponent >= most {
        let digits = if alternate { with_point(digits) } else { without_zeros(&digits).to_owned() };
        return format!("{digits}{}", of_exponent(exponent));
    }
    let behind = usize::try_from(most + i32::from(as_fraction) - 1 - exponent).unwrap_or_default();
    let written = format!("{size:.behind$}");
    match (alternate, as_fraction) {
        (true, _) => with_point(written),
        (false, true) => {
            let short = without_zeros(&written);
            if short.contains('.') { short.to_owned() } else { format!("{short}.0") }
        }
        (false, false) => without_zeros(&written).to_owned(),
    }
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

fn with_point(digits: String) -> String {
    if digits.contains('.') { digits } else { digits + "." }
}
