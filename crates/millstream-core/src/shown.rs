//! Which messages of a run are to be shown, each once.

use std::collections::HashSet;

use serde_json::Value;

use crate::event::{Body, Event};
use crate::part::Part;
use crate::payload::Payload;

/// The tag of models that nobody wants to hear; LangGraph's `nostream`.
const UNHEARD: &str = "nostream";

/// Which messages were shown, so that each is shown once (R18): as its model tells it, or whole when a node returns it and its model was
/// not heard.
///
/// For readers of a graph's [`Event`]s; a graph's own stream of messages does it by itself.
#[derive(Debug, Default)]
pub struct ShownMessages(HashSet<String>);

impl ShownMessages {
    /// Whether `event` tells something of a message that is to be shown. To be asked once for each event that may be shown at all.
    pub fn shows(&mut self, event: &Event) -> bool {
        match &event.body {
            Body::Message { .. } if event.scope.tags.iter().any(|tag| tag == UNHEARD) => false,
            Body::Message { chunk } => {
                for part in chunk {
                    match part {
                        Part::Start { id, .. } => drop(self.0.insert(id.to_string())),
                        Part::Note { note, .. } => self.0.extend(note.id.as_deref().map(str::to_owned)),
                        _ => {}
                    }
                }
                true
            }
            Body::MessageReturned { message } => id_of(message).is_none_or(|id| self.0.insert(id)),
            _ => false,
        }
    }
}

fn id_of(message: &Payload) -> Option<String> {
    let id = |message: &Value| message.get("id")?.as_str().map(str::to_owned);
    message.downcast::<Value>().map_or_else(|| id(&message.json()), id)
}
