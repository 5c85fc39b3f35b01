//! What is remembered of a graph in a thread: what its next checkpoint is built on.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_graph::{TaskWrite, WriteKind};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::channels::Places;
use super::failure::Failure;
use super::list::Lists;

/// A graph in a thread.
pub(super) struct Graph {
    pub(super) id: i32,
    pub(super) names: Names,
    pub(super) lists: Lists,
    /// The checkpoint that was used last, which is usually the parent of the next.
    pub(super) last: Option<Last>,
    /// The number of its next value.
    next_value: i64,
}

/// The names of channels.
#[derive(Default)]
pub(super) struct Names {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

/// A checkpoint on which another may be built.
pub(super) struct Last {
    pub(super) id: Uuid,
    pub(super) number: i64,
    pub(super) places: Places,
    /// The positions of its writes.
    pub(super) written: HashMap<(Uuid, WriteKind), i64>,
}

impl Graph {
    /// A graph of which nothing is saved yet.
    pub(super) fn new(id: i32) -> Self {
        Self { id, names: Names::default(), lists: Lists::new(id), last: None, next_value: values(id).start }
    }

    /// A graph of which something is saved.
    pub(super) fn read(connection: &Connection, id: i32) -> Result<Self, Failure> {
        let mut graph = Self::new(id);
        let mut names = connection.prepare_cached("SELECT name FROM channel WHERE graph = ? ORDER BY number")?;
        for name in names.query_map([id], |row| row.get(0))? {
            graph.names.add(name?);
        }
        let range = values(id);
        let mut last =
            connection.prepare_cached("SELECT id FROM value WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1")?;
        let last: Option<i64> = last.query_row([range.start, range.end], |row| row.get(0)).optional()?;
        graph.next_value = last.map_or(range.start, |last| last + 1);
        Ok(graph)
    }

    /// Saves a value, and says its number.
    pub(super) fn add_value(&mut self, connection: &Connection, json: &str) -> Result<u32, Failure> {
        let range = values(self.id);
        if !range.contains(&self.next_value) {
            return Err(Failure::TooMany("a graph in a thread has at most 2^32 values"));
        }
        let mut insert = connection.prepare_cached("INSERT INTO value (id, json) VALUES (?, ?)")?;
        insert.execute(params![self.next_value, json])?;
        self.next_value += 1;
        Ok((self.next_value - 1 - range.start) as u32)
    }

    /// The number of a channel, which gets one if it has none.
    pub(super) fn number(&mut self, connection: &Connection, name: &Arc<str>) -> Result<u32, Failure> {
        if let Some(number) = self.names.numbers.get(name) {
            return Ok(*number);
        }
        let mut insert = connection.prepare_cached("INSERT INTO channel (graph, number, name) VALUES (?, ?, ?)")?;
        insert.execute(params![self.id, self.names.names.len() as i64, name])?;
        Ok(self.names.add(name.clone()))
    }

    /// Takes the checkpoint `id` out of what is remembered, or of the file.
    pub(super) fn take(&mut self, connection: &Connection, id: Uuid) -> Result<Last, Failure> {
        if let Some(last) = self.last.take_if(|last| last.id == id) {
            return Ok(last);
        }
        let mut found =
            connection.prepare_cached("SELECT number, channels FROM checkpoint WHERE graph = ? AND id = ?")?;
        let found = found.query_row(params![self.id, id.as_bytes()], |row| {
            let places = Places::from_bytes(row.get_ref(1)?.as_blob()?);
            Ok((row.get(0)?, places))
        });
        let Some((number, places)) = found.optional()? else {
            return Err(Failure::Missing(id));
        };
        let places = places.ok_or_else(|| unreadable(id))?;
        let mut written = HashMap::new();
        let mut writes = connection.prepare_cached("SELECT id, task, kind FROM task_write WHERE id >= ? AND id < ?")?;
        let range = writes_of(number);
        let mut rows = writes.query([range.start, range.end])?;
        while let Some(row) = rows.next()? {
            let task = Uuid::from_bytes(row.get(1)?);
            let kind = kind(row.get(2)?).ok_or_else(|| unreadable(id))?;
            written.insert((task, kind), row.get::<_, i64>(0)? - range.start);
        }
        Ok(Last { id, number, places, written })
    }
}

impl Names {
    /// The name of a channel.
    pub(super) fn get(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get(number as usize)
    }

    fn add(&mut self, name: Arc<str>) -> u32 {
        let number = self.names.len() as u32;
        self.numbers.insert(name.clone(), number);
        self.names.push(name);
        number
    }
}

impl Last {
    /// Saves writes of tasks.
    pub(super) fn write(&mut self, connection: &Connection, writes: &[TaskWrite]) -> Result<(), Failure> {
        let range = writes_of(self.number);
        for TaskWrite { task, kind, value } in writes {
            let next = self.written.len() as i64;
            let position = *self.written.entry((*task, *kind)).or_insert(next);
            let id = range.start + position;
            if id >= range.end {
                return Err(Failure::TooMany("a checkpoint has at most 2^24 writes of tasks"));
            }
            if position == next {
                let mut insert =
                    connection.prepare_cached("INSERT INTO task_write (id, task, kind, value) VALUES (?, ?, ?, ?)")?;
                insert.execute(params![id, task.as_bytes(), kind_code(*kind), value])?;
            } else {
                connection
                    .prepare_cached("UPDATE task_write SET value = ? WHERE id = ?")?
                    .execute(params![value, id])?;
            }
        }
        Ok(())
    }
}

/// The keys of the values of a graph.
pub(super) fn values(graph: i32) -> std::ops::Range<i64> {
    i64::from(graph) << 32..(i64::from(graph) + 1) << 32
}

/// The keys of the writes of tasks after a checkpoint.
pub(super) fn writes_of(checkpoint: i64) -> std::ops::Range<i64> {
    checkpoint << 24..(checkpoint + 1) << 24
}

/// What the file says for a kind.
fn kind_code(kind: WriteKind) -> i64 {
    match kind {
        WriteKind::Output => 0,
        WriteKind::Interrupt => 1,
        WriteKind::Resume => 2,
        WriteKind::Error => 3,
    }
}

/// The kind that the file says.
pub(super) fn kind(code: i64) -> Option<WriteKind> {
    WriteKind::ALL.into_iter().find(|kind| kind_code(*kind) == code)
}

/// The file says something of a checkpoint that it cannot say.
pub(super) fn unreadable(checkpoint: Uuid) -> Failure {
    Failure::Damaged(format!("the checkpoint {checkpoint} cannot be read"))
}
