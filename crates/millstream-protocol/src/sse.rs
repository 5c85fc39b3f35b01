//! Server-Sent Events, as every known client accepts them: LF only, `data: ` with one space, one write for whole events.
//!
//! Source: WHATWG HTML, "Server-sent events"; what clients really do with each form was tried on the clients themselves.

use uuid::Uuid;

use crate::frames::FrameWriter;
use crate::position::{Cursor, Position};

/// The first bytes of a new stream: how long to wait before coming back, and the place before the first event, so that a client that
/// loses the connection before the first token comes back to the same run.
pub fn opening(run: Uuid) -> String {
    format!("retry: 1000\nid: {}\n\n", Cursor { run, position: Position::START })
}

/// The first bytes of a resumed stream. It carries no id: the client keeps its own.
pub const RESUMED: &str = "retry: 1000\n\n";

/// What is sent in silence, so that no proxy cuts the stream. It has no id and no data: no cursor moves.
pub const KEEP_ALIVE: &str = ": keep-alive\n\n";

/// Writes one event: its id, its type if it is not `message`, and its data, split into lines.
pub fn event(out: &mut FrameWriter<'_>, id: Cursor, kind: Option<&str>, data: &str) {
    head(out, id, kind);
    for line in data.split('\n') {
        out.text("data: ");
        out.text(line);
        out.text("\n");
    }
    out.text("\n");
}

/// Writes one event whose data is JSON.
pub fn json_event(out: &mut FrameWriter<'_>, id: Cursor, value: &impl serde::Serialize) {
    head(out, id, None);
    out.text("data: ");
    out.json(value);
    out.text("\n\n");
}

fn head(out: &mut FrameWriter<'_>, id: Cursor, kind: Option<&str>) {
    out.text("id: ");
    out.show(id);
    out.text("\n");
    if let Some(kind) = kind {
        out.text("event: ");
        out.text(kind);
        out.text("\n");
    }
}
