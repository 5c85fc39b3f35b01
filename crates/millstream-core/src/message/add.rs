//! How a conversation grows: new messages behind the old ones, a known id replaces, a removal removes.

use uuid::Uuid;

use super::{Message, Role};
use crate::error::{Error, ErrorKind, Result};

/// The id that removes all messages before it.
pub const REMOVE_ALL: &str = "__remove_all__";

/// Something like a message: it has an id, or can be given one, and may be a removal.
pub trait Identified {
    /// The id, if it has one.
    fn id(&self) -> Option<&str>;
    /// Gives it an id.
    fn set_id(&mut self, id: String);
    /// Whether it removes the message of its id.
    fn is_removal(&self) -> bool;
}

impl Identified for Message {
    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn set_id(&mut self, id: String) {
        self.id = Some(id);
    }

    fn is_removal(&self) -> bool {
        self.role == Role::Remove
    }
}

/// LangGraph's `add_messages`: appends `new`, where a message with a known id takes the place of that one, and a
/// [removal](Message::remove) removes it. Messages without an id get one. A removal of an id that is not there is ignored here;
/// [`join_messages`] makes it an error.
///
/// ```
/// use millstream_core::{Message, add_messages};
///
/// let mut messages = vec![Message::human("Hi")];
/// add_messages(&mut messages, vec![Message::ai("Hello")]);
/// let id = messages[0].id.clone().unwrap();
/// add_messages(&mut messages, vec![Message::remove(id)]);
/// assert_eq!(messages.len(), 1);
/// ```
pub fn add_messages(old: &mut Vec<Message>, new: Vec<Message>) {
    let known = |message: &Message| message.id() == Some(REMOVE_ALL) || old.iter().any(|other| other.id == message.id);
    let (known, _): (Vec<Message>, Vec<Message>) =
        new.into_iter().partition(|message| !message.is_removal() || known(message));
    // Every removal that is left has something to remove.
    let _ = join_messages(old, known);
}

/// [`add_messages`] for anything like a message.
///
/// # Errors
/// `invalid_input` for the removal of a message that is not there; `old` is then as it was.
pub fn join_messages<T: Identified>(old: &mut Vec<T>, mut new: Vec<T>) -> Result<()> {
    if let Some(last) = new.iter().rposition(|message| message.is_removal() && message.id() == Some(REMOVE_ALL)) {
        new.drain(..=last);
        old.clear();
    }
    for message in old.iter_mut().chain(&mut new).filter(|message| message.id().is_none()) {
        message.set_id(Uuid::new_v4().to_string());
    }
    // A conversation is long and what is new is short: the long one is looked through once, for the ids of the short one.
    let mut ids: Vec<&str> = new.iter().filter_map(Identified::id).collect();
    ids.sort_unstable();
    ids.dedup();
    let numbers: Vec<usize> = new.iter().map(|message| ids.partition_point(|id| Some(*id) < message.id())).collect();
    let mut places = vec![None; ids.len()];
    for (place, message) in old.iter().enumerate() {
        if let Some(Ok(number)) = message.id().map(|id| ids.binary_search(&id)) {
            places[number] = Some(place);
        }
    }
    let lost = new.iter().zip(&numbers).find(|(message, number)| {
        message.is_removal()
            && places[**number].is_none()
            && !new.iter().any(|other| !other.is_removal() && other.id() == message.id())
    });
    if let Some((lost, _)) = lost {
        let message =
            format!("the message {:?} cannot be removed, since it is not there", lost.id().unwrap_or_default());
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let mut removed = Vec::new();
    for (message, number) in new.into_iter().zip(numbers) {
        match places[number] {
            Some(place) if message.is_removal() => removed.push(place),
            Some(place) => {
                removed.retain(|gone| *gone != place);
                old[place] = message;
            }
            None => {
                places[number] = Some(old.len());
                old.push(message);
            }
        }
    }
    if !removed.is_empty() {
        let mut place = 0;
        old.retain(|_| {
            place += 1;
            !removed.contains(&(place - 1))
        });
    }
    Ok(())
}
