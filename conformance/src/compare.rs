//! The rules by which what a program produced is compared with what was recorded: equality up to names of ids, order where order is
//! promised, and nothing else forgiven.

use serde_json::Value;

use normal::{Document, Step};
use unify::{Differences, Matcher};

mod events;
mod group;
mod normal;
mod shape;
mod unify;

/// What a comparison says about one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as recorded.
    Pass,
    /// The program does not support the case, for this reason.
    Skip(String),
    /// What differs, one sentence each.
    Fail(Vec<String>),
}

/// How many differences are kept for one step.
const LIMIT: usize = 5;

/// Compares the document `actual` with the recorded one. `kind` and `steps` are the case's kind and its number of steps.
pub fn compare(kind: &str, steps: usize, expected: &Value, actual: &Value) -> Verdict {
    if let Some(reason) = actual.get("skip").filter(|reason| !reason.is_null()) {
        return Verdict::Skip(reason.as_str().map_or_else(|| reason.to_string(), str::to_owned));
    }
    if let Some(fatal) = actual.get("fatal").filter(|fatal| !fatal.is_null()) {
        return Verdict::Fail(vec![format!("the implementation failed: {fatal}")]);
    }
    let expected = Document::read(expected, kind);
    let actual = Document::read(actual, kind);
    let mut ids = unify::Bijection::default();
    let mut problems = Vec::new();
    for at in 0..steps {
        let Some(got) = actual.steps.get(at) else {
            problems.push(format!("step {at}: no output for this step"));
            continue;
        };
        let nothing = Step::default();
        let wanted = expected.steps.get(at).unwrap_or(&nothing);
        let mut differences = Differences::new(LIMIT);
        if !step(wanted, got, &mut ids, &mut differences, kind) && differences.is_empty() {
            differences.push("differs".to_owned());
        }
        problems.extend(differences.into_iter().map(|difference| format!("step {at}: {difference}")));
    }
    if actual.steps.len() > steps {
        problems.push("more steps than the case has".to_owned());
    }
    if problems.is_empty() { Verdict::Pass } else { Verdict::Fail(problems) }
}

fn step(wanted: &Step, got: &Step, ids: &mut unify::Bijection, differences: &mut Differences, kind: &str) -> bool {
    let masks = wanted.masks();
    let mut matcher = Matcher { ids, masks: &masks };
    let mut same = true;
    match (&wanted.events, &got.events) {
        (Some(wanted_events), Some(events)) => {
            same &= events::compare(wanted, wanted_events, events, &mut matcher, differences, kind);
        }
        (Some(_), None) => same = differences.say("events: missing"),
        (None, Some(events)) if !unify::is_empty(events) => same = differences.say("events: unexpected"),
        (None, _) => {}
    }
    match (&wanted.result, &got.result) {
        (Some(wanted), Some(result)) => same &= matcher.unify(wanted, result, "result", differences),
        (Some(wanted), None) => {
            same = differences.say(format!("result: missing, expected {}", unify::show(wanted)));
        }
        (None, Some(result)) if !result.is_null() => {
            same = differences.say(format!("result: unexpected {}", unify::show(result)));
        }
        (None, _) => {}
    }
    match (wanted.failure(), got.failure()) {
        (Some(wanted), Some(error)) => same &= matcher.unify_error(wanted, error, differences),
        (Some(wanted), None) => {
            same = differences.say(format!("error: expected {}, got none", unify::show(wanted)));
        }
        (None, Some(error)) => same = differences.say(format!("error: unexpected {}", unify::show(error))),
        (None, None) => {}
    }
    same
}
