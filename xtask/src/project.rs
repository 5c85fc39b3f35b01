//! Where the project lies on this machine.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Failure;

/// Variables that would make the tests talk to a real model, or pay for one.
const REAL_MODELS: &[&str] = &["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"];

/// The checkout this program was built from.
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
}

impl Project {
    pub(crate) fn find() -> Result<Project, Failure> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest
            .parent()
            .filter(|root| root.join("Cargo.toml").is_file())
            .ok_or_else(|| {
                Failure::new("the project's folder has moved since xtask was built: `touch xtask/src/main.rs`")
            })?
            .to_owned();
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |named| root.join(named));
        Ok(Project { root, target })
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// Where cargo writes: the place for whatever can be made again.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// A program that `cargo build` made.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    /// A program that runs at the project's root, and without the keys of real models.
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command.current_dir(&self.root);
        for variable in REAL_MODELS {
            command.env_remove(variable);
        }
        command
    }

    /// The cargo that runs this program, at the project's root.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments);
        command
    }

    /// The names of the samples: one file each in `examples/examples`.
    ///
    /// # Errors
    /// When that folder cannot be read.
    pub(crate) fn examples(&self) -> Result<Vec<String>, Failure> {
        let folder = self.path("examples/examples");
        let entries = fs::read_dir(&folder)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", folder.display())))?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".rs").map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }
}
