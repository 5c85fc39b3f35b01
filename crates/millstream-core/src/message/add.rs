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
    let mut kept: Vec<Message> = Vec::with_capacity(new.len());
    let mut cleared = false;
    for message in new {
        let is_there =
            |messages: &[Message]| messages.iter().any(|other| !other.is_removal() && other.id == message.id);
        if message.is_removal() && message.id() == Some(REMOVE_ALL) {
            kept.clear();
            cleared = true;
        } else if message.is_removal() && !is_there(&kept) && (cleared || !is_there(old)) {
            continue;
        }
        kept.push(message);
    }
    // Every removal that is left has something to remove.
    let _ = join_messages(old, kept);
}

/// [`add_messages`] for anything like a message.
///
/// # Errors
/// `invalid_input` for the removal of a message that is not there; `old` is then as it was.
pub fn join_messages<T: Identified>(old: &mut Vec<T>, mut new: Vec<T>) -> Result<()> {
    let all = new.iter().rposition(|message| message.is_removal() && message.id() == Some(REMOVE_ALL));
    let cleared = all.map(|all| {
        new.drain(..=all);
        std::mem::take(old)
    });
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
    let lost = new.iter().zip(&numbers).enumerate().find(|(at, (message, number))| {
        let comes_before = |other: &T| !other.is_removal() && other.id() == message.id();
        message.is_removal() && places[**number].is_none() && !new[..*at].iter().any(comes_before)
    });
    if let Some((_, (lost, _))) = lost {
        let message =
            format!("the message {:?} cannot be removed, since it is not there", lost.id().unwrap_or_default());
        if let Some(cleared) = cleared {
            *old = cleared;
        }
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let mut removed: Vec<String> = Vec::new();
    for (message, number) in new.into_iter().zip(numbers) {
        match places[number] {
            Some(_) if message.is_removal() => removed.extend(message.id().map(str::to_owned)),
            Some(place) => {
                removed.retain(|gone| Some(gone.as_str()) != message.id());
                old[place] = message;
            }
            None => {
                places[number] = Some(old.len());
                old.push(message);
            }
        }
    }
    if !removed.is_empty() {
        old.retain(|message| !removed.iter().any(|gone| Some(gone.as_str()) == message.id()));
    }
    Ok(())
}
