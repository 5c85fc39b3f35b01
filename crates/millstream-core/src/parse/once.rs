//! An answer of which something has been given on cannot begin again.

use futures_util::{StreamExt, TryStreamExt};

use crate::error::{Error, ErrorKind};
use crate::message::Message;
use crate::part::Part;
use crate::streamed::Chunks;

/// The same chunks, and an error if the message begins a second time.
pub(super) fn once(chunks: Chunks<Message>) -> Chunks<Message> {
    let mut has_begun = false;
    let checked = chunks.and_then(move |chunk| {
        let begins = matches!(chunk.first(), Some(Part::Start { .. }));
        let again = begins && std::mem::replace(&mut has_begun, true);
        std::future::ready(if again { Err(cannot_restart()) } else { Ok(chunk) })
    });
    checked.boxed()
}

fn cannot_restart() -> Error {
    let message = "the answer began again behind a parser, which cannot take back what it has given: read the message itself, or do not let it restart";
    Error::new(ErrorKind::Failed, message)
}
