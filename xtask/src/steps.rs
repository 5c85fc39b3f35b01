//! The steps of `cargo xtask test`, in the order from quick to slow.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::install::{self, Need};
use crate::process::{Failure, HOUR, run, run_counting};
use crate::project::Project;
use crate::server;
use crate::tally::Tally;

/// A sample prints its few lines and ends; one that hangs is a bug.
const SAMPLE: Duration = Duration::from_secs(60);

/// Samples that serve until they are stopped: each is asked something, and what its answer ends with.
const SERVERS: &[(&str, &str, &str)] = &[
    ("serve_sse", "/chat/stream?question=Hello", "data: [DONE]"),
    ("serve_websocket", "/chat/stream?question=Hello", "data: [DONE]"),
    ("serve_agent", "/agent/stream?message=What+is+the+weather+in+Paris%3F", "\"type\":\"done\""),
];

type Outcome = (Tally, Result<(), Failure>);

struct Step {
    name: &'static str,
    about: &'static str,
    needs: &'static [Need],
    run: fn(&Project) -> Outcome,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", about: "the formatting", needs: &[Need::Rustfmt], run: fmt },
    Step { name: "deny", about: "licences, sources and banned crates", needs: &[Need::CargoDeny], run: deny },
    Step { name: "clippy", about: "the lints", needs: &[Need::Clippy], run: clippy },
    Step { name: "doc", about: "the documentation's links and examples", needs: &[], run: doc },
    Step { name: "rust", about: "every Rust test, and the examples in the documentation", needs: &[], run: rust },
    Step { name: "examples", about: "the samples, against the demo model", needs: &[], run: examples },
    Step {
        name: "browser",
        about: "the page and the streams in a real browser",
        needs: &[Need::Node, Need::BrowserPackages, Need::Chromium],
        run: browser,
    },
];

/// The steps, one on a line.
pub(crate) fn list() -> String {
    let mut text = String::from("steps of `test`:\n");
    for step in STEPS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<10} {}", step.name, step.about);
    }
    text
}

/// Runs the named steps, or all: first installs what they need, then stops at the first that fails. The last line of a run
/// in which nothing failed is `N passed, 0 failed`.
///
/// # Errors
/// Which step failed and how to run it alone.
pub(crate) fn test(project: &Project, names: &[&str]) -> Result<(), Failure> {
    let steps = chosen(names)?;
    let mut needs: Vec<Need> = Vec::new();
    for need in steps.iter().flat_map(|step| step.needs) {
        if !needs.contains(need) {
            needs.push(*need);
        }
    }
    for need in needs {
        need.provide(project)?;
    }

    let started = Instant::now();
    let mut total = Tally::default();
    for (index, step) in steps.iter().enumerate() {
        let step_started = Instant::now();
        println!("\n[{}/{}] {}: {}", index + 1, steps.len(), step.name, step.about);
        let (tally, result) = (step.run)(project);
        total += tally;
        if let Err(failure) = result {
            // A step may fail without a failed test: then it is itself what failed.
            total.failed = total.failed.max(1);
            let name = step.name;
            return Err(Failure::new(format!(
                "\nThe step `{name}` failed: {failure}\nTo run it alone: cargo xtask test {name}\n{total}"
            )));
        }
        println!("[{}/{}] {}: {tally} in {}", index + 1, steps.len(), step.name, seconds(step_started));
    }
    println!("\nAll of it took {}.\n{total}", seconds(started));
    Ok(())
}

fn chosen(names: &[&str]) -> Result<Vec<&'static Step>, Failure> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        return Err(Failure::new(format!("there is no step `{unknown}`\n\n{}", list())));
    }
    let wanted = |step: &&Step| names.is_empty() || names.contains(&step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

/// A step that is one test: it passes or it fails.
fn one(result: Result<(), Failure>) -> Outcome {
    match result {
        Ok(()) => (Tally::ONE_PASSED, Ok(())),
        Err(failure) => (Tally::default(), Err(failure)),
    }
}

/// A step of many tests. None at all would be a pass that says nothing.
fn many((tally, result): Outcome) -> Outcome {
    let result = result.and_then(|()| match tally.passed {
        0 => Err(Failure::new("no test was run")),
        _ => Ok(()),
    });
    (tally, result)
}

fn fmt(project: &Project) -> Outcome {
    one(run(project.cargo(&["fmt", "--all", "--check"]), HOUR))
}

// Advisories are left out: they need a database from the network, and what they say changes without a change of ours.
fn deny(project: &Project) -> Outcome {
    let arguments = ["--log-level", "error", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    let mut command = project.cargo(&["deny"]);
    command.args(arguments);
    one(run(command, HOUR))
}

fn clippy(project: &Project) -> Outcome {
    one(run(project.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]), HOUR))
}

fn doc(project: &Project) -> Outcome {
    let mut command = project.cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-Dwarnings");
    one(run(command, HOUR))
}

fn rust(project: &Project) -> Outcome {
    // The tests of the command line run the binary itself, which cargo builds for its own package's tests only.
    if let Err(failure) = run(project.cargo(&["build", "--package", "millstream-server"]), HOUR) {
        return (Tally::default(), Err(failure));
    }
    let command = project.cargo(&["test", "--workspace", "--no-fail-fast"]);
    many(run_counting(command, HOUR, Tally::of_cargo_line))
}

fn examples(project: &Project) -> Outcome {
    if let Err(failure) = run(project.cargo(&["build", "--package", "millstream-examples", "--examples"]), HOUR) {
        return (Tally::default(), Err(failure));
    }
    let names = match project.examples() {
        Ok(names) => names,
        Err(failure) => return (Tally::default(), Err(failure)),
    };
    let mut total = Tally::default();
    for name in &names {
        let mut command = project.command(project.built(&format!("examples/{name}")));
        command.env("MILLSTREAM_MODEL", "demo").env("MILLSTREAM_DEMO_DELAY", "0");
        let (tally, result) = one(match SERVERS.iter().find(|(server, ..)| server == name) {
            None => run(command, SAMPLE),
            Some((_, target, end)) => server::answers(command, target, end, SAMPLE),
        });
        total += tally;
        println!();
        if result.is_err() {
            return (total, result);
        }
    }
    many((total, Ok(())))
}

fn browser(project: &Project) -> Outcome {
    if let Err(failure) = run(project.cargo(&["build", "--package", "millstream-server"]), HOUR) {
        return (Tally::default(), Err(failure));
    }
    let mut command = project.command(install::node(project).unwrap_or_else(|| "node".into()));
    command.current_dir(project.path("tests/browser"));
    command.args(["--test", "--test-reporter=spec", "--test-concurrency=2", "--test-timeout=120000"]);
    command.env("MILLSTREAM_BIN", project.built("millstream"));
    if let Some(chromium) = install::chromium() {
        command.env("CHROMIUM", chromium);
    }
    many(run_counting(command, HOUR, Tally::of_node_line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_every_step() {
        assert_eq!(chosen(&[]).unwrap().len(), STEPS.len());
        let names: Vec<_> = chosen(&["rust", "fmt"]).unwrap().iter().map(|step| step.name).collect();
        assert_eq!(names, ["fmt", "rust"]);
    }

    #[test]
    fn an_unknown_step_is_named_beside_the_known_ones() {
        let failure = chosen(&["fmt", "browsers"]).err().unwrap().to_string();
        assert!(failure.contains("`browsers`") && failure.contains("  browser "), "{failure}");
    }

    #[test]
    fn a_step_that_ran_no_test_has_failed() {
        assert!(many((Tally::default(), Ok(()))).1.is_err());
        assert!(many((Tally::ONE_PASSED, Ok(()))).1.is_ok());
    }
}
