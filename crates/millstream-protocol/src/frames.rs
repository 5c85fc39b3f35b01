//! What a view writes: bytes, and where each frame ends.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use millstream_core::Event;
use serde::Serialize;

use crate::position::Position;

/// A fold from a run's events to the frames of one protocol.
///
/// It sees every event of the run's log once, in order, from the first; what it writes depends on nothing else. So its output can be
/// rendered once and shared by all readers, and a reader that comes back continues at the byte where it stopped.
pub trait View: Send {
    /// Writes the frames of event number `seq`, if it has any for this protocol.
    fn see(&mut self, seq: u64, event: &Event, frames: &mut Frames);
}

/// Where a frame ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMark {
    /// The place in the log behind this frame.
    pub position: Position,
    /// Its length in bytes.
    pub length: usize,
}

/// A buffer that views write frames into.
///
/// ```
/// use millstream_protocol::{Frames, Position};
///
/// let mut frames = Frames::default();
/// frames.push(Position::after(1), |out| out.text("data: hello\n\n"));
/// let (bytes, marks) = frames.take();
/// assert_eq!((&bytes[..], marks[0].length), (&b"data: hello\n\n"[..], 13));
/// ```
#[derive(Debug, Default)]
pub struct Frames {
    bytes: BytesMut,
    marks: Vec<FrameMark>,
}

impl Frames {
    /// Adds a frame.
    pub fn push(&mut self, position: Position, write: impl FnOnce(&mut FrameWriter<'_>)) {
        let start = self.bytes.len();
        write(&mut FrameWriter(&mut self.bytes));
        self.marks.push(FrameMark { position, length: self.bytes.len() - start });
    }

    /// Whether nothing was written since the last [`take`](Self::take).
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Takes what was written, as shared bytes, and the marks of its frames. The buffer is used again: no copy.
    pub fn take(&mut self) -> (Bytes, Vec<FrameMark>) {
        (self.bytes.split().freeze(), std::mem::take(&mut self.marks))
    }
}

/// Writes one frame.
#[derive(Debug)]
pub struct FrameWriter<'a>(&'a mut BytesMut);

impl FrameWriter<'_> {
    /// Adds text as it is.
    pub fn text(&mut self, text: &str) {
        self.0.put_slice(text.as_bytes());
    }

    /// Adds something that can be shown.
    pub fn show(&mut self, value: impl std::fmt::Display) {
        // Writing to memory cannot fail.
        let _ = io::Write::write_fmt(&mut self.0.writer(), format_args!("{value}"));
    }

    /// Adds JSON, in one line. Values with keys that are not texts do not occur in protocols.
    pub fn json(&mut self, value: &impl Serialize) {
        let _ = serde_json::to_writer(self.0.writer(), value);
    }

    /// Takes back the closing brace of an object that is to get one more field.
    pub(crate) fn reopen(&mut self) {
        self.0.truncate(self.0.len().saturating_sub(1));
    }
}
