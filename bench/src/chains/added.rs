//! What watching all events adds to streaming alone.

use std::time::Duration;

use super::{Case, Chain, Ours, Place, TOKENS, Watched, case};
use crate::middle::Process;
use crate::reference::Reference;

/// What the events of a run may add.
struct Addition {
    name: &'static str,
    place: Place,
    /// How many percent.
    most: Option<f64>,
}

const ADDITIONS: [Addition; 2] = [
    Addition { name: "added by all events, provider", place: Place::Provider, most: Some(10.0) },
    Addition { name: "added by all events, memory", place: Place::Memory, most: None },
];

/// How many pairs of runs there are of ours, and of the reference, whose differences are so much larger than what chance adds.
const PAIRS: [usize; 2] = [500, 10];

pub(super) fn is_wanted(only: &str) -> bool {
    ADDITIONS.iter().any(|addition| addition.name.contains(only))
}

/// Prints a row for each addition whose name contains `only`.
pub(super) fn run_all(
    only: &str,
    quick: bool,
    ours: &Ours,
    mut reference: Option<&mut Reference>,
    provider: &Process,
) -> Result<(), String> {
    let scale = if quick { 10 } else { 1 };
    let [own_pairs, other_pairs] = PAIRS.map(|pairs| pairs / scale);
    for Addition { name, place, most } in ADDITIONS.iter().filter(|addition| addition.name.contains(only)) {
        let watched = |watched| Case { size: TOKENS / scale, ..case(name, Chain::Text, watched, *place) };
        let cases = [watched(Watched::Streamed), watched(Watched::Events)];
        let own = added(own_pairs, |at| ours.run(&cases[at]))?;
        let orders = cases.map(|case| case.order(provider));
        let other = match &mut reference {
            Some(reference) => format!("{:.1} %", added(other_pairs, |at| reference.run(&orders[at]))?),
            None => "-".to_owned(),
        };
        let budget = most.map_or(String::new(), |most| format!("< {most:.0} %"));
        let verdict = if quick || most.is_none_or(|most| own < most) { "" } else { "   MISSED" };
        let row = format!("{name:<44} {own:>10.1} % {other:>12} {:>8}   {budget}{verdict}", "");
        println!("{}", row.trim_end());
    }
    Ok(())
}

/// By how many percent the second costs more than the first: the median of many pairs, each run one right after the other, so that whatever slows
/// the machine slows both. Which of them is first changes from pair to pair.
fn added(pairs: usize, mut run: impl FnMut(usize) -> Result<Duration, String>) -> Result<f64, String> {
    let mut ratios = Vec::with_capacity(pairs);
    for pair in 0..=pairs {
        let first = pair % 2;
        let mut used = [Duration::ZERO; 2];
        for at in [first, 1 - first] {
            used[at] = run(at)?;
        }
        // The first pair warms up.
        if pair > 0 {
            ratios.push(used[1].as_secs_f64() / used[0].as_secs_f64());
        }
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().ok_or("there were no pairs")?;
    Ok((median - 1.0) * 100.0)
}
