//! Reading checkpoints. What several of them share is read once.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_graph::{Checkpoint, CheckpointMetadata, Stored, TaskWrite};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::channels::{Place, Places};
use super::database::Database;
use super::failure::Failure;
use super::graph::{Graph, kind, unreadable, values, writes_of};
use super::list::{elements, prefix};
use super::save::source;

/// Greater than every id, which has 16 bytes.
const AFTER_ALL: [u8; 17] = [0xff; 17];

impl Database {
    /// A checkpoint; the newest if no `id` is given.
    pub(super) fn get(
        &mut self,
        thread: &str,
        namespace: &str,
        id: Option<Uuid>,
    ) -> Result<Option<Checkpoint>, Failure> {
        let Some(id) = id else {
            return Ok(self.list(thread, namespace, None, Some(1))?.pop());
        };
        let Some((graph, _)) = self.known.graph(&self.connection, thread, namespace)? else {
            return Ok(None);
        };
        let mut found = self.connection.prepare_cached(concat!(
            "SELECT id, number, parent, source, step, parents, run, created_at, channels, next FROM checkpoint ",
            "WHERE graph = ? AND id = ?"
        ))?;
        let found = found.query_row(params![graph.id, id.as_bytes()], Raw::read).optional()?;
        found.map(|raw| Reading::new(&self.connection, graph).checkpoint(raw)).transpose()
    }

    /// The newest checkpoints before one, newest first.
    pub(super) fn list(
        &mut self,
        thread: &str,
        namespace: &str,
        before: Option<Uuid>,
        limit: Option<usize>,
    ) -> Result<Vec<Checkpoint>, Failure> {
        let Some((graph, _)) = self.known.graph(&self.connection, thread, namespace)? else {
            return Ok(Vec::new());
        };
        let before: &[u8] = before.as_ref().map_or(&AFTER_ALL, |id| id.as_bytes());
        let limit = limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let mut found = self.connection.prepare_cached(concat!(
            "SELECT id, number, parent, source, step, parents, run, created_at, channels, next FROM checkpoint ",
            "WHERE graph = ? AND id < ? ORDER BY id DESC LIMIT ?"
        ))?;
        let mut reading = Reading::new(&self.connection, graph);
        let mut rows = found.query(params![graph.id, before, limit])?;
        let mut list = Vec::new();
        while let Some(row) = rows.next()? {
            list.push(reading.checkpoint(Raw::read(row)?)?);
        }
        Ok(list)
    }
}

/// A row of a checkpoint.
struct Raw {
    id: Uuid,
    number: i64,
    parent: Option<Uuid>,
    source: i64,
    step: i64,
    parents: Option<String>,
    run: Option<String>,
    created_at: i64,
    places: Option<Places>,
    next: Arc<str>,
}

impl Raw {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: Uuid::from_bytes(row.get(0)?),
            number: row.get(1)?,
            parent: row.get::<_, Option<[u8; 16]>>(2)?.map(Uuid::from_bytes),
            source: row.get(3)?,
            step: row.get(4)?,
            parents: row.get(5)?,
            run: row.get(6)?,
            created_at: row.get(7)?,
            places: Places::from_bytes(row.get_ref(8)?.as_blob()?),
            next: row.get(9)?,
        })
    }
}

/// Reads checkpoints of a graph, and remembers the values that it has read.
struct Reading<'a> {
    connection: &'a Connection,
    graph: &'a Graph,
    values: HashMap<u32, Arc<str>>,
    lists: HashMap<i32, Beginning>,
}

/// The elements of a list that were read.
struct Beginning {
    /// The list with whose first elements it begins, and how many of them.
    prefix: Option<(i32, u32)>,
    /// The elements behind those.
    elements: Vec<Arc<str>>,
}

impl<'a> Reading<'a> {
    fn new(connection: &'a Connection, graph: &'a Graph) -> Self {
        Self { connection, graph, values: HashMap::new(), lists: HashMap::new() }
    }

    fn checkpoint(&mut self, raw: Raw) -> Result<Checkpoint, Failure> {
        let unreadable = || unreadable(raw.id);
        let source = source(raw.source).ok_or_else(unreadable)?;
        let parents = match &raw.parents {
            Some(parents) => serde_json::from_str(parents).map_err(|_| unreadable())?,
            None => Default::default(),
        };
        let run = match &raw.run {
            Some(run) => serde_json::from_str(run).map_err(|_| unreadable())?,
            None => Default::default(),
        };
        let mut values = Vec::new();
        for (channel, place) in raw.places.as_ref().ok_or_else(unreadable)?.iter() {
            let name = self.graph.names.get(channel).ok_or_else(unreadable)?.clone();
            let stored = match place {
                Place::Here(json) => Stored::Whole(json.clone()),
                Place::Value(number) => Stored::Whole(self.value(*number)?),
                Place::List { list, len } => {
                    let mut elements = Vec::new();
                    self.list(*list, *len, &mut elements)?;
                    Stored::List(elements)
                }
            };
            values.push((name, stored));
        }
        values.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Checkpoint {
            id: raw.id,
            parent: raw.parent,
            metadata: CheckpointMetadata { source, step: raw.step, parents, run },
            created_at: raw.created_at,
            values,
            writes: self.writes(raw.number)?,
            next: raw.next,
        })
    }

    fn value(&mut self, number: u32) -> Result<Arc<str>, Failure> {
        if let Some(json) = self.values.get(&number) {
            return Ok(json.clone());
        }
        let key = values(self.graph.id).start + i64::from(number);
        let mut found = self.connection.prepare_cached("SELECT json FROM value WHERE id = ?")?;
        let found: Option<Arc<str>> = found.query_row([key], |row| row.get(0)).optional()?;
        let json = found.ok_or_else(|| Failure::Damaged(format!("the value {key} is not there")))?;
        self.values.insert(number, json.clone());
        Ok(json)
    }

    /// Puts the first `len` elements of a list into `into`.
    fn list(&mut self, list: i32, len: u32, into: &mut Vec<Arc<str>>) -> Result<(), Failure> {
        let prefix = match self.lists.get(&list) {
            Some(beginning) => beginning.prefix,
            None => {
                let (prefix, _) = prefix(self.connection, list)?;
                self.lists.insert(list, Beginning { prefix, elements: Vec::new() });
                prefix
            }
        };
        let start = prefix.map_or(0, |(_, len)| len);
        if let Some((prefix, prefix_len)) = prefix {
            self.list(prefix, prefix_len.min(len), into)?;
        }
        let own = len.saturating_sub(start) as usize;
        let Some(Beginning { elements: read, .. }) = self.lists.get_mut(&list) else {
            return Ok(());
        };
        if read.len() < own {
            let mut more =
                self.connection.prepare_cached("SELECT json FROM element WHERE id >= ? AND id < ? ORDER BY id")?;
            let range = elements(list, start + read.len() as u32..len);
            for json in more.query_map([range.start, range.end], |row| row.get(0))? {
                read.push(json?);
            }
        }
        let own = read.get(..own).ok_or_else(|| Failure::Damaged(format!("the list {list} is too short")))?;
        into.extend_from_slice(own);
        Ok(())
    }

    fn writes(&self, checkpoint: i64) -> Result<Vec<TaskWrite>, Failure> {
        let mut found = self
            .connection
            .prepare_cached("SELECT task, kind, value FROM task_write WHERE id >= ? AND id < ? ORDER BY id")?;
        let range = writes_of(checkpoint);
        let writes = found.query_map([range.start, range.end], |row| {
            let code = row.get(1)?;
            let kind = kind(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(1, code))?;
            Ok(TaskWrite { task: Uuid::from_bytes(row.get(0)?), kind, value: row.get(2)? })
        })?;
        Ok(writes.collect::<rusqlite::Result<_>>()?)
    }
}
