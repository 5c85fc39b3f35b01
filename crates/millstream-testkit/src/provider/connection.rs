//! One connection: requests in, scripts out, one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::plan::{self, Action};
use super::{Exchange, Received, Shared};

/// A request larger than this is a mistake of the test.
const LARGEST_REQUEST: usize = 64 << 20;

pub(super) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    // Every write must leave as it is: a split is the point of many tests.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut reset = false;
    {
        let (read, write) = stream.split();
        let mut client = Client { read, inbox: Vec::new(), gone: None };
        let mut answering = Answering { write, exchange: None };
        while let Some(received) = client.request().await {
            let (exchange, script) = shared.answer(received);
            answering.exchange = Some(exchange);
            match answering.play(plan::actions(&script), &mut client).await {
                End::KeepAlive => {}
                End::Close => {
                    // Refused if the client left first.
                    let _ = answering.write.shutdown().await;
                    client.leaves().await;
                }
                End::Reset => {
                    reset = true;
                    break;
                }
                End::Gone => break,
            }
        }
        if let (Some(exchange), Some(gone)) = (&answering.exchange, client.gone) {
            exchange.update(|progress| progress.closed = progress.closed.or(Some(gone)));
        }
    }
    if reset {
        // Without it, the drop would be a FIN.
        let _ = stream.set_zero_linger();
    }
}

/// How the answer to one request ended.
enum End {
    KeepAlive,
    Close,
    Reset,
    Gone,
}

/// The client's side of the connection.
struct Client<'stream> {
    read: ReadHalf<'stream>,
    inbox: Vec<u8>,
    gone: Option<Instant>,
}

impl Client<'_> {
    /// Reads until the client closes its side. Cancel-safe: what arrives is kept.
    async fn leaves(&mut self) -> Instant {
        loop {
            if let Some(gone) = self.gone {
                return gone;
            }
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let ready = self.read.readable().await;
        let left = match ready {
            Ok(()) => match self.read.try_read_buf(&mut self.inbox) {
                Ok(0) => true,
                Ok(_) => self.inbox.len() > LARGEST_REQUEST,
                Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
            },
            Err(_) => true,
        };
        if left {
            self.gone = Some(Instant::now());
        }
    }

    /// The next request, or none if the client leaves before it is complete.
    async fn request(&mut self) -> Option<Received> {
        loop {
            if let Some((received, length)) = parse(&self.inbox) {
                self.inbox.drain(..length);
                return Some(received);
            }
            if self.gone.is_some() {
                return None;
            }
            self.more().await;
        }
    }
}

/// The answer's side of the connection.
struct Answering<'stream> {
    write: WriteHalf<'stream>,
    exchange: Option<Exchange>,
}

impl Answering<'_> {
    async fn play(&mut self, actions: Vec<Action>, client: &mut Client<'_>) -> End {
        let Some(exchange) = self.exchange.clone() else {
            return End::Gone;
        };
        let mut end = End::KeepAlive;
        for action in actions {
            let went_on = match action {
                Action::Head(bytes) => {
                    let written = self.send(&bytes, client, &exchange, false).await;
                    exchange.update(|progress| progress.head = true);
                    written
                }
                Action::Write(bytes) => self.send(&bytes, client, &exchange, true).await,
                Action::Repeat(bytes, pace) => {
                    while self.send(&bytes, client, &exchange, true).await {
                        match pace {
                            Some(pace) => wait(pace, client, &exchange).await,
                            None => tokio::task::yield_now().await,
                        }
                    }
                    false
                }
                Action::Pause(pause) => {
                    wait(pause, client, &exchange).await;
                    true
                }
                Action::Stall => tokio::select! {
                    () = exchange.pass_stall() => true,
                    gone = client.leaves() => {
                        note_gone(&exchange, gone);
                        false
                    }
                },
                Action::Close => {
                    end = End::Close;
                    break;
                }
                Action::Reset => {
                    end = End::Reset;
                    break;
                }
            };
            if !went_on {
                end = End::Gone;
                break;
            }
        }
        exchange.update(|progress| progress.ended = true);
        end
    }

    /// Writes while watching whether the client leaves. What the operating system takes after that
    /// is counted: a provider that has not noticed goes on. False when it takes no more.
    async fn send(&mut self, bytes: &[u8], client: &mut Client<'_>, exchange: &Exchange, body: bool) -> bool {
        let mut sent = 0;
        while sent < bytes.len() {
            tokio::select! {
                biased;
                gone = client.leaves(), if client.gone.is_none() => note_gone(exchange, gone),
                written = self.write.write(&bytes[sent..]) => match written {
                    Ok(0) | Err(_) => {
                        let gone = client.gone.unwrap_or_else(Instant::now);
                        note_gone(exchange, gone);
                        return false;
                    }
                    Ok(written) => {
                        sent += written;
                        exchange.update(|progress| {
                            progress.written += if body { written } else { 0 };
                            if progress.closed.is_some() {
                                progress.after_close += written;
                            }
                        });
                    }
                }
            }
        }
        true
    }
}

/// Sleeps, and notes if the client leaves meanwhile.
async fn wait(pause: Duration, client: &mut Client<'_>, exchange: &Exchange) {
    let sleep = tokio::time::sleep(pause);
    tokio::pin!(sleep);
    loop {
        tokio::select! {
            () = &mut sleep => return,
            gone = client.leaves(), if client.gone.is_none() => note_gone(exchange, gone),
        }
    }
}

fn note_gone(exchange: &Exchange, gone: Instant) {
    exchange.update(|progress| progress.closed = progress.closed.or(Some(gone)));
}

/// A complete request at the start of the bytes, and its length.
fn parse(bytes: &[u8]) -> Option<(Received, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut request_line = lines.next()?.split(' ');
    let method = request_line.next()?.to_owned();
    let path = request_line.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some((Received { method, path, headers, body }, end + 4 + length))
}
