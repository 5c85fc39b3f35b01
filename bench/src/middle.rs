//! The processes of a benchmark: started, found by the address they print, and ended with it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::measure::Account;
use crate::provider::Script;

/// A process that listens.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self, String> {
        let mut child = command
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.get_program().to_string_lossy()))?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        let address = line.trim().rsplit(['/', ' ']).next().unwrap_or_default();
        match address.parse() {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                Err(format!("{} printed {line:?} rather than its address", command.get_program().to_string_lossy()))
            }
        }
    }

    /// The scripted provider, which is this program too.
    pub(crate) fn provider(script: &Script) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(own);
        command.args(["provider", "--tokens", &script.tokens.to_string(), "--interval", &script.interval.to_string()]);
        if script.stall {
            command.arg("--stall");
        }
        Self::start(&mut command)
    }

    /// What the process has used so far.
    pub(crate) fn account(&self) -> Result<Account, String> {
        Account::of(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands between the client and the provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Server,
    Proxy,
}

/// Where the programs are.
pub(crate) struct Programs {
    own: PathBuf,
    server: PathBuf,
}

impl Programs {
    pub(crate) fn find(server: Option<PathBuf>) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let server = server.unwrap_or_else(|| own.with_file_name("millstream"));
        if server.exists() {
            return Ok(Self { own, server });
        }
        Err(format!("there is no {}; run cargo xtask bench, which builds it", Path::display(&server)))
    }

    pub(crate) fn middle(&self, kind: Kind, provider: SocketAddr) -> Result<Process, String> {
        match kind {
            Kind::Proxy => Process::start(Command::new(&self.own).args(["proxy", &provider.to_string()])),
            Kind::Server => Process::start(
                Command::new(&self.server)
                    .args([
                        "--listen",
                        "127.0.0.1:0",
                        "--model",
                        "gpt-4o-mini",
                        "--base-url",
                        &format!("http://{provider}/v1"),
                    ])
                    .env_remove("OPENAI_API_KEY"),
            ),
        }
    }
}
