//! What the tests need beside Rust: looked for, and installed where the machine has a way to do so.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{Failure, HOUR, ask, run};
use crate::project::Project;

/// The oldest Node whose test runner has the options that the browser tests are run with.
const NODE: u32 = 20;
/// What is fetched where the system's Node is older, as it is on Debian 12.
const NEWER_NODE: &str = "node@22";

const CHROMIUM_NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const CHROMIUM_ON_MAC: &[&str] = &[
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// One thing a step cannot run without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Rustfmt,
    Clippy,
    CargoDeny,
    Node,
    /// The packages of `tests/browser`.
    BrowserPackages,
    Chromium,
}

impl Need {
    /// Makes sure it is there.
    ///
    /// # Errors
    /// A sentence that says what to install by hand.
    pub(crate) fn provide(self, project: &Project) -> Result<(), Failure> {
        match self {
            Need::Rustfmt => component(project, "rustfmt", "fmt"),
            Need::Clippy => component(project, "clippy", "clippy"),
            Need::CargoDeny => cargo_deny(project),
            Need::Node => install_node(project),
            Need::BrowserPackages => browser_packages(project),
            Need::Chromium => install_chromium(project),
        }
    }
}

/// Where Chromium is: `CHROMIUM` in the environment, or one of its usual names.
pub(crate) fn chromium() -> Option<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    CHROMIUM_NAMES
        .iter()
        .find_map(|name| on_path(name))
        .or_else(|| CHROMIUM_ON_MAC.iter().map(PathBuf::from).find(|path| path.is_file()))
}

/// The Node to run the browser tests with: the system's, or the one that was fetched because that is too old.
pub(crate) fn node(project: &Project) -> Option<PathBuf> {
    let fetched = newer_node(project).join("node_modules/.bin/node");
    [PathBuf::from("node"), fetched].into_iter().find(|program| {
        let version = ask(program, &["--version"]).unwrap_or_default();
        let major = version.strip_prefix('v').and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        major.is_some_and(|major| major >= NODE)
    })
}

fn component(project: &Project, component: &str, subcommand: &str) -> Result<(), Failure> {
    if ask("cargo", &[subcommand, "--version"]).is_some() {
        return Ok(());
    }
    let by_hand = format!("{component} is missing: install it with `rustup component add {component}`");
    if on_path("rustup").is_none() {
        return Err(Failure::new(by_hand));
    }
    let mut command = project.command("rustup");
    command.args(["component", "add", component]);
    run(command, HOUR).map_err(|failure| Failure::new(format!("{failure}\n{by_hand}")))
}

fn cargo_deny(project: &Project) -> Result<(), Failure> {
    if ask("cargo", &["deny", "--version"]).is_some() {
        return Ok(());
    }
    println!("cargo-deny is missing: building it, which takes some minutes");
    run(project.cargo(&["install", "--locked", "--debug", "cargo-deny"]), HOUR)
}

fn install_node(project: &Project) -> Result<(), Failure> {
    let by_hand = format!("the browser tests need Node {NODE} or later with npm: install it from https://nodejs.org");
    if ask("node", &["--version"]).is_none() || ask("npm", &["--version"]).is_none() {
        apt(project, &["nodejs", "npm"], &by_hand)?;
    }
    if node(project).is_some() {
        return Ok(());
    }
    println!("this system's Node is older than {NODE}: fetching {NEWER_NODE} into the target folder");
    let mut command = project.command("npm");
    command.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(newer_node(project)).arg(NEWER_NODE);
    run(command, HOUR)?;
    node(project).map(drop).ok_or_else(|| Failure::new(by_hand))
}

fn newer_node(project: &Project) -> PathBuf {
    project.target().join("node")
}

fn browser_packages(project: &Project) -> Result<(), Failure> {
    let folder = project.path("tests/browser");
    // npm writes this file last: newer than the lock file means that the lock file's packages are there.
    if is_newer(&folder.join("node_modules/.package-lock.json"), &folder.join("package-lock.json")) {
        return Ok(());
    }
    let mut command = project.command("npm");
    command.current_dir(folder).args(["ci", "--no-audit", "--no-fund"]);
    // The tests drive the machine's Chromium; no second one is wanted.
    command.env("PUPPETEER_SKIP_DOWNLOAD", "1");
    run(command, HOUR)
}

fn install_chromium(project: &Project) -> Result<(), Failure> {
    let by_hand = "the browser tests need Chromium or Chrome: install one, or set CHROMIUM to its program";
    match chromium() {
        Some(path) if path.is_file() => return Ok(()),
        Some(path) => {
            let path = path.display();
            return Err(Failure::new(format!("CHROMIUM names {path}, which is not a file; {by_hand}")));
        }
        None => apt(project, &["chromium", "fonts-liberation"], by_hand)?,
    }
    chromium().map(drop).ok_or_else(|| Failure::new(by_hand))
}

/// Installs Debian packages as root, or through a `sudo` that asks nothing.
fn apt(project: &Project, packages: &[&str], by_hand: &str) -> Result<(), Failure> {
    let is_root = ask("id", &["-u"]).as_deref() == Some("0");
    let may_sudo = || ask("sudo", &["-n", "true"]).is_some();
    if on_path("apt-get").is_none() || !(is_root || may_sudo()) {
        return Err(Failure::new(by_hand));
    }
    let apt_get = |arguments: &[&str]| {
        let mut command = project.command(if is_root { "env" } else { "sudo" });
        if !is_root {
            command.args(["-n", "env"]);
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
        run(command, HOUR).map_err(|failure| Failure::new(format!("{failure}\n{by_hand}")))
    };
    apt_get(&["update", "--quiet"])?;
    let mut install = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    install.extend(packages);
    apt_get(&install)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let file = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

fn is_newer(path: &Path, than: &Path) -> bool {
    let written = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    matches!((written(path), written(than)), (Some(path), Some(than)) if path >= than)
}
