//! Groups of events without order among them, save for the lanes that keep theirs.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::shape::{is_message, skeleton};
use super::unify::{Differences, Matcher, show};

/// The sizes of consecutive groups.
pub(super) struct Groups;

impl Groups {
    /// The sizes that a step names; without any, each event is alone.
    pub(super) fn of(sizes: Option<&[usize]>, events: usize) -> Vec<usize> {
        sizes.map_or_else(|| vec![1; events], <[usize]>::to_vec)
    }
}

/// How many pairings are tried before a group counts as different.
const TRIES: u32 = 200_000;

/// Whether the events of two groups are the same, whatever their order between lanes.
pub(super) fn match_group(
    expected: &[Value],
    actual: &[Value],
    matcher: &mut Matcher<'_>,
    path: &str,
    out: &mut Differences,
    kind: &str,
) -> bool {
    if let ([expected], [actual]) = (expected, actual) {
        return matcher.unify(expected, actual, path, out);
    }
    let shapes = |events: &[Value]| events.iter().map(|event| skeleton(event, true)).collect::<Vec<String>>();
    let (wanted_shapes, got_shapes) = (shapes(expected), shapes(actual));
    if matcher.masks.is_empty() && !same_shapes(expected, actual, &wanted_shapes, &got_shapes, path, out) {
        return false;
    }
    if expected.len() != actual.len() {
        return out.say(format!("{path}: group of {} expected, got {}", expected.len(), actual.len()));
    }
    let lanes = |events: &[Value]| events.iter().map(|event| lane(event, kind)).collect::<Vec<_>>();
    let mut search = Search {
        expected,
        actual,
        candidates: wanted_shapes
            .iter()
            .map(|wanted| {
                let fits = |at: &usize| !matcher.masks.is_empty() || got_shapes[*at] == *wanted;
                (0..actual.len()).filter(fits).collect()
            })
            .collect(),
        expected_lanes: lanes(expected),
        actual_lanes: lanes(actual),
        used: vec![false; actual.len()],
        last: HashMap::new(),
        tries: TRIES,
    };
    if search.place(0, matcher) {
        return true;
    }
    out.say(format!(
        "{path}: the {} events of this unordered group have the right content, but ids or the order inside one lane do not agree",
        expected.len()
    ))
}

fn same_shapes(
    expected: &[Value],
    actual: &[Value],
    wanted: &[String],
    got: &[String],
    path: &str,
    out: &mut Differences,
) -> bool {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    wanted.iter().for_each(|shape| *counts.entry(shape).or_default() += 1);
    got.iter().for_each(|shape| *counts.entry(shape).or_default() -= 1);
    if counts.values().all(|count| *count == 0) {
        return true;
    }
    let missing = expected.iter().zip(wanted).filter(|(_, shape)| counts[shape.as_str()] > 0);
    let unexpected = actual.iter().zip(got).filter(|(_, shape)| counts[shape.as_str()] < 0);
    out.say(format!(
        "{path}: an unordered group of {} expected and {} got events has other events than expected",
        expected.len(),
        actual.len()
    ));
    missing.take(2).for_each(|(event, _)| {
        out.say(format!("{path}: not found: {}", show(event)));
    });
    unexpected.take(2).for_each(|(event, _)| {
        out.say(format!("{path}: unexpected: {}", show(event)));
    });
    false
}

/// The search for a pairing of the events of two groups.
struct Search<'a> {
    expected: &'a [Value],
    actual: &'a [Value],
    candidates: Vec<Vec<usize>>,
    expected_lanes: Vec<Option<String>>,
    actual_lanes: Vec<Option<String>>,
    used: Vec<bool>,
    last: HashMap<String, usize>,
    tries: u32,
}

impl Search<'_> {
    fn place(&mut self, at: usize, matcher: &mut Matcher<'_>) -> bool {
        if at == self.expected.len() {
            return true;
        }
        if self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        for candidate in self.candidates[at].clone() {
            if !self.may_be(at, candidate) {
                continue;
            }
            let mark = matcher.ids.mark();
            let mut unseen = Differences::new(1);
            if matcher.unify(&self.expected[at], &self.actual[candidate], "", &mut unseen) {
                self.used[candidate] = true;
                let before =
                    self.expected_lanes[at].clone().map(|lane| (self.last.insert(lane.clone(), candidate), lane));
                if self.place(at + 1, matcher) {
                    return true;
                }
                self.used[candidate] = false;
                match before {
                    Some((Some(last), lane)) => drop(self.last.insert(lane, last)),
                    Some((None, lane)) => drop(self.last.remove(&lane)),
                    None => {}
                }
            }
            matcher.ids.undo(mark);
        }
        false
    }

    fn may_be(&self, at: usize, candidate: usize) -> bool {
        if self.used[candidate] || self.expected_lanes[at].is_some() != self.actual_lanes[candidate].is_some() {
            return false;
        }
        let Some(lane) = &self.expected_lanes[at] else { return true };
        if self.last.get(lane).is_some_and(|last| candidate < *last) {
            return false;
        }
        // What is earlier in the same lane of the output has to be placed first.
        let own = &self.actual_lanes[candidate];
        !(0..candidate).any(|earlier| !self.used[earlier] && self.actual_lanes[earlier] == *own)
    }
}

/// Which events keep their order even in a group without order.
fn lane(event: &Value, kind: &str) -> Option<String> {
    event.as_object()?;
    let data = event.get("data").unwrap_or(&Value::Null);
    if let (Some(name), Some(run)) = (event.get("event"), event.get("run_id")) {
        // What a graph or a parallel runnable streams are several lanes in one.
        let chunk = data.get("chunk").unwrap_or(&Value::Null);
        if name == "on_chain_stream" && chunk.is_object() && !is_message(chunk) {
            return (kind == "chain").then(|| json!(["run", run, names(chunk)]).to_string());
        }
        return Some(json!(["run", run]).to_string());
    }
    let namespace = event.get("ns").filter(|namespace| !namespace.is_null()).cloned().unwrap_or_else(|| json!([]));
    let mode = event.get("mode").and_then(Value::as_str).unwrap_or_default();
    let lane = match mode {
        "messages" if data.as_array().is_some_and(|pair| pair.len() == 2) => {
            json!(["messages", data[1].get("langgraph_checkpoint_ns"), data[0].get("id")])
        }
        "tasks" if data.is_object() => json!(["tasks", namespace, data.get("id")]),
        "debug" if data.get("payload").is_some_and(Value::is_object) => match data["payload"].get("id") {
            Some(id) => json!(["debug", namespace, id]),
            None => json!(["debug-checkpoint", namespace]),
        },
        "values" if interrupted(event, data) => return None,
        "values" | "checkpoints" => json!([mode, namespace]),
        "chunk" if data.is_object() && !is_message(data) => json!(["chunk", names(data)]),
        "chunk" => json!(["chunk"]),
        _ => return None,
    };
    Some(lane.to_string())
}

fn interrupted(event: &Value, data: &Value) -> bool {
    event.get("interrupts").is_some_and(|interrupts| !super::unify::is_empty(interrupts))
        || data.get("__interrupt__").is_some()
}

fn names(value: &Value) -> Vec<&String> {
    let mut names: Vec<&String> = value.as_object().into_iter().flat_map(|fields| fields.keys()).collect();
    names.sort_unstable();
    names
}
