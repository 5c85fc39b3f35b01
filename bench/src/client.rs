//! The reader at the other end: as cheap as it can be, so that many of them fit beside what is measured.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::middle::Kind;

/// What ends an answer, on both wires.
const END: &[u8] = b"data: [DONE]";

/// The request that `kind` understands.
fn request(kind: Kind, address: SocketAddr) -> String {
    let (path, body) = match kind {
        Kind::Server => ("/chat/stream", r#"{"question":"Say a token."}"#.to_owned()),
        Kind::Proxy => (
            "/v1/chat/completions",
            r#"{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"Say a token."}]}"#.to_owned(),
        ),
    };
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An open stream.
pub(crate) struct Reader {
    socket: TcpStream,
    asked: Instant,
    buffer: Vec<u8>,
}

impl Reader {
    /// Asks.
    pub(crate) async fn ask(kind: Kind, address: SocketAddr) -> std::io::Result<Self> {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let asked = Instant::now();
        socket.write_all(request(kind, address).as_bytes()).await?;
        Ok(Self { socket, asked, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Reads up to the first token and gives the time since the question.
    pub(crate) async fn first_token(&mut self) -> std::io::Result<Duration> {
        loop {
            self.more().await?;
            if memmem::find(&self.buffer, b" token").is_some() {
                return Ok(self.asked.elapsed());
            }
        }
    }

    /// Reads to the end of the answer.
    pub(crate) async fn end(mut self) -> std::io::Result<()> {
        while memmem::find(&self.buffer, END).is_none() {
            let keep = self.buffer.len().saturating_sub(END.len());
            self.buffer.drain(..keep);
            self.more().await?;
        }
        Ok(())
    }

    async fn more(&mut self) -> std::io::Result<()> {
        match self.socket.read_buf(&mut self.buffer).await? {
            0 => Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the stream ended before the answer did")),
            _ => Ok(()),
        }
    }
}
