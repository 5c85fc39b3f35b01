//! Fragments of tool calls, in any order and however a provider marks them, never merge across calls.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

mod common;

use common::{Outcome, is_made_up, replay};
use millstream_core::Block;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// How a provider marks the fragments of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Marks {
    /// An index everywhere, id and name on the first: OpenAI.
    Index,
    /// Index and id everywhere.
    IndexAndId,
    /// Index, id and name everywhere.
    Everything,
    /// The id everywhere, no index.
    Id,
    /// The index 0 for every call, the id everywhere.
    ZeroAndId,
    /// The index 0 for every call, id and name on the first.
    Zero,
    /// The same id for every call, with an index.
    SameId,
    /// An index, the name on the first, no id at all.
    IndexWithoutId,
    /// The id on the first only, no index.
    IdFirst,
    /// Only the name, on the first.
    Nothing,
}

impl Marks {
    const ALL: [Self; 10] = [
        Self::Index,
        Self::IndexAndId,
        Self::Everything,
        Self::Id,
        Self::ZeroAndId,
        Self::Zero,
        Self::SameId,
        Self::IndexWithoutId,
        Self::IdFirst,
        Self::Nothing,
    ];

    /// Whether each fragment says by itself which call it belongs to.
    fn always_clear(self) -> bool {
        !matches!(self, Self::Zero | Self::IdFirst | Self::Nothing)
    }

    fn fragment(self, call: usize, first: bool, name: &str, arguments: &str) -> Value {
        let index = match self {
            Self::Index | Self::IndexAndId | Self::Everything | Self::SameId | Self::IndexWithoutId => Some(call),
            Self::ZeroAndId | Self::Zero => Some(0),
            Self::Id | Self::IdFirst | Self::Nothing => None,
        };
        let id = match self {
            Self::IndexAndId | Self::Everything | Self::Id | Self::ZeroAndId => Some(format!("id{call}")),
            Self::SameId => Some("same".to_owned()),
            Self::Index | Self::Zero | Self::IdFirst => first.then(|| format!("id{call}")),
            Self::IndexWithoutId | Self::Nothing => None,
        };
        let name = (first || self == Self::Everything).then_some(name);
        let mut fragment = json!({"function": {"arguments": arguments}});
        if let Some(index) = index {
            fragment["index"] = json!(index);
        }
        if let Some(id) = id {
            fragment["id"] = json!(id);
        }
        if let Some(name) = name {
            fragment["function"]["name"] = json!(name);
        }
        fragment
    }
}

#[derive(Clone, Debug)]
struct Call {
    name: String,
    args: Value,
    pieces: Vec<String>,
}

fn args() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["Zürich", "}", "{\"a\":", "\\\"", "[", "", "🌊", "a b"]);
    let leaf = prop_oneof![text.prop_map(|text| json!(text)), any::<i32>().prop_map(|n| json!(n)), Just(Value::Null)];
    let value = prop_oneof![leaf.clone(), prop::collection::vec(leaf, 0..3).prop_map(Value::from)];
    prop::collection::btree_map("[a-c]", value, 0..3)
        .prop_map(|map| Value::Object(map.into_iter().collect::<Map<String, Value>>()))
}

fn call() -> impl Strategy<Value = Call> {
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..5);
    ("[fg]", args(), cuts).prop_map(|(name, args, cuts)| {
        let text = args.to_string();
        let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        borders.retain(|border| text.is_char_boundary(*border));
        borders.extend([0, text.len()]);
        borders.sort_unstable();
        borders.dedup();
        let pieces = borders.windows(2).map(|pair| text[pair[0]..pair[1]].to_owned()).collect();
        Call { name, args, pieces }
    })
}

fn calls() -> impl Strategy<Value = (Vec<Call>, Marks, Vec<u8>)> {
    let order = prop::collection::vec(any::<u8>(), 24);
    (prop::collection::vec(call(), 1..5), prop::sample::select(Marks::ALL.to_vec()), order)
}

/// The fragments in an order that mixes the calls and keeps each call's own order. Without an order: one call after the other.
fn fragments(calls: &[Call], marks: Marks, order: Option<&[u8]>) -> Vec<Value> {
    let mut left: Vec<(usize, usize)> = calls.iter().enumerate().map(|(call, _)| (call, 0)).collect();
    let mut fragments = Vec::new();
    let mut turn = 0;
    while !left.is_empty() {
        let at = order.map_or(0, |order| usize::from(order[turn % order.len()]) % left.len());
        turn += 1;
        let (call, piece) = left[at];
        let Call { name, pieces, .. } = &calls[call];
        fragments.push(marks.fragment(call, piece == 0, name, &pieces[piece]));
        match piece + 1 < pieces.len() {
            true => left[at].1 += 1,
            false => drop(left.remove(at)),
        }
    }
    fragments
}

/// Several fragments in one chunk, as the split says.
fn answer(fragments: &[Value], together: usize) -> Outcome {
    let mut body = String::new();
    for fragments in fragments.chunks(together) {
        let chunk = json!({"choices": [{"index": 0, "delta": {"tool_calls": fragments}, "finish_reason": null}]});
        body.push_str(&format!("data: {chunk}\n\n"));
    }
    body.push_str("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n");
    replay([Ok(body.into())])
}

/// The calls that came out, in no order.
fn came(outcome: &Outcome) -> Vec<String> {
    let blocks = outcome.partial().content;
    let mut calls: Vec<String> = blocks
        .iter()
        .map(|block| match block {
            Block::ToolCall(call) => format!("{}({})", call.name, call.args),
            other => format!("{other:?}"),
        })
        .collect();
    calls.sort();
    calls
}

fn wanted(calls: &[Call]) -> Vec<String> {
    let mut wanted: Vec<String> = calls.iter().map(|call| format!("{}({})", call.name, call.args)).collect();
    wanted.sort();
    wanted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mixed_fragments_come_out_right_or_fail_the_answer((calls, marks, order) in calls(), together in 1..4usize) {
        let outcome = answer(&fragments(&calls, marks, Some(&order)), together);
        match &outcome.end {
            Ok(_) => prop_assert_eq!(came(&outcome), wanted(&calls), "{:?}", marks),
            Err(error) => {
                prop_assert!(!marks.always_clear(), "{:?} failed: {:?}", marks, error);
                prop_assert_eq!(error.code(), "provider_protocol");
                prop_assert!(error.to_string().contains("which call"), "{}", error);
            }
        }
    }

    #[test]
    fn calls_one_after_the_other_always_come_out_right((calls, marks, _) in calls(), together in 1..4usize) {
        let outcome = answer(&fragments(&calls, marks, None), together);
        prop_assert!(outcome.end.is_ok(), "{:?}: {:?}", marks, outcome.end);
        prop_assert_eq!(came(&outcome), wanted(&calls));
    }

    #[test]
    fn ids_are_the_providers_where_it_gave_unique_ones((calls, marks, order) in calls()) {
        let outcome = answer(&fragments(&calls, marks, Some(&order)), 1);
        let Ok(message) = &outcome.end else { return Ok(()) };
        let mut ids: Vec<&str> = message.tool_calls().map(|call| call.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), calls.len());
        let made_up = ids.iter().filter(|id| is_made_up(id)).count();
        match marks {
            Marks::IndexWithoutId | Marks::Nothing => prop_assert_eq!(made_up, calls.len()),
            Marks::SameId => prop_assert_eq!(made_up, calls.len() - 1),
            _ => prop_assert_eq!(made_up, 0),
        }
    }

    /// Marks without any sense: whatever comes out, nothing panics and every call keeps to one name.
    #[test]
    fn nonsense_never_panics(
        fragments in prop::collection::vec(
            (prop::option::of(0..3u8), prop::option::of("[ab]"), prop::option::of("[fg]"), "[{}\"a:1,]{0,4}"),
            0..12,
        ),
    ) {
        let fragments: Vec<Value> = fragments
            .into_iter()
            .map(|(index, id, name, arguments)| json!({"index": index, "id": id, "function": {"name": name, "arguments": arguments}}))
            .collect();
        let outcome = answer(&fragments, 1);
        if let Err(error) = &outcome.end {
            prop_assert_eq!(error.code(), "provider_protocol");
        }
    }
}

#[test]
fn a_call_without_a_name_fails_the_answer() {
    let outcome = answer(&[json!({"index": 0, "id": "a", "function": {"arguments": "{}"}})], 1);
    assert_eq!(outcome.code(), "provider_protocol");
}

#[test]
fn a_name_may_come_late() {
    let fragments = [
        json!({"index": 0, "id": "a", "function": {"arguments": "{\"n\""}}),
        json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}}),
    ];
    let outcome = answer(&fragments, 1);
    assert_eq!(came(&outcome), ["f({\"n\":1})"]);
}
