//! Answers of models that are kept, so that the same request is not paid twice.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::part::Chunk;

mod memory;

pub use memory::MemoryCache;

/// Keeps answers of models by their requests: what [`Model::cached`](crate::Model::cached) asks. [`MemoryCache`] is one, and `millstream-store` has
/// another.
///
/// A key is the whole request as JSON, so that no two requests share one; an answer is its chunks. Both are shared, and neither needs to
/// be understood. What is kept may be forgotten at any time.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
///
/// use futures_util::future::{self, BoxFuture, FutureExt};
/// use millstream_core::{Chunk, ResponseCache, Result};
///
/// /// Forgets nothing, so only for programs that end soon.
/// #[derive(Default)]
/// struct Everything(Mutex<HashMap<Arc<str>, Arc<[Chunk]>>>);
///
/// impl ResponseCache for Everything {
///     fn get(&self, key: Arc<str>) -> BoxFuture<'_, Result<Option<Arc<[Chunk]>>>> {
///         future::ready(Ok(self.0.lock().unwrap().get(&key).cloned())).boxed()
///     }
///
///     fn put(&self, key: Arc<str>, answer: Arc<[Chunk]>) -> BoxFuture<'_, Result<()>> {
///         self.0.lock().unwrap().insert(key, answer);
///         future::ready(Ok(())).boxed()
///     }
/// }
/// ```
pub trait ResponseCache: Send + Sync + 'static {
    /// The answer to the request `key`, if it is known.
    ///
    /// # Errors
    /// If what is kept cannot be read. The model is then asked.
    fn get(&self, key: Arc<str>) -> BoxFuture<'_, Result<Option<Arc<[Chunk]>>>>;

    /// Keeps a complete answer, in the place of an earlier one.
    ///
    /// # Errors
    /// If it cannot be kept. The answer is given all the same.
    fn put(&self, key: Arc<str>, answer: Arc<[Chunk]>) -> BoxFuture<'_, Result<()>>;
}

/// A cache that is shared.
impl<C: ResponseCache + ?Sized> ResponseCache for Arc<C> {
    fn get(&self, key: Arc<str>) -> BoxFuture<'_, Result<Option<Arc<[Chunk]>>>> {
        (**self).get(key)
    }

    fn put(&self, key: Arc<str>, answer: Arc<[Chunk]>) -> BoxFuture<'_, Result<()>> {
        (**self).put(key, answer)
    }
}
