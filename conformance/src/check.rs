//! Runs all cases of a folder and says which are as recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::case::read_in_order;
use crate::compare::{Verdict, compare};
use crate::run::{read_json, run_case};

/// What came of each case, in the order of their names.
#[derive(Debug, Default)]
pub struct Report {
    /// The names and the verdicts.
    pub cases: Vec<(String, Verdict)>,
    /// The cases in which we differ on purpose, and why.
    pub allowed: BTreeMap<String, String>,
}

/// The cases in which we differ on purpose, and why: a line for each, `name: reason`.
pub fn own_allowed() -> BTreeMap<String, String> {
    let lines = include_str!("../allowed.txt").lines();
    lines.filter_map(|line| line.split_once(": ")).map(|(name, why)| (name.to_owned(), why.to_owned())).collect()
}

/// The folder with the cases of this package.
pub fn own_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The case files of a folder that has `cases/` and `expected/`, by name.
///
/// # Errors
/// If the folder cannot be read.
pub fn case_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cases = folder.join("cases");
    let entries = std::fs::read_dir(&cases).map_err(|error| format!("{} cannot be read: {error}", cases.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    Ok(files)
}

/// Runs the cases of `folder` and compares each with what is recorded beside it.
///
/// # Errors
/// If a file cannot be read.
pub async fn check(folder: &Path) -> Result<Report, String> {
    let mut report = Report::default();
    for file in case_files(folder)? {
        let case = read_json(&file)?;
        let document = run_case(case.clone()).await;
        report.cases.push(judge(folder, &file, &case, &document)?);
    }
    Ok(report)
}

/// Runs the cases of a file with a case and what is recorded of it on each line, and compares.
///
/// # Errors
/// If the file cannot be read.
pub async fn check_recorded(file: &Path) -> Result<Report, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let mut report = Report::default();
    for (number, line) in text.lines().enumerate() {
        let recorded: Value =
            read_in_order(line).map_err(|error| format!("{}:{}: {error}", file.display(), number + 1))?;
        let document = run_case(recorded["case"].clone()).await;
        report.cases.push(verdict(&recorded["case"], &recorded["expected"], &document));
    }
    Ok(report)
}

/// Compares documents that a program printed earlier, one per line, with what is recorded in `folder`.
///
/// # Errors
/// If a file cannot be read.
pub fn check_output(folder: &Path, output: &str) -> Result<Report, String> {
    let documents: Vec<Value> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut report = Report::default();
    for file in case_files(folder)? {
        let case = read_json(&file)?;
        if let Some(document) = documents.iter().rev().find(|document| document["name"] == case["name"]) {
            report.cases.push(judge(folder, &file, &case, document)?);
        }
    }
    Ok(report)
}

fn judge(folder: &Path, file: &Path, case: &Value, document: &Value) -> Result<(String, Verdict), String> {
    let expected = read_json(&folder.join("expected").join(file.file_name().unwrap_or_default()))?;
    Ok(verdict(case, &expected, document))
}

fn verdict(case: &Value, expected: &Value, document: &Value) -> (String, Verdict) {
    let kind = case["kind"].as_str().unwrap_or_default();
    let steps = case["steps"].as_array().map_or(0, Vec::len);
    let name = case["name"].as_str().unwrap_or_default().to_owned();
    (name, compare(kind, steps, expected, document))
}

impl Report {
    /// The names of the cases that pass.
    pub fn passing(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().filter(|(_, verdict)| *verdict == Verdict::Pass).map(|(name, _)| name.as_str())
    }

    /// The same with cases in which it is right to differ.
    #[must_use]
    pub fn allowing(mut self, cases: impl IntoIterator<Item = (String, String)>) -> Self {
        self.allowed.extend(cases);
        self
    }

    /// The names of the cases that are not as recorded.
    pub fn failing(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Fail(_))).map(|(name, _)| name.as_str())
    }

    /// Whether a case is not as recorded that should be.
    pub fn has_failures(&self) -> bool {
        self.failing().any(|name| !self.allowed.contains_key(name))
    }
}

/// A line per case, then the numbers.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut passed, mut skipped, mut failed, mut differing) = (0, 0, 0, 0);
        for (name, verdict) in &self.cases {
            match verdict {
                Verdict::Pass => {
                    passed += 1;
                    writeln!(f, "pass  {name}")?;
                }
                Verdict::Skip(reason) => {
                    skipped += 1;
                    writeln!(f, "skip  {name}: {reason}")?;
                }
                Verdict::Fail(_) if self.allowed.contains_key(name) => {
                    differing += 1;
                    writeln!(f, "differs  {name}: {}", self.allowed[name])?;
                }
                Verdict::Fail(differences) => {
                    failed += 1;
                    writeln!(f, "FAIL  {name}")?;
                    differences.iter().try_for_each(|difference| writeln!(f, "      {difference}"))?;
                }
            }
        }
        writeln!(
            f,
            "{passed} pass, {failed} fail, {differing} differ on purpose, {skipped} skipped, of {} cases",
            self.cases.len()
        )
    }
}
