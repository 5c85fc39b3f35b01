//! A row of a table that compares ours with the reference, in CPU time.

use std::time::{Duration, Instant};

use crate::measure::median;

/// How many of our runs there are for each of the reference's, which take so much longer.
const OURS: usize = 10;
/// A row goes on for so long, if it has had its rounds.
const ENOUGH: Duration = Duration::from_secs(3);
/// A row goes on for no longer, if each side has run once after warming up.
const LONGEST: Duration = Duration::from_secs(30);

/// What is measured, and what it may cost.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// How many steps, tasks or tokens a run has.
    pub(crate) size: usize,
    /// How many microseconds each of them may take.
    pub(crate) most: Option<f64>,
    /// How many times less than the reference it must cost.
    pub(crate) times_less: Option<f64>,
    /// A run is short and there are few, only to see that it runs: there is no verdict.
    pub(crate) quick: bool,
}

/// Prints what stands above the rows. `what` is also there when the reference is not.
pub(crate) fn print_head(what: &str, reference: &str) {
    println!("{what:<44} {:>12} {reference:>12} {:>8}   budget", "millstream", "ratio");
}

impl Row {
    /// Measures both in turn, so that a machine that slows down slows both; the first runs only warm up. Prints the row.
    pub(crate) fn print(
        &self,
        mut ours: impl FnMut() -> Result<Duration, String>,
        mut reference: Option<impl FnMut() -> Result<Duration, String>>,
    ) -> Result<(), String> {
        let (mut own, mut other) = (Vec::new(), Vec::new());
        let rounds = if self.quick { 2 } else { 5 };
        let started = Instant::now();
        for round in 0..=100 {
            let elapsed = started.elapsed();
            if (round > rounds && elapsed > ENOUGH) || (round > 1 && elapsed > LONGEST) {
                break;
            }
            for _ in 0..OURS {
                let used = ours()?;
                own.extend((round > 0).then_some(used));
            }
            if let Some(reference) = &mut reference {
                let used = reference()?;
                other.extend((round > 0).then_some(used));
            }
        }
        let each = |samples: &mut [Duration]| median(samples).as_secs_f64() * 1e6 / self.size as f64;
        let own = each(&mut own);
        let other = reference.map(|_| each(&mut other));
        println!("{}", self.shown(own, other));
        Ok(())
    }

    fn shown(&self, own: f64, other: Option<f64>) -> String {
        let shown = other.map_or("-".to_owned(), |other| format!("{other:.2} us"));
        let ratio = other.map(|other| other / own);
        let times = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.0}x"));
        let most = self.most.map(|most| format!("< {most:.0} us"));
        let least = self.times_less.map(|least| format!(">= {least:.0}x"));
        let budget = most.into_iter().chain(least).collect::<Vec<_>>().join(", ");
        let is_kept = self.most.is_none_or(|most| own < most)
            && ratio.is_none_or(|ratio| self.times_less.is_none_or(|least| ratio >= least));
        // What a run costs once is too large a part of a short one.
        let verdict = if is_kept || self.quick { "" } else { "   MISSED" };
        let row = format!("{:<44} {own:>9.2} us {shown:>12} {times:>8}   {budget}{verdict}", self.name);
        row.trim_end().to_owned()
    }
}
