//! JSON as Python's `json.dumps` writes it: with a space after each comma and colon.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

struct Spaced;

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
}

/// The JSON of `value`, spaced.
pub(crate) fn spaced(value: &Value) -> String {
    let mut written = Vec::new();
    // A value is always JSON, and a vector takes all bytes.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut written, Spaced));
    String::from_utf8(written).unwrap_or_default()
}
