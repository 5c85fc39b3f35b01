//! Documents in an SQLite file, found by their words.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use millstream_core::{Cx, Document, Metadata, Result, Retriever};
use serde_json::Value;

use super::database::Database;
use super::open;
use super::writer::Writer;

mod documents;
mod found;
mod question;
mod words;

use found::Wanted;

/// An index of documents by their words, in one SQLite file: a retriever without a model and without a network.
///
/// A document fits a question if it has any of its words, apart from those that every question has; the best come first, as BM25 ranks them.
/// Words are compared without case, accents and English endings. Scripts without spaces between words, Chinese and Japanese among
/// them, are compared by pairs of characters. A question is a text and has no syntax: quotes and operators mean nothing.
///
/// A thread of its own reads and writes the file, so that no asynchronous one waits for the disk. Each call of [`add`](FullText::add),
/// [`remove`](FullText::remove) and [`clear`](FullText::clear) is done as a whole or not at all, in the order in which they were made, and
/// also if its future is dropped. A search waits for the calls before it, so that very many documents are better added in portions.
///
/// Clones share the file; each may want [other documents](FullText::only) or [more of them](FullText::limit). The file may be that of a
/// [`Sqlite`](crate::Sqlite) store, open at the same time.
///
/// ```
/// use millstream_core::{Document, Retrieval, Runnable};
/// use millstream_store::FullText;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let index = FullText::in_memory()?;
/// let bears = Document::new("Bears eat honey.").with_metadata("source", "bears.md");
/// index.add([bears, Document::new("Cats sleep.")]).await?;
///
/// let documents = Retrieval::from(index.limit(1)).run("What does a bear eat?").await?;
/// assert_eq!(documents[0].source(), Some("bears.md"));
/// # Ok::<(), millstream_core::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct FullText {
    writer: Arc<Writer>,
    name: Arc<str>,
    wanted: Wanted,
}

impl FullText {
    /// Opens the index in the file at `path`, which is created if it is not there.
    ///
    /// # Errors
    /// As [`Sqlite::open`](crate::Sqlite::open).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::start(open::file(path)?, path.display().to_string())
    }

    /// An index in memory, which is gone with its last clone.
    ///
    /// # Errors
    /// With the kind [`StoreFailed`](millstream_core::ErrorKind::StoreFailed) if there is no memory or no thread for it.
    pub fn in_memory() -> Result<Self> {
        Self::start(open::memory()?, "the index in memory".to_owned())
    }

    fn start(connection: rusqlite::Connection, name: String) -> Result<Self> {
        let shown = name.as_str().into();
        let writer = Arc::new(Writer::start(Database::new(connection, name))?);
        Ok(Self { writer, name: shown, wanted: Wanted::default() })
    }

    /// The same index, of which at most so many documents are wanted; 4 otherwise.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.wanted.limit = limit;
        self
    }

    /// The same index, of which only documents are wanted whose metadata `key` is `value`, beside what was asked for before.
    #[must_use]
    pub fn only(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let mut only: Metadata = (*self.wanted.only).clone();
        only.insert(key.into(), value.into());
        self.wanted.only = Arc::new(only);
        self
    }

    /// The same index, which says in the metadata `score` how well a document fits: higher is better, and scores of different questions
    /// do not compare.
    #[must_use]
    pub fn with_scores(mut self) -> Self {
        self.wanted.scores = true;
        self
    }

    /// Adds documents, and gives their ids in the order of the documents. One under the id of another replaces it; one without an id
    /// gets a new one.
    ///
    /// # Errors
    /// With the kind [`StoreFailed`](millstream_core::ErrorKind::StoreFailed) if the file cannot be written; then none of them was added.
    pub fn add(&self, documents: impl IntoIterator<Item = Document>) -> BoxFuture<'static, Result<Vec<String>>> {
        let mut documents: Vec<Document> = documents.into_iter().collect();
        let mut ids = Vec::with_capacity(documents.len());
        for document in &mut documents {
            ids.push(document.id.get_or_insert_with(|| uuid::Uuid::new_v4().to_string()).clone());
        }
        let added = self.writer.write(move |database| database.add(&documents));
        Box::pin(async move { added.await.map(|()| ids) })
    }

    /// Removes documents by their ids, and says how many of them were there.
    ///
    /// # Errors
    /// As [`FullText::add`].
    pub fn remove<T: Into<String>>(&self, ids: impl IntoIterator<Item = T>) -> BoxFuture<'static, Result<usize>> {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        self.writer.write(move |database| database.remove(&ids))
    }

    /// Removes all documents that [`only`](FullText::only) lets through, and says how many: everything, if nothing was asked for.
    ///
    /// ```
    /// # use millstream_core::{Document, PassageSize, Result, split_documents};
    /// # use millstream_store::FullText;
    /// /// A file that has changed: its passages take the place of those that it had, of which there may have been more.
    /// async fn changed(index: &FullText, file: Document) -> Result<()> {
    ///     index.clone().only("source", file.source()).clear().await?;
    ///     index.add(split_documents([file], PassageSize::default())).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`FullText::add`].
    pub fn clear(&self) -> BoxFuture<'static, Result<usize>> {
        let wanted = self.wanted.clone();
        self.writer.write(move |database| database.clear(&wanted))
    }
}

impl Retriever for FullText {
    fn find<'a>(&'a self, query: &'a str, _: &'a Cx) -> BoxFuture<'a, Result<Vec<Document>>> {
        let (question, wanted) = (query.to_owned(), self.wanted.clone());
        self.writer.read(move |database| database.find(&question, &wanted))
    }
}

impl fmt::Debug for FullText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FullText({})", self.name)
    }
}
