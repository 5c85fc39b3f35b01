//! A model provider that streams by a script, as cheaply as it can, so that it does not become what is measured.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use memchr::memmem;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// What every request is answered with.
#[derive(Args, Clone, Debug)]
pub(crate) struct Script {
    /// How many tokens an answer has.
    #[arg(long)]
    pub(crate) tokens: usize,
    /// Milliseconds between tokens; 0 writes as fast as the connection takes it.
    #[arg(long, default_value_t = 0)]
    pub(crate) interval: u64,
    /// Say one token and then nothing more.
    #[arg(long)]
    pub(crate) stall: bool,
}

/// One token as OpenAI's wire has it, about 290 bytes.
fn chunk(delta: &serde_json::Value, finish: Option<&str>) -> String {
    let chunk = json!({
        "id": "chatcmpl-BWvK1h2m3n4o5p6q7r8s9t0uVwXyZ", "object": "chat.completion.chunk", "created": 1_795_000_000,
        "model": "gpt-4o-mini-2024-07-18", "service_tier": "default", "system_fingerprint": "fp_34a54ae93c",
        "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }], "usage": null,
    });
    format!("data: {chunk}\n\n")
}

fn framed(body: &str) -> Vec<u8> {
    format!("{:x}\r\n{body}\r\n", body.len()).into_bytes()
}

pub(crate) fn serve(script: &Script) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(|error| error.to_string())?;
        announce(&listener)?;
        let tasks = TaskTracker::new();
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let script = script.clone();
            tasks.spawn(async move {
                // A client that has read enough leaves; that is not the provider's concern.
                let _ = answer(socket, &script).await;
            });
        }
    })
}

pub(crate) fn announce(listener: &TcpListener) -> Result<(), String> {
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("{address}");
    std::io::stdout().flush().map_err(|error| error.to_string())
}

async fn answer(mut socket: TcpStream, script: &Script) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let token = framed(&chunk(&json!({ "content": " token" }), None));
    let end = framed(&(chunk(&json!({}), Some("stop")) + "data: [DONE]\n\n"));
    while read_request(&mut socket).await? {
        socket
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            .await?;
        socket.write_all(&framed(&chunk(&json!({ "role": "assistant", "content": "" }), None))).await?;
        if script.stall {
            socket.write_all(&token).await?;
            // Until the client leaves.
            while socket.read(&mut [0; 64]).await? > 0 {}
            return Ok(());
        }
        if script.interval == 0 {
            flood(&mut socket, &token, script.tokens).await?;
        } else {
            let mut pace = tokio::time::interval(Duration::from_millis(script.interval));
            for _ in 0..script.tokens {
                pace.tick().await;
                socket.write_all(&token).await?;
            }
        }
        socket.write_all(&end).await?;
        socket.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}

/// Many tokens a write, as a fast provider's buffers make them.
async fn flood(socket: &mut TcpStream, token: &[u8], count: usize) -> std::io::Result<()> {
    const BATCH: usize = 50;
    let batch = token.repeat(BATCH);
    for _ in 0..count / BATCH {
        socket.write_all(&batch).await?;
    }
    socket.write_all(&token.repeat(count % BATCH)).await
}

/// Reads one request with its body; false when the client has left.
async fn read_request(socket: &mut TcpStream) -> std::io::Result<bool> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = memmem::find(&bytes, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).map_or("0", str::trim);
            let length: usize = length.parse().unwrap_or(0);
            if bytes.len() >= at + 4 + length {
                return Ok(true);
            }
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(false);
        }
    }
}
