//! A sample that serves: started on a free port, asked once, and stopped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::process::{Failure, announce, start};

/// Starts the server, asks it for `target`, and wants an answer with `end` in it, in less than `limit`.
pub(crate) fn answers(mut command: Command, target: &str, end: &str, limit: Duration) -> Result<(), Failure> {
    command.env("MILLSTREAM_LISTEN", "127.0.0.1:0").stdout(Stdio::piped());
    let shown = announce(&command);
    let mut child = start(&mut command, &shown)?;
    let answer = answer(&mut child, target, limit);
    // It serves until it is stopped; one that ended by itself has said why.
    let _ = child.kill();
    let _ = child.wait();
    let answer = answer.map_err(|error| Failure::new(format!("`{shown}` did not answer {target}: {error}")))?;
    print!("{answer}");
    if answer.contains(end) {
        return Ok(());
    }
    Err(Failure::new(format!("the answer of `{shown}` to {target} has no {end:?} in it")))
}

fn answer(child: &mut Child, target: &str, limit: Duration) -> std::io::Result<String> {
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut said)?;
    }
    let address = said.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
