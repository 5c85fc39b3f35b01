//! Running a program: shown before it starts, never longer than its limit.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::tally::Tally;

/// For what may compile the whole workspace, or a tool, on a slow machine.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

const POLL: Duration = Duration::from_millis(50);

/// Why a chore stopped, in words for the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Failure {
        Failure(what.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a command with this terminal as its output. An exit code other than 0, or a run longer than `limit`, is a failure.
pub(crate) fn run(mut command: Command, limit: Duration) -> Result<(), Failure> {
    let shown = announce(&command);
    let mut child = start(&mut command, &shown)?;
    let status = wait(&mut child, &shown, limit)?;
    check(&shown, status)
}

/// As [`run`], and adds up what `count` finds in each line the command writes to its standard output. The tally is
/// also what a failed command got to: it comes back with the failure.
pub(crate) fn run_counting(
    mut command: Command,
    limit: Duration,
    count: fn(&str) -> Tally,
) -> (Tally, Result<(), Failure>) {
    let shown = announce(&command);
    command.stdout(Stdio::piped());
    let mut child = match start(&mut command, &shown) {
        Ok(child) => child,
        Err(failure) => return (Tally::default(), Err(failure)),
    };
    let output = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut tally = Tally::default();
        let mut lines = output.map(BufReader::new);
        let mut line = Vec::new();
        while let Some(lines) = &mut lines {
            line.clear();
            if lines.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&line);
            print!("{text}");
            tally += count(text.trim_end());
        }
        tally
    });
    match wait(&mut child, &shown, limit) {
        Ok(status) => (reader.join().unwrap_or_default(), check(&shown, status)),
        // What the stopped command started may still hold the pipe: its reader is not waited for.
        Err(failure) => (Tally::default(), Err(failure)),
    }
}

/// What a command prints on its standard output, or `None` when it is absent or fails. For asking, not for doing.
pub(crate) fn ask(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn start(command: &mut Command, shown: &str) -> Result<Child, Failure> {
    command.stdin(Stdio::null()).spawn().map_err(|error| Failure::new(format!("cannot start `{shown}`: {error}")))
}

fn wait(child: &mut Child, shown: &str, limit: Duration) -> Result<ExitStatus, Failure> {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if started.elapsed() < limit => thread::sleep(POLL),
            Ok(None) => {
                // It may have ended this instant, which is as good.
                let _ = child.kill();
                let _ = child.wait();
                let seconds = limit.as_secs();
                return Err(Failure::new(format!("`{shown}` was stopped after {seconds} s")));
            }
            Err(error) => return Err(Failure::new(format!("cannot wait for `{shown}`: {error}"))),
        }
    }
}

fn check(shown: &str, status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{shown}` ended with {status}")))
}

/// Prints the command as one would type it and gives that text back.
pub(crate) fn announce(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or(&program);
    let mut shown = String::from(program);
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    println!("$ {shown}");
    shown
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failing_command_is_a_failure_that_shows_it() {
        let failure = run(shell("exit 3"), HOUR).unwrap_err().to_string();
        assert!(failure.contains("`sh -c exit 3` ended with"), "{failure}");
        assert!(run(shell("exit 0"), HOUR).is_ok());
    }

    #[test]
    fn a_command_that_does_not_end_is_stopped() {
        let failure = run(shell("exec sleep 600"), Duration::ZERO).unwrap_err().to_string();
        assert!(failure.contains("was stopped after 0 s"), "{failure}");
    }

    #[test]
    fn the_lines_of_a_failed_command_count_too() {
        let script = "printf 'test result: FAILED. 1 passed; 2 failed; 0 ignored\\n'; exit 1";
        let (tally, result) = run_counting(shell(script), HOUR, Tally::of_cargo_line);
        assert_eq!(tally, Tally { passed: 1, failed: 2 });
        assert!(result.is_err());
    }

    #[test]
    fn asking_an_absent_program_is_no_error() {
        assert_eq!(ask("a-program-that-is-not-there", &[]), None);
        assert_eq!(ask("sh", &["-c", "echo yes"]).as_deref(), Some("yes"));
    }
}
