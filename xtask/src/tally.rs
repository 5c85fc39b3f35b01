//! How many tests passed: read from what the test programs print, since there is no machine-readable form on stable.

use std::fmt;
use std::ops::AddAssign;

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    pub(crate) const ONE_PASSED: Tally = Tally { passed: 1, failed: 0 };

    /// What one line of `cargo test` adds: `test result: ok. 12 passed; 0 failed; ...`.
    pub(crate) fn of_cargo_line(line: &str) -> Tally {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return Tally::default();
        };
        let count =
            |unit: &str| counts.split("; ").find_map(|part| part.strip_suffix(unit)?.trim().parse().ok()).unwrap_or(0);
        Tally { passed: count("passed"), failed: count("failed") }
    }

    /// What one line of `node --test --test-reporter=spec` adds: `ℹ pass 12`.
    pub(crate) fn of_node_line(line: &str) -> Tally {
        let count = |name: &str| line.strip_prefix(name).and_then(|number| number.trim().parse().ok()).unwrap_or(0);
        Tally { passed: count("ℹ pass "), failed: count("ℹ fail ") + count("ℹ cancelled ") }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_cargo_test_prints() {
        let line = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(Tally::of_cargo_line(line), Tally { passed: 12, failed: 0 });
        let line = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(Tally::of_cargo_line(line), Tally { passed: 3, failed: 2 });
        assert_eq!(Tally::of_cargo_line("running 12 tests"), Tally::default());
    }

    #[test]
    fn counts_what_node_prints() {
        assert_eq!(Tally::of_node_line("ℹ pass 7"), Tally { passed: 7, failed: 0 });
        assert_eq!(Tally::of_node_line("ℹ fail 1"), Tally { passed: 0, failed: 1 });
        assert_eq!(Tally::of_node_line("ℹ cancelled 2"), Tally { passed: 0, failed: 2 });
        assert_eq!(Tally::of_node_line("✔ a test that says ℹ pass 9"), Tally::default());
        assert_eq!(Tally::of_node_line("ℹ tests 8"), Tally::default());
    }

    #[test]
    fn the_last_line_of_a_run_is_plain() {
        assert_eq!(Tally { passed: 9, failed: 0 }.to_string(), "9 passed, 0 failed");
    }
}
