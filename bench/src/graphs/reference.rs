//! LangGraph, in a Python environment that is made for it.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::{Database, Graph, SAID, Store};

/// What is installed, exactly.
const REQUIREMENTS: &str = include_str!("../../reference/requirements.txt");
/// What runs the graphs there.
const PROGRAM: &str = include_str!("../../reference/graphs.py");

/// A Python process that runs a graph whenever it is asked to.
pub(super) struct Reference {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    versions: String,
    /// Removed with it.
    _database: Database,
}

impl Reference {
    /// Installs it if it is not there, and starts it.
    ///
    /// # Errors
    /// What is missing on this machine.
    pub(super) fn start() -> Result<Self, String> {
        let python = installed()?;
        let database = Database::new("reference")?;
        let mut command = Command::new(python);
        command.args(["-c", PROGRAM, SAID]).arg(&database.0);
        // A key of somebody's in the environment must not make it report to a service.
        command.env_remove("LANGSMITH_TRACING").env_remove("LANGCHAIN_TRACING_V2");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the reference does not start: {error}"))?;
        let orders = child.stdin.take().ok_or("the reference has no standard input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("the reference has no standard output")?);
        let mut reference = Self { child, orders, answers, versions: String::new(), _database: database };
        reference.versions = reference.line()?;
        Ok(reference)
    }

    /// What it is made of.
    pub(super) fn versions(&self) -> &str {
        &self.versions
    }

    /// The CPU time of one run.
    pub(super) fn run(&mut self, graph: Graph, store: Store, size: usize) -> Result<Duration, String> {
        let graph = match graph {
            Graph::Counter | Graph::JsonCounter => "counter",
            Graph::Chat => "chat",
            Graph::FanOut => "fan-out",
            Graph::Tokens => "tokens",
        };
        let store = match store {
            Store::Nowhere => "nowhere",
            Store::Memory => "memory",
            Store::Sqlite => "sqlite",
        };
        writeln!(self.orders, "{graph} {store} {size}").map_err(|error| format!("the reference has ended: {error}"))?;
        let answer = self.line()?;
        let nanoseconds = answer.parse().map_err(|_| format!("the reference answered {answer:?}"))?;
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err("the reference has ended, and said why above".to_owned()),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) => Err(format!("the reference cannot be read: {error}")),
        }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python of an environment with exactly what is required. It is made once, and again when the requirements are others.
fn installed() -> Result<PathBuf, String> {
    let environment = super::folder()?.join("python");
    let python = environment.join("bin/python");
    let installed = environment.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Ok(python);
    }
    eprintln!("bench: installing LangGraph into {}", environment.display());
    let without = "the graphs are measured without LangGraph beside them";
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))
        .map_err(|error| format!("{without}: they need Python 3 with its module `venv`: {error}"))?;
    let requirements = environment.join("requirements.txt");
    write(&requirements, REQUIREMENTS)?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&requirements))
    .map_err(|error| format!("{without}: pip could not install it, which needs the network: {error}"))?;
    write(&installed, REQUIREMENTS)?;
    Ok(python)
}

/// Runs a command, whose output goes to standard error: the table alone is on standard output.
fn run(command: &mut Command) -> Result<(), String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {}", output.status)) }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
