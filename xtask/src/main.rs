//! The project's own chores, in plain Rust: `cargo xtask test` installs what the tests need and runs every one of them.

mod install;
mod process;
mod project;
mod server;
mod steps;
mod tally;

use std::env;
use std::process::ExitCode;

use process::Failure;
use project::Project;

const HELP: &str = "\
usage: cargo xtask COMMAND

  test [STEP..]   run every test, or only the named steps, installing what they need
  bench [ARG..]   run the benchmarks, optimised; arguments go to the benchmark program, `streams`, `chains` or `graphs` first of all
  help            this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test", "-h" | "--help"] | ["help" | "-h" | "--help", ..] | [] => {
            print!("{HELP}\n{}", steps::list());
            return ExitCode::SUCCESS;
        }
        ["test", names @ ..] => Project::find().and_then(|project| steps::test(&project, names)),
        ["bench", rest @ ..] => Project::find().and_then(|project| bench(&project, rest)),
        [other, ..] => Err(Failure::new(format!("there is no command `{other}`\n\n{HELP}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn bench(project: &Project, arguments: &[&str]) -> Result<(), Failure> {
    // Chains and graphs need no server, which takes minutes to build.
    if !matches!(arguments.first(), Some(&("chains" | "graphs"))) {
        let server = project.cargo(&["build", "--release", "--package", "millstream-server"]);
        process::run(server, process::HOUR)?;
    }
    let mut command = project.cargo(&["run", "--release", "--package", "millstream-bench", "--"]);
    command.args(arguments);
    process::run(command, process::HOUR)
}
