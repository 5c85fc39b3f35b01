//! Conversations in memory, for as long as the process lives.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};

use super::History;
use crate::error::{Error, Result};
use crate::message::{Message, Messages, Role};

/// Keeps conversations in memory, up to a number of bytes: the one that was not used for the longest time goes first, and of one that is larger than
/// all there is room for, the oldest turns. Clones share it.
#[derive(Clone)]
pub struct MemoryHistory {
    limit: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    sessions: HashMap<Arc<str>, Session>,
    /// The names of sessions, by when they were used last.
    order: BTreeMap<u64, Arc<str>>,
    /// The time, counted in calls.
    now: u64,
    bytes: usize,
}

#[derive(Default)]
struct Session {
    /// Each with its size.
    messages: VecDeque<(Message, usize)>,
    bytes: usize,
    used: u64,
}

impl MemoryHistory {
    /// A memory of at most `limit` bytes of messages, as JSON.
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: Arc::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 64 MiB.
impl Default for MemoryHistory {
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl Kept {
    /// A session that is used now.
    fn session(&mut self, name: &str) -> Option<&mut Session> {
        self.now += 1;
        let session = self.sessions.get_mut(name)?;
        let key = self.order.remove(&std::mem::replace(&mut session.used, self.now));
        self.order.insert(self.now, key.unwrap_or_else(|| name.into()));
        Some(session)
    }

    fn append(&mut self, name: &str, messages: Vec<(Message, usize)>, limit: usize) {
        if self.session(name).is_none() {
            let key: Arc<str> = name.into();
            self.order.insert(self.now, key.clone());
            self.sessions.insert(key, Session { used: self.now, ..Session::default() });
        }
        let more: usize = messages.iter().map(|(_, bytes)| bytes).sum();
        if let Some(session) = self.sessions.get_mut(name) {
            session.bytes += more;
            session.messages.extend(messages);
        }
        self.bytes += more;
        // The newest is this one.
        while self.bytes > limit
            && self.sessions.len() > 1
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.forget(&oldest);
        }
        if let Some(session) = self.sessions.get_mut(name) {
            let before = session.bytes;
            session.shorten(limit);
            self.bytes -= before - session.bytes;
        }
    }

    fn forget(&mut self, name: &str) {
        if let Some(session) = self.sessions.remove(name) {
            self.order.remove(&session.used);
            self.bytes -= session.bytes;
        }
    }
}

impl Session {
    /// Forgets the oldest turns: a conversation begins with what the person says.
    fn shorten(&mut self, limit: usize) {
        let begins_late = |session: &Self| session.messages.front().is_some_and(|(first, _)| first.role != Role::Human);
        if self.bytes <= limit {
            return;
        }
        while (self.bytes > limit || begins_late(self))
            && let Some((_, bytes)) = self.messages.pop_front()
        {
            self.bytes -= bytes;
        }
    }
}

impl History for MemoryHistory {
    fn load(&self, session: &str) -> BoxFuture<'static, Result<Messages>> {
        let mut kept = self.kept();
        let found = kept.session(session).map(|session| session.messages.iter().map(|(message, _)| message.clone()));
        future::ready(Ok(found.map(Messages::from_iter).unwrap_or_default())).boxed()
    }

    fn append(&self, session: &str, messages: Messages) -> BoxFuture<'static, Result<()>> {
        let sized = messages.into_iter().map(|message| {
            let bytes = serde_json::to_vec(&message).map_err(Error::failed)?.len();
            Ok((message, bytes))
        });
        let kept = sized.collect::<Result<_>>().map(|messages| self.kept().append(session, messages, self.limit));
        future::ready(kept).boxed()
    }

    fn clear(&self, session: &str) -> BoxFuture<'static, Result<()>> {
        self.kept().forget(session);
        future::ready(Ok(())).boxed()
    }
}

impl fmt::Debug for MemoryHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept();
        write!(f, "MemoryHistory({} sessions, {} of {} bytes)", kept.sessions.len(), kept.bytes, self.limit)
    }
}
