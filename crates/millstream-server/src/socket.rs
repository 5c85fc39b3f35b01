//! `/ws/chat`: the simple protocol over WebSocket, plain or as `chat.v1.json`.

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use millstream_protocol::simple::{Question, SUBPROTOCOL};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::app::App;
use crate::config::Limits;
use crate::http::{Problem, query};

mod conversation;
mod json;
mod plain;

/// `GET /ws/chat`, upgraded; `?thread_id=...` if the server is to keep the conversation.
pub(crate) async fn upgrade(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if app.chat.is_none() {
        return Err(Problem::not_served("chat"));
    }
    let not_one = |_| Problem::bad_request("this path speaks WebSocket; connect with a WebSocket client");
    let upgrade = upgrade.map_err(not_one)?;
    let thread = Question::thread(query::value(query.as_deref(), "thread_id")?)?.map(Arc::from);
    let limit = app.config.limits.message;
    let upgrade = upgrade.protocols([SUBPROTOCOL]).max_message_size(limit).max_frame_size(limit);
    let json = upgrade.selected_protocol().is_some();
    let tasks = app.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        // Tracked, so that a server that stops waits until its clients have been told.
        tasks.track_future(async move {
            let peer = Peer::new(socket, &app.config.limits);
            if json { json::serve(app, peer, thread).await } else { plain::serve(app, peer, thread).await }
        })
    }))
}

/// The two halves of a socket, and whether the other side still answers.
struct Peer {
    incoming: SplitStream<WebSocket>,
    outgoing: Outgoing,
    pings: Interval,
    answered: bool,
}

/// What a client sent.
enum Received {
    Text(Utf8Bytes),
    /// Nothing to act on.
    Nothing,
    /// The connection is to be closed, with this code and reason; or is closed already.
    Leaves(Option<(u16, &'static str)>),
}

/// The close code and the reason of a server that stops.
const STOPS: (u16, &str) = (1001, "the server stops");

/// The connection is gone.
#[derive(Debug)]
struct Lost;

impl Peer {
    fn new(socket: WebSocket, limits: &Limits) -> Self {
        let (sink, incoming) = socket.split();
        let mut pings = interval_at(Instant::now() + limits.ping, limits.ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { incoming, outgoing: Outgoing(sink), pings, answered: true }
    }

    /// Makes sense of what came from the socket.
    fn received(&mut self, message: Option<Result<Frame, axum::Error>>) -> Received {
        self.answered = true;
        match message {
            Some(Ok(Frame::Text(text))) => Received::Text(text),
            Some(Ok(Frame::Binary(_))) => Received::Leaves(Some((1003, "send text, not binary messages"))),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => Received::Nothing,
            Some(Ok(Frame::Close(_))) | None => Received::Leaves(None),
            Some(Err(error)) => Received::Leaves(fault(error)),
        }
    }

    /// Asks whether the client is still there.
    async fn ping(&mut self) -> Result<(), Lost> {
        if !std::mem::replace(&mut self.answered, false) {
            return Err(Lost);
        }
        self.outgoing.send(Frame::Ping(Bytes::new())).await
    }
}

/// The close code for a message that could not be read.
fn fault(error: axum::Error) -> Option<(u16, &'static str)> {
    use tungstenite::Error as Fault;
    match error.into_inner().downcast_ref::<Fault>()? {
        Fault::Capacity(_) => Some((1009, "the message is too large")),
        Fault::Utf8(_) => Some((1007, "the message is not UTF-8")),
        Fault::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => None,
        Fault::Protocol(_) => Some((1002, "that is not WebSocket")),
        _ => None,
    }
}

/// The sending half.
struct Outgoing(SplitSink<WebSocket, Frame>);

impl Outgoing {
    async fn send(&mut self, frame: Frame) -> Result<(), Lost> {
        self.feed(frame).await?;
        self.flush().await
    }

    /// Writes without flushing: frames that are ready together go out together.
    async fn feed(&mut self, frame: Frame) -> Result<(), Lost> {
        self.0.feed(frame).await.map_err(|_| Lost)
    }

    async fn flush(&mut self) -> Result<(), Lost> {
        self.0.flush().await.map_err(|_| Lost)
    }

    async fn text(&mut self, text: &str) -> Result<(), Lost> {
        self.send(Frame::text(text)).await
    }

    /// Writes the answer to a client's goodbye, if it said one; without it the client sees a connection that was cut.
    async fn farewell(&mut self) {
        // The other side may be gone already, which is what leaving is for.
        let _ = self.flush().await;
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // The other side may be gone already, which is what closing is for.
        let _ = self.send(Frame::Close(Some(frame))).await;
    }
}
