//! A run's log as the frames of one protocol: rendered once, shared by all its readers.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use millstream_protocol::simple::{AgentEvents, JsonEvents, JsonFrames, PlainEvents, PlainTexts};
use millstream_protocol::{FrameMark, Frames, Position, View};
use uuid::Uuid;

use super::log::RunLog;

/// Small pieces are joined when they make so many bytes, so that a late reader gets few large ones.
const PIECE: usize = 16 * 1024;

/// The protocols that a log can be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewKind {
    PlainEvents,
    JsonEvents,
    AgentEvents,
    PlainTexts,
    JsonFrames,
}

impl ViewKind {
    pub(crate) const COUNT: usize = 5;

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn view(self, run: Uuid) -> Box<dyn View> {
        match self {
            Self::PlainEvents => Box::new(PlainEvents::new(run)),
            Self::JsonEvents => Box::new(JsonEvents::new(run)),
            Self::AgentEvents => Box::new(AgentEvents::new(run)),
            Self::PlainTexts => Box::<PlainTexts>::default(),
            Self::JsonFrames => Box::<JsonFrames>::default(),
        }
    }
}

/// The frames so far: a growing text of bytes with marks in it. A reader is an offset into it, so that a reader costs nothing but that.
pub(crate) struct Rendering(Mutex<State>);

struct State {
    view: Box<dyn View>,
    frames: Frames,
    /// The number of the last event that was rendered.
    seen: u64,
    /// Where each frame ends.
    marks: Vec<Mark>,
    /// The bytes, in order, with the offset where each piece starts; the last ones may be small.
    pieces: Vec<Piece>,
    /// How many of the last pieces are small, and their length.
    small: (usize, usize),
    length: u64,
}

#[derive(Clone, Copy)]
struct Mark {
    position: Position,
    end: u64,
}

struct Piece {
    start: u64,
    bytes: Bytes,
}

impl Rendering {
    pub(crate) fn new(view: Box<dyn View>) -> Self {
        let frames = Frames::default();
        let state = State { view, frames, seen: 0, marks: Vec::new(), pieces: Vec::new(), small: (0, 0), length: 0 };
        Self(Mutex::new(state))
    }

    /// The bytes from `offset` on, whole frames, as many as lie together; `None` if there are none yet.
    pub(crate) fn read(&self, log: &RunLog, offset: u64) -> Option<Bytes> {
        let mut state = self.lock();
        state.catch_up(log);
        state.bytes_from(offset)
    }

    /// The frame number `frame` (from 0), if it is there.
    pub(crate) fn frame(&self, log: &RunLog, frame: usize) -> Option<Bytes> {
        let mut state = self.lock();
        state.catch_up(log);
        let end = state.marks.get(frame)?.end;
        let start = frame.checked_sub(1).map_or(0, |before| state.marks[before].end);
        let bytes = state.bytes_from(start)?;
        // Frames never lie across pieces.
        Some(bytes.slice(..usize::try_from(end - start).ok()?))
    }

    /// Which frame is the first behind `position`, and the offset where it starts.
    pub(crate) fn behind(&self, log: &RunLog, position: Position) -> (usize, u64) {
        let mut state = self.lock();
        state.catch_up(log);
        let frame = state.marks.partition_point(|mark| mark.position <= position);
        let start = frame.checked_sub(1).map_or(0, |before| state.marks[before].end);
        (frame, start)
    }

    /// How many bytes have been rendered.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.lock().length).unwrap_or(usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Renders what the log has gained.
    fn catch_up(&mut self, log: &RunLog) {
        if self.seen == log.length() {
            return;
        }
        let (view, frames) = (&mut self.view, &mut self.frames);
        let mut seen = self.seen;
        log.replay(seen, |seq, event| {
            view.see(seq, event, frames);
            seen = seq;
        });
        self.seen = seen;
        if frames.is_empty() {
            return;
        }
        let (bytes, marks) = frames.take();
        let mut end = self.length;
        self.marks.extend(marks.into_iter().map(|FrameMark { position, length }| {
            end += length as u64;
            Mark { position, end }
        }));
        self.small = (self.small.0 + 1, self.small.1 + bytes.len());
        self.pieces.push(Piece { start: self.length, bytes });
        self.length = end;
        if self.small.1 >= PIECE {
            self.join_small_pieces();
        }
    }

    /// One copy of each byte in its life, and readers that are far behind get it in few writes.
    fn join_small_pieces(&mut self) {
        let (count, length) = std::mem::take(&mut self.small);
        if count < 2 {
            return;
        }
        let first = self.pieces.len() - count;
        let start = self.pieces[first].start;
        let mut joined = BytesMut::with_capacity(length);
        for piece in self.pieces.drain(first..) {
            joined.extend_from_slice(&piece.bytes);
        }
        self.pieces.push(Piece { start, bytes: joined.freeze() });
    }

    fn bytes_from(&self, offset: u64) -> Option<Bytes> {
        if offset >= self.length {
            return None;
        }
        let at = self.pieces.partition_point(|piece| piece.start <= offset) - 1;
        let piece = &self.pieces[at];
        let skip = usize::try_from(offset - piece.start).ok()?;
        let rest = piece.bytes.slice(skip..);
        if at + 1 == self.pieces.len() || piece.bytes.len() >= PIECE {
            return Some(rest);
        }
        // Small pieces that lie behind each other go out in one write.
        let mut together = BytesMut::from(rest);
        for piece in &self.pieces[at + 1..] {
            together.extend_from_slice(&piece.bytes);
        }
        Some(together.freeze())
    }
}

impl fmt::Debug for Rendering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendering").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use millstream::{Body, Demo, Model, Runnable};

    use super::*;

    const KINDS: [ViewKind; ViewKind::COUNT] = [
        ViewKind::PlainEvents,
        ViewKind::JsonEvents,
        ViewKind::AgentEvents,
        ViewKind::PlainTexts,
        ViewKind::JsonFrames,
    ];

    async fn log_of(answer: &str) -> RunLog {
        use futures_util::StreamExt;
        let mut events = Model::from(Demo::says([answer])).run("?").events();
        let log = RunLog::new(events.run_id());
        while let Some(Ok(event)) = events.next().await {
            log.append(event);
        }
        log
    }

    #[tokio::test]
    async fn every_offset_reads_on_to_the_same_bytes() {
        let words: String = (0..4000).map(|n| format!("word{n} ")).collect();
        let log = log_of(&words).await;
        for kind in KINDS {
            let rendering = log.rendering(kind);
            let mut whole = Vec::new();
            while let Some(bytes) = rendering.read(&log, whole.len() as u64) {
                whole.extend_from_slice(&bytes);
            }
            let (mut frames, mut from_frames) = (0, Vec::new());
            while let Some(bytes) = rendering.frame(&log, frames) {
                from_frames.extend_from_slice(&bytes);
                frames += 1;
            }
            assert_eq!(from_frames, whole, "{kind:?}");
            for seq in [0, 1, 5, 1999, log.length()] {
                let (frame, offset) = rendering.behind(&log, Position::after(seq));
                let next = rendering.frame(&log, frame);
                let bytes = rendering.read(&log, offset);
                assert_eq!(next.is_some(), bytes.is_some());
                if let (Some(next), Some(bytes)) = (next, bytes) {
                    assert!(bytes.starts_with(&next), "{kind:?} after {seq}");
                }
            }
        }
    }

    #[tokio::test]
    async fn live_reading_gives_what_late_reading_gives() {
        let log = log_of("one two three [DONE] four").await;
        let live = RunLog::new(log.run);
        let (mut events, mut read) = (Vec::new(), Vec::new());
        log.replay(0, |_, event| events.push(event.clone()));
        for event in events {
            live.append(event);
            while let Some(bytes) = live.rendering(ViewKind::PlainEvents).read(&live, read.len() as u64) {
                read.extend_from_slice(&bytes);
            }
        }
        assert_eq!(log.rendering(ViewKind::PlainEvents).read(&log, 0).unwrap(), read);
        assert!(matches!(live.finished().map(|end| end.outcome), Some(millstream::Outcome::Completed)));
        live.replay(live.length() - 1, |_, event| assert!(matches!(event.body, Body::Finished(_))));
    }
}
