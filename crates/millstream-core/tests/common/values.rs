//! Values of every kind, and any way to take them apart.

use millstream_core::{Chunk, Entries, Message, Payload, Piece, Vars};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::rechunk::{Cuts, saying};

/// Any JSON, not too deep.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => "[a-c é\n]{0,9}".prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => (-9..99i64).prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Variables with the names `a` to `d`; `a` is always there, and a text.
pub(crate) fn vars() -> impl Strategy<Value = Vars> {
    ("[a-z é]{0,9}", prop::collection::btree_map("[b-d]", value(), 0..3)).prop_map(|(text, rest)| {
        let vars = Vars::new().with("a", text);
        rest.into_iter().fold(vars, |vars, (name, value)| vars.with(name, value))
    })
}

/// Variables in pieces: texts and lists are cut, and what comes next is of any entry.
pub(crate) fn entries(vars: &Vars, cuts: &Cuts) -> Vec<Entries> {
    let mut waiting: Vec<(String, std::vec::IntoIter<Piece>)> =
        vars.iter().map(|(name, value)| (name.to_owned(), pieces(value, cuts).into_iter())).collect();
    let mut made = Vec::new();
    while !waiting.is_empty() {
        waiting.retain_mut(|(name, pieces)| {
            let piece = pieces.next();
            made.extend(piece.map(|piece| Entries::from([(name.as_str().into(), piece)])));
            pieces.len() > 0
        });
    }
    made
}

/// A value of any type in pieces.
pub(crate) fn pieces(value: &Payload, cuts: &Cuts) -> Vec<Piece> {
    match value.json() {
        Value::String(text) if text.is_empty() => vec![Piece::Text("".into())],
        Value::String(text) => cuts.text(&text).into_iter().map(Piece::Text).collect(),
        Value::Array(items) if items.is_empty() => vec![Piece::Items(json!([]).into())],
        Value::Array(items) => items.into_iter().map(|item| Piece::Items(json!([item]).into())).collect(),
        Value::Object(fields) if !fields.is_empty() => {
            let vars: Vars = fields.into_iter().map(|(name, value)| (name, value.into())).collect();
            entries(&vars, cuts).into_iter().map(Piece::Entries).collect()
        }
        other => vec![Piece::Whole(other.into())],
    }
}

/// A message that says `text` in pieces, with its id.
pub(crate) fn spoken(text: &str, cuts: &Cuts) -> Vec<Chunk> {
    saying(&cuts.text(text))
}

/// A value in pieces that add to each other, or that take each other's place while it grows: what a chain of unknown types may be given.
pub(crate) fn any_pieces() -> impl Strategy<Value = (Payload, Vec<Piece>)> {
    let cut = (value(), super::rechunk::cuts()).prop_map(|(value, cuts)| {
        let value = Payload::new(value);
        let pieces = pieces(&value, &cuts);
        (value, pieces)
    });
    let grown = value().prop_map(|value| {
        let pieces = [Value::Null, beginning(&value), value.clone()].map(Piece::whole).to_vec();
        (Payload::new(value), pieces)
    });
    let message = ("[a-z ]{1,12}", super::rechunk::cuts()).prop_map(|(text, cuts)| {
        let chunks = spoken(&text, &cuts);
        let message: Message = super::rechunk::whole_of(&chunks);
        (Payload::new(message), chunks.into_iter().map(Piece::Message).collect())
    });
    prop_oneof![4 => cut, 1 => grown, 1 => message]
}

/// The value when it was only half written.
fn beginning(value: &Value) -> Value {
    match value {
        Value::String(text) => text.chars().take(text.chars().count() / 2).collect::<String>().into(),
        Value::Array(items) if !items.is_empty() => {
            let (last, before) = items.split_last().expect("there are some");
            before.iter().cloned().chain([beginning(last)]).collect()
        }
        Value::Object(fields) => {
            let half = fields.iter().take(fields.len() / 2);
            Value::Object(half.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        whole => whole.clone(),
    }
}
