//! A reader of a run's log: at its own pace, from where it wants, as one kind of frames.

use bytes::Bytes;
use millstream_protocol::Position;
use tokio::sync::watch;

use super::rendering::ViewKind;
use super::task::Attached;

/// A reader. It holds an offset and no bytes, so a slow one costs as much as a fast one.
#[derive(Debug)]
pub(crate) struct Viewer {
    attached: Attached,
    kind: ViewKind,
    changes: watch::Receiver<u64>,
    offset: u64,
    frame: usize,
}

impl Viewer {
    /// Reads what is behind `position`.
    pub(crate) fn new(attached: Attached, kind: ViewKind, position: Position) -> Self {
        let log = &attached.run().log;
        let changes = log.changes();
        let (frame, offset) = log.rendering(kind).behind(log, position);
        Self { attached, kind, changes, offset, frame }
    }

    /// Whether the run is over and everything has been read.
    pub(crate) fn is_at_end(&self) -> bool {
        let log = &self.attached.run().log;
        // In this order: what was written before the end is then seen.
        log.finished().is_some() && log.rendering(self.kind).read(log, self.offset).is_none()
    }

    /// The next bytes, whole frames; at the end, `None`. May be dropped at any time.
    pub(crate) async fn bytes(&mut self) -> Option<Bytes> {
        loop {
            let run = self.attached.run();
            let ended = run.log.finished().is_some();
            self.changes.mark_unchanged();
            if let Some(bytes) = run.log.rendering(self.kind).read(&run.log, self.offset) {
                self.offset += bytes.len() as u64;
                return Some(bytes);
            }
            if ended {
                return None;
            }
            // The sender lives in the run, which this reader holds.
            let _ = self.changes.changed().await;
        }
    }

    /// The next frame, if it is there already.
    pub(crate) fn ready_frame(&mut self) -> Option<Bytes> {
        let log = &self.attached.run().log;
        let bytes = log.rendering(self.kind).frame(log, self.frame)?;
        self.frame += 1;
        Some(bytes)
    }

    /// The next frame; at the end, `None`. May be dropped at any time.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        loop {
            let ended = self.attached.run().log.finished().is_some();
            self.changes.mark_unchanged();
            if let Some(bytes) = self.ready_frame() {
                return Some(bytes);
            }
            if ended {
                return None;
            }
            // The sender lives in the run, which this reader holds.
            let _ = self.changes.changed().await;
        }
    }

    pub(crate) fn run(&self) -> &std::sync::Arc<super::ServerRun> {
        self.attached.run()
    }
}
