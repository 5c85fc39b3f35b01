//! The plain form: a text is a question, its answer is texts and then `[DONE]`. One answer at a time, in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message as Frame, Utf8Bytes};
use futures_util::StreamExt;
use millstream::Outcome;
use millstream_protocol::Position;
use millstream_protocol::simple::Question;

use super::conversation::Conversation;
use super::{Lost, Peer, Received, STOPS};
use crate::app::App;
use crate::run::{ViewKind, Viewer};

/// Serves a connection until one side leaves. Leaving stops the answer that is under way: this form has no way to come back to it.
pub(super) async fn serve(app: App, mut peer: Peer, thread: Option<Arc<str>>) {
    let mut conversation = Conversation::new(app.config.limits.history, thread);
    let mut waiting: VecDeque<Utf8Bytes> = VecDeque::new();
    let mut answer: Option<Viewer> = None;
    loop {
        if answer.is_none()
            && let Some(question) = waiting.pop_front()
        {
            match app.ask(question.as_str().to_owned(), conversation.talk(), Some(Duration::ZERO)) {
                Ok(attached) => answer = Some(Viewer::new(attached, ViewKind::PlainTexts, Position::START)),
                Err(_) => return peer.outgoing.close(1013, "the server is busy; try again in a moment").await,
            }
        }
        tokio::select! {
            message = peer.incoming.next() => match peer.received(message) {
                Received::Text(question) => {
                    if Question::check(&question).is_err() {
                        return peer.outgoing.close(1008, "the question is empty").await;
                    }
                    if waiting.len() >= app.config.limits.waiting {
                        return peer.outgoing.close(1008, "too many questions are waiting").await;
                    }
                    waiting.push_back(question);
                }
                Received::Nothing => {}
                Received::Leaves(Some((code, reason))) => return peer.outgoing.close(code, reason).await,
                Received::Leaves(None) => return peer.outgoing.farewell().await,
            },
            frame = next(&mut answer) => match frame {
                Some(frame) => {
                    if send(&mut peer, &mut answer, frame).await.is_err() {
                        return;
                    }
                }
                None => {
                    let Some(viewer) = answer.take() else { continue };
                    let run = viewer.run();
                    conversation.remember(run);
                    let completed = run.log.finished().is_some_and(|end| end.outcome == Outcome::Completed);
                    if !completed {
                        return peer.outgoing.close(1011, "the answer failed").await;
                    }
                }
            },
            _ = peer.pings.tick() => if peer.ping().await.is_err() { return },
            // An answer that is under way is stopped with the server, and closes the connection itself.
            () = app.stopping.cancelled(), if answer.is_none() => return peer.outgoing.close(STOPS.0, STOPS.1).await,
        }
    }
}

async fn next(answer: &mut Option<Viewer>) -> Option<bytes::Bytes> {
    match answer {
        Some(viewer) => viewer.frame().await,
        None => std::future::pending().await,
    }
}

/// Sends a frame and those that are ready behind it, in one write.
async fn send(peer: &mut Peer, answer: &mut Option<Viewer>, first: bytes::Bytes) -> Result<(), Lost> {
    let mut frame = Some(first);
    while let Some(bytes) = frame.take() {
        // Views write UTF-8.
        let text = Utf8Bytes::try_from(bytes).map_err(|_| Lost)?;
        peer.outgoing.feed(Frame::Text(text)).await?;
        frame = answer.as_mut().and_then(Viewer::ready_frame);
    }
    peer.outgoing.flush().await
}
