//! From a script to single steps on the wire.

use std::time::Duration;

use super::Script;

/// How the client learns where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// `Transfer-Encoding: chunked`, one chunk per piece: a missing last chunk is seen.
    Chunked,
    /// `Content-Length`: missing bytes are seen.
    Length,
    /// Neither: the end of the connection is the end of the body, so a cut looks like an end.
    UntilClose,
}

/// What goes wrong at an offset of the body.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The script goes no further.
    Stop(Action),
    /// Bytes outside of the framing; none at all only begin a new write.
    Insert(Vec<u8>),
    /// The script goes on later.
    Wait(Action),
}

/// What the connection does, step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// One write of bytes before the body.
    Head(Vec<u8>),
    /// One write of the body and its framing.
    Write(Vec<u8>),
    /// The same again and again until the client leaves, with a pause or as fast as it goes.
    Repeat(Vec<u8>, Option<Duration>),
    /// Wait.
    Pause(Duration),
    /// Wait for a release by the test.
    Stall,
    /// FIN.
    Close,
    /// RST.
    Reset,
}

/// The steps of the script.
pub(super) fn actions(script: &Script) -> Vec<Action> {
    let mut actions = script.before_head.clone();
    if !script.raw {
        actions.push(Action::Head(head(script)));
    }
    actions.extend(script.before_body.iter().cloned());
    let wire = Wire::of(script);
    if !wire.write(script.drip, &mut actions) {
        return actions;
    }
    if let (true, Some(piece)) = (script.endless, script.pieces.last()) {
        actions.push(Action::Repeat(framed(script.framing, piece), script.pace));
    } else if script.framing == Framing::UntilClose {
        actions.push(Action::Close);
    }
    actions
}

/// The body with its framing, and what happens at which of its bytes.
struct Wire {
    bytes: Vec<u8>,
    marks: Vec<(usize, Fault)>,
}

impl Wire {
    fn of(script: &Script) -> Self {
        let mut wire = Self { bytes: Vec::new(), marks: Vec::new() };
        let mut faults = script.faults.clone();
        faults.sort_by_key(|(offset, _)| *offset);
        let mut faults = faults.into_iter().peekable();
        let mut start = 0;
        let finite = script.pieces.len() - usize::from(script.endless);
        for (number, piece) in script.pieces[..finite].iter().enumerate() {
            wire.mark(Fault::Insert(Vec::new()));
            if script.gated {
                wire.mark(Fault::Wait(Action::Stall));
            } else if let (Some(pause), true) = (script.pace, number > 0) {
                wire.mark(Fault::Wait(Action::Pause(pause)));
            }
            // A fault between two pieces happens after the framing of the first.
            while let Some((_, fault)) = faults.next_if(|(offset, _)| *offset == start) {
                wire.mark(fault);
            }
            let end = start + piece.len();
            let data = wire.bytes.len() + opening(script.framing, piece).len();
            wire.bytes.extend(framed(script.framing, piece));
            while let Some((offset, fault)) = faults.next_if(|(offset, _)| *offset < end) {
                wire.marks.push((data + offset - start, fault));
            }
            start = end;
        }
        for (_, fault) in faults {
            wire.mark(fault);
        }
        if script.framing == Framing::Chunked && !script.endless {
            wire.mark(Fault::Insert(Vec::new()));
            wire.bytes.extend_from_slice(b"0\r\n\r\n");
        }
        wire
    }

    fn mark(&mut self, fault: Fault) {
        self.marks.push((self.bytes.len(), fault));
    }

    /// Appends the steps; false if the script ends in one of them.
    fn write(&self, drip: Option<usize>, actions: &mut Vec<Action>) -> bool {
        let mut written = 0;
        for (offset, fault) in &self.marks {
            writes(&self.bytes[written..*offset], drip, actions);
            written = *offset;
            match fault {
                Fault::Insert(bytes) => writes(bytes, drip, actions),
                Fault::Wait(action) => actions.push(action.clone()),
                Fault::Stop(action) => {
                    actions.push(action.clone());
                    return false;
                }
            }
        }
        writes(&self.bytes[written..], drip, actions);
        true
    }
}

fn writes(bytes: &[u8], drip: Option<usize>, actions: &mut Vec<Action>) {
    let most = drip.unwrap_or(bytes.len()).max(1);
    actions.extend(bytes.chunks(most).map(|write| Action::Write(write.to_vec())));
}

fn opening(framing: Framing, piece: &[u8]) -> Vec<u8> {
    match framing {
        Framing::Chunked => format!("{:x}\r\n", piece.len()).into_bytes(),
        Framing::Length | Framing::UntilClose => Vec::new(),
    }
}

fn framed(framing: Framing, piece: &[u8]) -> Vec<u8> {
    let mut bytes = opening(framing, piece);
    // An empty chunk would be the last one.
    if piece.is_empty() {
        return Vec::new();
    }
    bytes.extend_from_slice(piece);
    if framing == Framing::Chunked {
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn head(script: &Script) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", script.status, reason(script.status));
    for (name, value) in &script.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match script.framing {
        Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        Framing::Length => {
            let length: usize = script.pieces.iter().map(Vec::len).sum();
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        Framing::UntilClose => head.push_str("connection: close\r\n"),
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Mock",
    }
}
