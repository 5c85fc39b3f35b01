//! Finding documents.

use std::sync::Arc;

use millstream_core::{Document, Metadata};
use rusqlite::Row;

use super::super::database::Database;
use super::super::failure::Failure;
use super::question::expression;

/// Which of the documents that fit are wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// At most so many.
    pub(super) limit: usize,
    /// Those that have this metadata.
    pub(super) only: Arc<Metadata>,
    /// With their scores.
    pub(super) scores: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { limit: 4, only: Arc::default(), scores: false }
    }
}

impl Database {
    /// The documents that fit a question, best first; of those that fit alike the older one comes first.
    pub(super) fn find(&mut self, question: &str, wanted: &Wanted) -> Result<Vec<Document>, Failure> {
        let mut documents = Vec::new();
        let Some(expression) = expression(question) else { return Ok(documents) };
        // Metadata is looked at here, so that values compare as JSON does: all documents that fit may have to be seen.
        let limit = if wanted.only.is_empty() { i64::try_from(wanted.limit).unwrap_or(-1) } else { -1 };
        let mut fitting = self.connection.prepare_cached(concat!(
            "SELECT rowid, rank FROM document_words WHERE document_words MATCH ? ",
            "ORDER BY rank, rowid LIMIT ?"
        ))?;
        let mut read = self.connection.prepare_cached("SELECT id, metadata, content FROM document WHERE number = ?")?;
        let mut rows = fitting.query((expression, limit))?;
        while documents.len() < wanted.limit
            && let Some(row) = rows.next()?
        {
            let (number, rank): (i64, f64) = (row.get(0)?, row.get(1)?);
            // SQLite's rank is lower for what fits better.
            documents.extend(read.query_row([number], |row| Ok(wanted.document(row, -rank)))??);
        }
        Ok(documents)
    }
}

impl Wanted {
    /// The metadata of the document of a row, if it is wanted.
    pub(super) fn metadata(&self, row: &Row<'_>) -> Result<Option<Metadata>, Failure> {
        let json: String = row.get("metadata")?;
        let metadata: Metadata = serde_json::from_str(&json)
            .map_err(|error| Failure::Damaged(format!("the metadata of a document is no JSON ({error})")))?;
        let is_wanted = self.only.iter().all(|(key, value)| metadata.get(key) == Some(value));
        Ok(is_wanted.then_some(metadata))
    }

    fn document(&self, row: &Row<'_>, score: f64) -> Result<Option<Document>, Failure> {
        let Some(metadata) = self.metadata(row)? else { return Ok(None) };
        let mut document = Document { id: row.get("id")?, page_content: row.get("content")?, metadata };
        if self.scores {
            document = document.with_metadata("score", score);
        }
        Ok(Some(document))
    }
}
