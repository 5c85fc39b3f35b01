//! The connection, and what its thread remembers of the file so that it need not ask again.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::failure::Failure;
use super::graph::Graph;

/// After how many graphs everything is forgotten and read again when it is needed. One takes a few hundred bytes, and what its newest checkpoint holds.
const REMEMBERED: usize = 4096;

/// How many numbers of checkpoints are reserved at a time: a reservation is a write, and the rest of them is lost when the program ends.
const RESERVED: i64 = 1024;

/// A database, as its thread sees it.
pub(super) struct Database {
    name: String,
    pub(super) connection: Connection,
    pub(super) known: Known,
    /// SQLite's number of what other connections changed.
    version: i64,
}

/// What is remembered. It is what the file says, as long as nobody else writes it.
#[derive(Default)]
pub(super) struct Known {
    /// By thread and namespace.
    graphs: HashMap<Arc<str>, HashMap<Arc<str>, Graph>>,
    count: usize,
    /// Numbers for checkpoints that are reserved and not used.
    numbers: Numbers,
}

/// Numbers for checkpoints that are reserved and not used.
pub(super) struct Numbers(Range<i64>);

impl Database {
    /// The database at the other end of `connection`; `name` is what errors call it.
    pub(super) fn new(connection: Connection, name: String) -> Self {
        Self { name, connection, known: Known::default(), version: 0 }
    }

    /// What errors call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Does `work` in a transaction, all of it or nothing.
    pub(super) fn transaction(
        &mut self,
        writes: bool,
        work: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        // A transaction that begins by reading cannot write any more once another program has written.
        let begin = if writes { "BEGIN IMMEDIATE" } else { "BEGIN" };
        self.connection.prepare_cached(begin)?.execute([])?;
        let done = self.look_for_others().and_then(|()| work(self)).and_then(|()| {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(())
        });
        if done.is_err() {
            self.known = Known::default();
            // After some errors SQLite has already rolled back.
            if !self.connection.is_autocommit() {
                self.connection.execute_batch("ROLLBACK")?;
            }
        }
        done
    }

    /// Forgets everything if another program has written the file.
    fn look_for_others(&mut self) -> Result<(), Failure> {
        // The number is that of the transaction only after something was read in it.
        self.connection.prepare_cached("SELECT next FROM sequence")?.query_row([], |_| Ok(()))?;
        let version = self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.version != version {
            self.version = version;
            self.known = Known::default();
        }
        Ok(())
    }
}

impl Known {
    /// A graph of a thread, if it is there, and the numbers for new checkpoints.
    pub(super) fn graph(
        &mut self,
        connection: &Connection,
        thread: &str,
        namespace: &str,
    ) -> Result<Option<(&mut Graph, &mut Numbers)>, Failure> {
        let known = self.graphs.get(thread).is_some_and(|graphs| graphs.contains_key(namespace));
        if !known {
            let mut found = connection.prepare_cached("SELECT id FROM graph WHERE thread = ? AND namespace = ?")?;
            let Some(id) = found.query_row(params![thread, namespace], |row| row.get(0)).optional()? else {
                return Ok(None);
            };
            self.remember(thread.into(), namespace.into(), Graph::read(connection, id)?);
        }
        let graph = self.graphs.get_mut(thread).and_then(|graphs| graphs.get_mut(namespace));
        Ok(graph.map(|graph| (graph, &mut self.numbers)))
    }

    /// Makes a graph of a thread if it is not there.
    pub(super) fn make_graph(&mut self, connection: &Connection, thread: &str, namespace: &str) -> Result<(), Failure> {
        if self.graph(connection, thread, namespace)?.is_none() {
            let mut insert = connection.prepare_cached("INSERT INTO graph (thread, namespace) VALUES (?, ?)")?;
            let id = insert.insert(params![thread, namespace])?;
            let id =
                i32::try_from(id).map_err(|_| Failure::TooMany("a database has at most 2^31 graphs in threads"))?;
            self.remember(thread.into(), namespace.into(), Graph::new(id));
        }
        Ok(())
    }

    /// Forgets the graphs of a thread.
    pub(super) fn forget(&mut self, thread: &str) {
        self.count -= self.graphs.remove(thread).map_or(0, |graphs| graphs.len());
    }

    fn remember(&mut self, thread: Arc<str>, namespace: Arc<str>, graph: Graph) {
        if self.count == REMEMBERED {
            self.graphs.clear();
            self.count = 0;
        }
        self.graphs.entry(thread).or_default().insert(namespace, graph);
        self.count += 1;
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Self(0..0)
    }
}

impl Numbers {
    /// A number that no checkpoint had before.
    pub(super) fn next(&mut self, connection: &Connection) -> Result<i64, Failure> {
        if self.0.is_empty() {
            let mut reserve = connection.prepare_cached("UPDATE sequence SET next = next + ? RETURNING next")?;
            let end: i64 = reserve.query_row([RESERVED], |row| row.get(0))?;
            self.0 = end - RESERVED..end;
        }
        self.0.next().ok_or(Failure::TooMany("a database has at most 2^39 checkpoints"))
    }
}
