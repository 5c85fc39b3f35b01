//! An HTTP/1.1 client that hides nothing: what was sent is what the test wrote, what came is seen as it comes.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::within;

/// A request, as it goes out.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None }
    }

    /// `GET target`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `POST target` with any body, and no word about what it is.
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::new("POST", target) }
    }

    /// `POST target` with a question as JSON.
    pub fn ask(target: &str, question: &str) -> Self {
        let body = json!({ "question": question }).to_string();
        Self::post(target, body).header("content-type", "application/json")
    }

    /// `POST /agent/stream` with a message in the conversation `thread`.
    pub fn tell(message: &str, thread: &str) -> Self {
        let body = json!({ "message": message, "thread_id": thread }).to_string();
        Self::post("/agent/stream", body).header("content-type", "application/json")
    }

    /// One header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The bytes on the wire.
    pub fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head += &format!("host: {host}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            head += &format!("content-length: {}\r\n", body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends the request on a connection of its own and waits for the head of the response.
    ///
    /// # Panics
    /// When no response comes.
    pub async fn send(&self, address: SocketAddr) -> Response {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&self.bytes(address)).await.unwrap();
        Response::read(stream, self.method == "HEAD").await
    }

    /// Sends the request, takes exactly `length` bytes of the response (fewer if it ends before) and drops the connection.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn send_and_cut(&self, address: SocketAddr, length: usize) -> Decoder {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&self.bytes(address)).await.unwrap();
        let mut bytes = Vec::with_capacity(length);
        within((&mut stream).take(length as u64).read_to_end(&mut bytes)).await.unwrap();
        let mut decoder = Decoder::new(false);
        decoder.push(&bytes);
        decoder
    }
}

/// A response whose head has come.
#[derive(Debug)]
pub struct Response {
    stream: TcpStream,
    decoder: Decoder,
}

impl Response {
    /// Waits for the head of a response on `stream`.
    ///
    /// # Panics
    /// When none comes.
    pub async fn read(stream: TcpStream, bodiless: bool) -> Self {
        let mut response = Self { stream, decoder: Decoder::new(bodiless) };
        while response.decoder.head.is_none() {
            assert!(response.more().await, "the connection ended without a response");
        }
        response
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.head().status
    }

    /// The header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.head().headers.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The run's id.
    ///
    /// # Panics
    /// When the response names none.
    pub fn run(&self) -> String {
        self.header("x-run-id").expect("the response names its run").to_owned()
    }

    /// What the body has gained; `None` at its proper end.
    ///
    /// # Panics
    /// When the connection breaks before.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if !self.decoder.body.is_empty() {
                return Some(std::mem::take(&mut self.decoder.body));
            }
            if self.decoder.ended {
                return None;
            }
            assert!(self.more().await, "the body was cut before its end");
        }
    }

    /// At least `count` bytes of the body.
    ///
    /// # Panics
    /// When it ends before.
    pub async fn at_least(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            bytes.extend(self.chunk().await.expect("a longer body"));
        }
        bytes
    }

    /// The rest of the body, to its proper end.
    ///
    /// # Panics
    /// When the connection breaks before.
    pub async fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await {
            bytes.extend(chunk);
        }
        bytes
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub async fn json(&mut self) -> Value {
        let bytes = self.bytes().await;
        serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&bytes)))
    }

    /// The `code` of the error in the body.
    ///
    /// # Panics
    /// When there is none, or it is not in the shape that clients expect.
    pub async fn error_code(&mut self) -> String {
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json().await;
        let error = body["error"].as_object().expect("an object `error`");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        assert!(error["type"].is_string() && error.contains_key("param"), "{body}");
        error["code"].as_str().unwrap().to_owned()
    }

    /// Drops the connection with a reset, as a network does that is gone.
    ///
    /// # Panics
    /// When the socket is closed already.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    fn head(&self) -> &Head {
        self.decoder.head.as_ref().expect("read to the head")
    }

    async fn more(&mut self) -> bool {
        let mut bytes = Vec::with_capacity(16 * 1024);
        let count = within(self.stream.read_buf(&mut bytes)).await.unwrap_or(0);
        self.decoder.push(&bytes);
        count > 0
    }
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
}

/// Decodes a response from its bytes, however they are cut.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The head, when it is complete.
    pub head: Option<Head>,
    /// What has come of the body and was not taken.
    pub body: Vec<u8>,
    /// Whether the body is complete.
    pub ended: bool,
    bodiless: bool,
    pending: Vec<u8>,
    left: usize,
    chunked: bool,
}

impl Decoder {
    fn new(bodiless: bool) -> Self {
        Self { bodiless, ..Self::default() }
    }

    /// Takes more bytes.
    ///
    /// # Panics
    /// When they are not HTTP.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        if self.head.is_none() && !self.take_head() {
            return;
        }
        while !self.ended && !self.pending.is_empty() {
            if self.left > 0 {
                let count = self.left.min(self.pending.len());
                self.body.extend(self.pending.drain(..count));
                self.left -= count;
                self.ended = self.left == 0 && !self.chunked;
            } else if !self.take_chunk_size() {
                return;
            }
        }
    }

    fn take_head(&mut self) -> bool {
        let Some(end) = find(&self.pending, b"\r\n\r\n") else { return false };
        let bytes: Vec<u8> = self.pending.drain(..end + 4).collect();
        let text = String::from_utf8(bytes).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let header = |name: &str| headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value);
        self.chunked = header("transfer-encoding").is_some_and(|value| value == "chunked");
        self.left = header("content-length").map_or(0, |value| value.parse().unwrap());
        self.ended = self.bodiless || (!self.chunked && self.left == 0);
        self.head = Some(Head { status, headers });
        true
    }

    /// Behind each chunk comes CRLF, then the next size in hexadecimal; behind the last chunk nothing more than CRLF.
    fn take_chunk_size(&mut self) -> bool {
        let start = if self.pending.starts_with(b"\r\n") { 2 } else { 0 };
        let Some(length) = find(&self.pending[start..], b"\r\n") else { return false };
        let size = std::str::from_utf8(&self.pending[start..start + length]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("{size:?} is not the size of a chunk"));
        let end = start + length + 2;
        if size == 0 {
            if self.pending.len() < end + 2 {
                return false;
            }
            self.ended = true;
        }
        self.pending.drain(..end);
        self.left = size;
        true
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
