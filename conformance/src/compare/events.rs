//! Sequences of events: one by one, in groups without order, or as one whole without order.

use std::collections::HashSet;

use serde_json::Value;

use super::group::{Groups, match_group};
use super::normal::Step;
use super::unify::{Differences, Matcher, show};

/// Compares what a step yielded.
pub(super) fn compare(
    step: &Step,
    expected: &Value,
    actual: &Value,
    matcher: &mut Matcher<'_>,
    out: &mut Differences,
    kind: &str,
) -> bool {
    let expected = expected.as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(actual) = actual.as_array() else {
        return out.say(format!("events: expected a list of events, got {}", show(actual)));
    };
    if step.unordered {
        let same = match_group(expected, actual, matcher, "events", out, kind);
        let of_runs = actual.first().is_some_and(|event| event.get("event").is_some());
        return if of_runs { causality(actual, out) && same } else { same };
    }
    let (mut same, mut at) = (true, 0);
    for size in Groups::of(step.groups.as_deref(), expected.len()) {
        let wanted = &expected[at.min(expected.len())..(at + size).min(expected.len())];
        let got = &actual[at.min(actual.len())..(at + size).min(actual.len())];
        let path = if size == 1 {
            format!("events[{at}]")
        } else {
            format!("events[{at}..{}]", (at + size).saturating_sub(1))
        };
        if let ([wanted], []) = (wanted, got) {
            return out.say(format!("{path}: missing {}", show(wanted)));
        }
        same &= match_group(wanted, got, matcher, &path, out, kind);
        if !same && out.is_full() {
            return false;
        }
        at += size;
    }
    if let Some(first) = actual.get(expected.len()) {
        let more = actual.len() - expected.len();
        same = out.say(format!("events[{}]: {more} more events than expected, first: {}", expected.len(), show(first)));
    }
    same
}

/// Whether every run lies inside its parents: it starts after they started and ends before they end.
fn causality(events: &[Value], out: &mut Differences) -> bool {
    let (mut seen, mut ended) = (HashSet::new(), HashSet::new());
    let mut same = true;
    for (at, event) in events.iter().enumerate() {
        let name = event.get("event").and_then(Value::as_str).unwrap_or_default();
        if name == "on_custom_event" {
            continue;
        }
        let run = event.get("run_id").unwrap_or(&Value::Null).to_string();
        let path = format!("events[{at}]");
        if name.ends_with("_start") && seen.contains(&run) {
            same = out.say(format!("{path}: {name} is not the first event of its run"));
        }
        seen.insert(run.clone());
        if ended.contains(&run) {
            same = out.say(format!("{path}: {name} of a run that already ended"));
        }
        let parents = event.get("parent_ids").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if parents.iter().any(|parent| ended.contains(&parent.to_string())) {
            same = out.say(format!("{path}: {name} after its parent ended"));
        }
        if name.ends_with("_end") || name.ends_with("_error") {
            ended.insert(run);
        }
    }
    same
}
