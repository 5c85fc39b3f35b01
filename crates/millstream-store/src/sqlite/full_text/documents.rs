//! Adding documents and removing them.

use millstream_core::Document;
use rusqlite::{OptionalExtension, params};

use super::super::database::Database;
use super::super::failure::Failure;
use super::found::Wanted;
use super::words::indexed;

impl Database {
    /// Adds documents that have ids, in the place of those that had them before.
    pub(super) fn add(&mut self, documents: &[Document]) -> Result<(), Failure> {
        let mut insert = self.connection.prepare_cached(concat!(
            "INSERT INTO document (id, metadata, content) VALUES (?, ?, ?) ",
            "ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata, content = excluded.content RETURNING number"
        ))?;
        let mut index =
            self.connection.prepare_cached("INSERT OR REPLACE INTO document_words (rowid, words) VALUES (?, ?)")?;
        for document in documents {
            // A map from texts to JSON is always JSON.
            let metadata = serde_json::to_string(&document.metadata).unwrap_or_default();
            let row = params![document.id, metadata, document.page_content];
            let number: i64 = insert.query_row(row, |row| row.get(0))?;
            index.execute(params![number, indexed(&document.page_content)])?;
        }
        Ok(())
    }

    /// Removes documents, and says how many were there.
    pub(super) fn remove(&mut self, ids: &[String]) -> Result<usize, Failure> {
        let mut delete = self.connection.prepare_cached("DELETE FROM document WHERE id = ? RETURNING number")?;
        let mut forget = self.connection.prepare_cached("DELETE FROM document_words WHERE rowid = ?")?;
        let mut removed = 0;
        for id in ids {
            let number: Option<i64> = delete.query_row([id], |row| row.get(0)).optional()?;
            if let Some(number) = number {
                forget.execute([number])?;
                removed += 1;
            }
        }
        Ok(removed)
    }
    /// Removes all documents that have the wanted metadata, and says how many there were.
    pub(super) fn clear(&mut self, wanted: &Wanted) -> Result<usize, Failure> {
        let mut all = self.connection.prepare_cached("SELECT id, metadata FROM document")?;
        let mut rows = all.query([])?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            if wanted.metadata(row)?.is_some() {
                ids.push(row.get(0)?);
            }
        }
        drop(rows);
        drop(all);
        self.remove(&ids)
    }
}
