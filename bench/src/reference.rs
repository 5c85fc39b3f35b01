//! What everybody knows, to measure ours beside: LangChain and LangGraph, in a Python environment that is made for them.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// What is installed, exactly.
const REQUIREMENTS: &str = include_str!("../reference/requirements.txt");
/// What runs there: programs, and what they share.
const FILES: [(&str, &str); 3] = [
    ("chains.py", include_str!("../reference/chains.py")),
    ("graphs.py", include_str!("../reference/graphs.py")),
    ("scripted.py", include_str!("../reference/scripted.py")),
];

/// A Python process that runs something whenever it is asked to.
pub(crate) struct Reference {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    versions: String,
}

impl Reference {
    /// Installs what `program` needs if it is not there, and starts it.
    ///
    /// # Errors
    /// What is missing on this machine.
    pub(crate) fn start(program: &str, arguments: &[&OsStr]) -> Result<Self, String> {
        let python = installed()?;
        let mut command = Command::new(python);
        command.arg("-B").arg(written()?.join(program)).args(arguments);
        // A key of somebody's in the environment must not make it report to a service, nor a proxy stand between it and the provider.
        command.env_remove("LANGSMITH_TRACING").env_remove("LANGCHAIN_TRACING_V2").env("NO_PROXY", "127.0.0.1");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the reference does not start: {error}"))?;
        let orders = child.stdin.take().ok_or("the reference has no standard input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("the reference has no standard output")?);
        let mut reference = Self { child, orders, answers, versions: String::new() };
        reference.versions = reference.line()?;
        Ok(reference)
    }

    /// What it is made of.
    pub(crate) fn versions(&self) -> &str {
        &self.versions
    }

    /// The CPU time of one run of what `order` says.
    pub(crate) fn run(&mut self, order: &str) -> Result<Duration, String> {
        writeln!(self.orders, "{order}").map_err(|error| format!("the reference has ended: {error}"))?;
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

/// Where this benchmark keeps what it makes: beside what cargo builds.
pub(crate) fn folder() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = own.ancestors().nth(2).ok_or("this program is in no folder that cargo made")?;
    made(target.join("bench"))
}

fn made(folder: PathBuf) -> Result<PathBuf, String> {
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

/// The Python of an environment with exactly what is required. It is made once, and again when the requirements are others.
fn installed() -> Result<PathBuf, String> {
    let environment = folder()?.join("python");
    let python = environment.join("bin/python");
    let installed = environment.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Ok(python);
    }
    eprintln!("bench: installing LangChain and LangGraph into {}", environment.display());
    let without = "this is measured without them beside it";
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))
        .map_err(|error| format!("{without}: they need Python 3.11 or newer with its module `venv`: {error}"))?;
    let requirements = environment.join("requirements.txt");
    write(&requirements, REQUIREMENTS)?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&requirements))
    .map_err(|error| format!("{without}: pip could not install them, which needs the network: {error}"))?;
    write(&installed, REQUIREMENTS)?;
    Ok(python)
}

/// The folder with the programs, which are part of this one.
fn written() -> Result<PathBuf, String> {
    let folder = made(folder()?.join("reference"))?;
    for (name, text) in FILES {
        write(&folder.join(name), text)?;
    }
    Ok(folder)
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
