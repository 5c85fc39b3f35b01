//! `chat.v1.json`: several answers at once, each with a name that the client gave it; stop, and coming back.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::ws::Message as Frame;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, SelectAll};
use millstream_protocol::Position;
use millstream_protocol::simple::{Ask, ClientFrame, bad_frame, close_object};
use serde_json::json;
use uuid::Uuid;

use super::conversation::Conversation;
use super::{Lost, Peer, Received, STOPS};
use crate::app::{App, Talk};
use crate::http::Problem;
use crate::run::{Attached, Found, ServerRun, ViewKind, Viewer};

/// A name of this length cannot be guessed, so whoever knows it may come back to its answer from another connection.
const CAPABILITY: usize = 22;

/// One thing that happens to an answer.
enum Step {
    Frame(Arc<str>, Bytes),
    Over(Arc<str>, Arc<ServerRun>),
}

/// Serves a connection until one side leaves. Its runs go on for the grace time, so that the client can come back to them.
pub(super) async fn serve(app: App, peer: Peer, thread: Option<Arc<str>>) {
    let answers = SelectAll::new();
    let conversation = Conversation::new(app.config.limits.history, thread);
    let mut connection = Connection { app, conversation, known: HashMap::new(), reading: 0, answers };
    connection.serve(peer).await;
}

struct Connection {
    app: App,
    conversation: Conversation,
    /// The runs that this connection asked for or came back to, by the client's names.
    known: HashMap<Arc<str>, Arc<ServerRun>>,
    reading: usize,
    answers: SelectAll<BoxStream<'static, Step>>,
}

impl Connection {
    async fn serve(&mut self, mut peer: Peer) {
        loop {
            let sent = tokio::select! {
                message = peer.incoming.next() => match peer.received(message) {
                    Received::Text(text) => match self.obey(&text) {
                        Some(reply) => peer.outgoing.text(&reply).await,
                        None => Ok(()),
                    },
                    Received::Nothing => Ok(()),
                    Received::Leaves(Some((code, reason))) => return peer.outgoing.close(code, reason).await,
                    Received::Leaves(None) => return peer.outgoing.farewell().await,
                },
                Some(step) = self.answers.next() => match step {
                    Step::Frame(id, bytes) => send(&mut peer, &id, &bytes).await,
                    Step::Over(id, run) => {
                        self.over(&id, &run);
                        Ok(())
                    }
                },
                _ = peer.pings.tick() => peer.ping().await,
                // Answers that are under way are stopped with the server, and say so first.
                () = self.app.stopping.cancelled(), if self.reading == 0 => return peer.outgoing.close(STOPS.0, STOPS.1).await,
            };
            if sent.is_err() {
                return;
            }
        }
    }

    /// Does what a frame asks for, and gives the immediate reply, if there is one.
    fn obey(&mut self, text: &str) -> Option<String> {
        let frame = match ClientFrame::parse(text) {
            Ok(frame) => frame,
            Err(message) => return Some(bad_frame(&message)),
        };
        match frame {
            ClientFrame::Ask(ask) => Some(self.ask(ask)),
            ClientFrame::Stop { id } => match self.known.get(id.as_str()) {
                Some(run) => {
                    run.stop();
                    None
                }
                None => Some(refusal(&id, "unknown_answer", "this connection has no answer of that id to stop")),
            },
            ClientFrame::Resume { id, run, after } => Some(self.resume(&id, run, after)),
            ClientFrame::Ping => Some(json!({ "type": "pong" }).to_string()),
        }
    }

    fn ask(&mut self, ask: Ask) -> String {
        let Ask { id, question, thread } = ask;
        let id = id.as_str();
        if self.known.get(id).is_some_and(|run| run.log.finished().is_none()) {
            return refusal(
                id,
                "duplicate_id",
                "an answer of that id is under way; give each question an id of its own",
            );
        }
        if let Some(refused) = self.too_many(id) {
            return refused;
        }
        let talk = thread.map_or_else(|| self.conversation.talk(), |thread| Talk::Kept(thread.into()));
        match self.app.ask(question, talk, self.app.config.linger) {
            Ok(attached) => {
                if id.len() >= CAPABILITY {
                    self.app.runs.name(id.to_owned(), attached.run().id);
                }
                self.read(id, attached, Position::START)
            }
            Err(problem) => refusal_of(id, &problem),
        }
    }

    fn resume(&mut self, id: &str, run: Option<Uuid>, after: u64) -> String {
        let known = || self.known.get(id).map(|run| run.id);
        let named = || (id.len() >= CAPABILITY).then(|| self.app.runs.named(id)).flatten();
        let Some(run) = run.or_else(known).or_else(named) else {
            let message = "this connection does not know that id; send the \"run\" of its started frame too, or use ids of 22 \
                           random characters or more";
            return refusal(id, "unknown_answer", message);
        };
        if let Some(refused) = self.too_many(id) {
            return refused;
        }
        match self.app.runs.find(run) {
            Found::Run(run) if after > run.log.length() => {
                refusal(id, "bad_cursor", "\"after\" is ahead of the answer; send the last seq that was seen")
            }
            Found::Run(run) => self.read(id, run.attach(), Position::after(after)),
            Found::Gone => refusal_of(id, &Problem::expired_run()),
            Found::Unknown => refusal_of(id, &Problem::unknown_run()),
        }
    }

    fn too_many(&self, id: &str) -> Option<String> {
        let full = self.reading >= self.app.config.limits.waiting;
        full.then(|| refusal(id, "too_many_answers", "this connection has as many answers under way as it may"))
    }

    /// Reads a run under the name `id`.
    fn read(&mut self, id: &str, attached: Attached, position: Position) -> String {
        let name: Arc<str> = id.into();
        let run = attached.run().clone();
        let started = json!({ "type": "started", "id": id, "seq": position.seq(), "run": run.id }).to_string();
        self.known.insert(name.clone(), run);
        self.reading += 1;
        let viewer = Viewer::new(attached, ViewKind::JsonFrames, position);
        let steps = futures_util::stream::unfold(Some(viewer), move |viewer| {
            let name = name.clone();
            async move {
                let mut viewer = viewer?;
                match viewer.frame().await {
                    Some(bytes) => Some((Step::Frame(name, bytes), Some(viewer))),
                    None => Some((Step::Over(name, viewer.run().clone()), None)),
                }
            }
        });
        self.answers.push(steps.boxed());
        started
    }

    fn over(&mut self, id: &Arc<str>, run: &ServerRun) {
        self.reading -= 1;
        self.conversation.remember(run);
        // A known name keeps its run in memory, so a connection that asks for ever must not keep them all.
        if self.known.len() > 4 * self.app.config.limits.waiting {
            self.known.retain(|name, run| name == id || run.log.finished().is_none());
        }
    }
}

fn refusal(id: &str, code: &str, message: &str) -> String {
    json!({ "type": "error", "id": id, "code": code, "message": message, "retryable": false }).to_string()
}

fn refusal_of(id: &str, problem: &Problem) -> String {
    refusal(id, problem.code(), problem.message())
}

async fn send(peer: &mut Peer, id: &str, frame: &[u8]) -> Result<(), Lost> {
    // Views write UTF-8.
    let text = std::str::from_utf8(frame).map_err(|_| Lost)?;
    peer.outgoing.send(Frame::text(close_object(text, id))).await
}
