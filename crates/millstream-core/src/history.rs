//! Conversations that a chain remembers.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::message::Messages;

mod line;
mod memory;
mod recent;
mod session;
mod with;

pub use memory::MemoryHistory;
pub use with::{Spoken, WithHistory};

/// Keeps conversations by the names of their sessions: what [`Chain::with_history`](crate::Chain::with_history) loads and adds to. [`MemoryHistory`] is one,
/// and `millstream-store` has another.
///
/// Calls for a session take effect in the order in which they are made: when they are made, and not when their futures are polled. So what is
/// appended is kept even if its future is dropped, which it is when a run is stopped and nobody can wait any more.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use futures_util::future::{self, BoxFuture, FutureExt};
/// use millstream_core::{History, Messages, Result};
///
/// /// Forgets nothing, so only for programs that end soon.
/// #[derive(Default)]
/// struct Everything(Mutex<HashMap<String, Messages>>);
///
/// impl History for Everything {
///     fn load(&self, session: &str) -> BoxFuture<'static, Result<Messages>> {
///         future::ready(Ok(self.0.lock().unwrap().get(session).cloned().unwrap_or_default())).boxed()
///     }
///
///     fn append(&self, session: &str, messages: Messages) -> BoxFuture<'static, Result<()>> {
///         self.0.lock().unwrap().entry(session.to_owned()).or_default().extend(messages);
///         future::ready(Ok(())).boxed()
///     }
///
///     fn clear(&self, session: &str) -> BoxFuture<'static, Result<()>> {
///         self.0.lock().unwrap().remove(session);
///         future::ready(Ok(())).boxed()
///     }
/// }
/// ```
pub trait History: Send + Sync + 'static {
    /// What was said in a session, in order; nothing in one that is not known.
    ///
    /// # Errors
    /// If it cannot be read.
    fn load(&self, session: &str) -> BoxFuture<'static, Result<Messages>>;

    /// Adds to what was said in a session: all of the messages, or none.
    ///
    /// # Errors
    /// If they cannot be kept.
    fn append(&self, session: &str, messages: Messages) -> BoxFuture<'static, Result<()>>;

    /// Forgets what was said in a session. One that is not known is no error.
    ///
    /// # Errors
    /// If it cannot be forgotten.
    fn clear(&self, session: &str) -> BoxFuture<'static, Result<()>>;
}

/// A store that is shared.
impl<H: History + ?Sized> History for Arc<H> {
    fn load(&self, session: &str) -> BoxFuture<'static, Result<Messages>> {
        (**self).load(session)
    }

    fn append(&self, session: &str, messages: Messages) -> BoxFuture<'static, Result<()>> {
        (**self).append(session, messages)
    }

    fn clear(&self, session: &str) -> BoxFuture<'static, Result<()>> {
        (**self).clear(session)
    }
}
