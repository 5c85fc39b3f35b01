//! WebSocket clients: one that knows the rules, and one that breaks them.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::sse::Answer;
use crate::within;

/// The subprotocol of the JSON form.
pub const JSON: &str = "chat.v1.json";

/// A client that knows the rules.
#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects in the plain form.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn plain(address: SocketAddr) -> Self {
        Self::plain_at(address, "/ws/chat").await
    }

    /// The same, at a path with a query.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn plain_at(address: SocketAddr, target: &str) -> Self {
        let (socket, response) = within(connect_async(format!("ws://{address}{target}"))).await.unwrap();
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
        Self(socket)
    }

    /// Connects in the JSON form.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn json(address: SocketAddr) -> Self {
        Self::json_at(address, "/ws/chat").await
    }

    /// The same, at a path with a query.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn json_at(address: SocketAddr, target: &str) -> Self {
        let mut request = format!("ws://{address}{target}").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", JSON.parse().unwrap());
        let (socket, response) = within(connect_async(request)).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], JSON);
        Self(socket)
    }

    /// Sends any message.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send(&mut self, frame: Frame) {
        within(self.0.send(frame)).await.unwrap();
    }

    /// Sends a text.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn text(&mut self, text: &str) {
        self.send(Frame::text(text)).await;
    }

    /// Sends a JSON frame.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn frame(&mut self, frame: Value) {
        self.text(&frame.to_string()).await;
    }

    /// Closes in good order.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn close(mut self) {
        within(self.0.close(None)).await.unwrap();
    }

    /// The next message of any kind; `None` when the connection is gone.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn receive(&mut self) -> Option<Frame> {
        within(self.0.next()).await.and_then(Result::ok)
    }

    /// The next text.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn next_text(&mut self) -> String {
        // Around the whole: pings must not feed the patience.
        within(async {
            loop {
                match self.receive().await {
                    Some(Frame::Text(text)) => return text.to_string(),
                    Some(Frame::Ping(_)) => {}
                    other => panic!("{other:?} instead of a text"),
                }
            }
        })
        .await
    }

    /// The next JSON frame.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn next_frame(&mut self) -> Value {
        serde_json::from_str(&self.next_text().await).unwrap()
    }

    /// The texts of one answer in the plain form, up to `[DONE]`.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn plain_answer(&mut self) -> Vec<String> {
        let mut tokens = Vec::new();
        loop {
            match self.next_text().await {
                done if done == "[DONE]" => return tokens,
                token => tokens.push(token),
            }
        }
    }

    /// The frames of the answer `id` to its end, which must be the only one that is under way.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn frames(&mut self, id: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next_frame().await;
            assert_eq!(frame["id"], id, "{frame}");
            let is_last = frame["type"] == "done" || frame["type"] == "error";
            frames.push(frame);
            if is_last {
                return frames;
            }
        }
    }

    /// The code and the reason with which the server closes; what comes before is ignored.
    ///
    /// # Panics
    /// When it goes without a word.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Frame::Close(frame) = self.receive().await.expect("a close frame") {
                let frame = frame.expect("a code");
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }
}

/// The fold of the JSON form.
///
/// # Panics
/// When `seq` does not grow, or something comes behind the end.
pub fn fold(frames: &[Value]) -> Answer {
    let (mut answer, mut last) = (Answer::default(), None);
    for frame in frames {
        assert_eq!(answer.ending, None, "{frame} came behind the end");
        let seq = frame["seq"].as_u64().expect("a seq");
        assert!(last.is_none_or(|last| seq > last), "{frame} came behind {last:?}");
        last = Some(seq);
        let text = || frame["text"].as_str().unwrap();
        match frame["type"].as_str().unwrap() {
            "started" => assert!(frame["run"].is_string()),
            "token" => answer.text += text(),
            "reasoning" => answer.reasoning += text(),
            "tool_call" => answer.calls.push(frame.clone()),
            "done" => answer.ending = frame["reason"].as_str().map(str::to_owned),
            "error" => answer.ending = frame["code"].as_str().map(str::to_owned),
            other => panic!("an unknown type {other}"),
        }
    }
    answer
}

/// A connection after the handshake, on which any bytes can be sent.
#[derive(Debug)]
pub struct RawSocket(pub TcpStream);

impl RawSocket {
    /// Shakes hands.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET /ws/chat HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(within(stream.read_u8()).await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
        Self(stream)
    }

    /// Sends bytes; whether the server still takes them.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        within(self.0.write_all(bytes)).await.is_ok()
    }

    /// The next frame: its first byte and its payload; `None` when the connection is gone.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        within(self.0.read_exact(&mut head)).await.ok()?;
        let length = match head[1] {
            126 => usize::from(self.0.read_u16().await.ok()?),
            127 => self.0.read_u64().await.ok()?.try_into().ok()?,
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        within(self.0.read_exact(&mut payload)).await.ok()?;
        Some((head[0], payload))
    }

    /// The code with which the server closes; `None` if it goes without a word.
    ///
    /// # Panics
    /// When it does not go.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            let (first, payload) = self.receive().await?;
            if first & 0x0f == 8 {
                return Some(u16::from_be_bytes([*payload.first()?, *payload.get(1)?]));
            }
        }
    }
}

/// A frame as a client writes it: the first byte (FIN, RSV, opcode), masked.
///
/// # Panics
/// When the payload is longer than any that tests send.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 4];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
