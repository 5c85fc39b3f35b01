//! JSON as Python's `json.dumps` writes it: with a space after each comma and colon.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use super::python::float;

/// With `ascii` other characters are escaped, which is what Python does unless it is told not to.
struct Spaced {
    ascii: bool,
}

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let is_kept = |character: char| !self.ascii || (character.is_ascii() && character != '\u{7f}');
        if fragment.chars().all(is_kept) {
            return CompactFormatter.write_string_fragment(writer, fragment);
        }
        for character in fragment.chars() {
            if is_kept(character) {
                writer.write_all(&[character as u8])?;
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

/// The JSON of `value`, spaced.
pub(crate) fn spaced(value: &Value) -> String {
    written(value, Spaced { ascii: false })
}

/// The JSON of `value`, spaced and in ASCII.
pub(super) fn spaced_ascii(value: &Value) -> String {
    written(value, Spaced { ascii: true })
}

fn written(value: &Value, form: Spaced) -> String {
    let mut written = Vec::new();
    // A value is always JSON, and a vector takes all bytes.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut written, form));
    String::from_utf8(written).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_texts_are_python_s() {
        let value = json!({"a": [1.0, 1e16, 0.00001], "é": "ü🎈\u{1}"});
        assert_eq!(spaced(&value), "{\"a\": [1.0, 1e+16, 1e-05], \"é\": \"ü🎈\\u0001\"}");
        assert_eq!(spaced_ascii(&value), r#"{"a": [1.0, 1e+16, 1e-05], "\u00e9": "\u00fc\ud83c\udf88\u0001"}"#);
    }
}
