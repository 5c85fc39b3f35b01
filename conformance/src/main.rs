//! Runs conformance cases: prints what each produces, or checks it against what is recorded.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use millstream_conformance::check::{Report, check, check_output, own_allowed, own_folder};
use millstream_conformance::run::run_file;

/// Runs conformance cases.
///
/// With case files: prints one JSON document per case and line, {"name", "steps"} or {"name", "skip"}.
/// Ends with 0, with 1 if a checked case is not as recorded, with 2 if a file cannot be read.
#[derive(Debug, Parser)]
#[command(name = "conformance", version)]
struct Arguments {
    /// Case files to run.
    #[arg(value_name = "CASEFILE", required_unless_present = "check")]
    files: Vec<PathBuf>,
    /// Runs all cases of a folder with `cases` and `expected` (this package's if none is named) and compares.
    #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with = "files")]
    check: Option<Option<PathBuf>>,
    /// With --check: a case in which it is right to differ, besides those in `allowed.txt`. May be said more than once.
    #[arg(long, value_name = "NAME", requires = "check")]
    allow: Vec<String>,
    /// With --check: compares the documents in this file instead of running the cases.
    #[arg(long, value_name = "FILE", requires = "check")]
    output: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.check {
        Some(folder) => report(folder.unwrap_or_else(own_folder), arguments.output, arguments.allow).await,
        None => print(&arguments.files).await,
    };
    done.unwrap_or_else(|problem| {
        eprintln!("conformance: {problem}");
        ExitCode::from(2)
    })
}

async fn print(files: &[PathBuf]) -> Result<ExitCode, String> {
    let mut unreadable = false;
    for file in files {
        match run_file(file).await {
            Ok(document) => writeln!(std::io::stdout(), "{document}").map_err(|error| error.to_string())?,
            Err(problem) => {
                unreadable = true;
                eprintln!("conformance: {problem}");
            }
        }
    }
    Ok(if unreadable { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

async fn report(folder: PathBuf, output: Option<PathBuf>, allow: Vec<String>) -> Result<ExitCode, String> {
    let report: Report = match output {
        Some(file) => {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            check_output(&folder, &text)?
        }
        None => check(&folder).await?,
    };
    let allow = allow.into_iter().map(|name| (name, "--allow".to_owned()));
    let report = report.allowing(own_allowed()).allowing(allow);
    write!(std::io::stdout(), "{report}").map_err(|error| error.to_string())?;
    Ok(if report.has_failures() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
