//! Saving and deleting.

use std::collections::HashMap;

use millstream_graph::{Change, CheckpointSource, NewCheckpoint, NewWrites};
use rusqlite::{Connection, ErrorCode, params};
use uuid::Uuid;

use super::channels::{Place, Places};
use super::database::Database;
use super::failure::Failure;
use super::graph::{Graph, Last, values, writes_of};
use super::list::elements;

impl Database {
    /// Saves a checkpoint, and writes of the tasks of its parent.
    pub(super) fn put(&mut self, new: &NewCheckpoint) -> Result<(), Failure> {
        let Self { connection, known, .. } = self;
        if new.parent.is_none() {
            known.make_graph(connection, &new.thread, &new.namespace)?;
        }
        let (graph, numbers) = known
            .graph(connection, &new.thread, &new.namespace)?
            .ok_or(Failure::Missing(new.parent.unwrap_or(new.id)))?;
        let mut places = match new.parent {
            None => Places::default(),
            Some(parent) => {
                let mut parent = graph.take(connection, parent)?;
                parent.write(connection, &new.writes)?;
                parent.places
            }
        };
        for (name, change) in &new.changes {
            let channel = graph.number(connection, name)?;
            let place = change_place(connection, graph, places.get(channel), change)?;
            places.set(channel, place);
        }
        let number = numbers.next(connection)?;
        insert(connection, graph.id, number, new, &places)?;
        graph.last = Some(Last { id: new.id, number, places, written: HashMap::new() });
        Ok(())
    }

    /// Saves writes of tasks.
    pub(super) fn put_writes(&mut self, new: &NewWrites) -> Result<(), Failure> {
        let Self { connection, known, .. } = self;
        let graph = known.graph(connection, &new.thread, &new.namespace)?;
        let (graph, _) = graph.ok_or(Failure::Missing(new.checkpoint))?;
        let mut checkpoint = graph.take(connection, new.checkpoint)?;
        checkpoint.write(connection, &new.writes)?;
        graph.last = Some(checkpoint);
        Ok(())
    }

    /// Deletes everything of a thread.
    pub(super) fn delete_thread(&mut self, thread: &str) -> Result<(), Failure> {
        let Self { connection, known, .. } = self;
        known.forget(thread);
        for graph in numbers(connection, "SELECT id FROM graph WHERE thread = ?", thread)? {
            delete_graph(connection, graph as i32)?;
        }
        connection.prepare_cached("DELETE FROM graph WHERE thread = ?")?.execute([thread])?;
        Ok(())
    }
}

fn change_place(
    connection: &Connection,
    graph: &mut Graph,
    before: Option<&Place>,
    change: &Change,
) -> Result<Option<Place>, Failure> {
    Ok(match change {
        Change::Gone => None,
        Change::Whole(json) if Place::is_short(json) => Some(Place::Here(json.clone())),
        Change::Whole(json) => Some(Place::Value(graph.add_value(connection, json)?)),
        Change::List { keep, elements } => {
            let before = match before {
                Some(Place::List { list, len }) => Some((*list, *len)),
                _ => None,
            };
            let (list, len) = graph.lists.grow(connection, before, *keep, elements)?;
            Some(Place::List { list, len })
        }
    })
}

fn insert(
    connection: &Connection,
    graph: i32,
    number: i64,
    new: &NewCheckpoint,
    places: &Places,
) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO checkpoint (graph, id, number, parent, source, step, parents, run, created_at, channels, next) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let metadata = &new.metadata;
    // Maps from texts to ids and to JSON are always JSON.
    let parents = if metadata.parents.is_empty() { None } else { serde_json::to_string(&metadata.parents).ok() };
    let run = if metadata.run.is_empty() { None } else { serde_json::to_string(&metadata.run).ok() };
    let channels = places.to_bytes();
    let row = params![
        graph,
        new.id.as_bytes(),
        number,
        new.parent.as_ref().map(Uuid::as_bytes),
        source_code(metadata.source),
        metadata.step,
        parents,
        run,
        new.created_at,
        channels,
        new.next,
    ];
    match insert.execute(row) {
        Ok(_) => Ok(()),
        // It is there already, if a caller saved it and did not hear of it.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            delete_checkpoint(connection, graph, new.id)?;
            insert.execute(row)?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn delete_checkpoint(connection: &Connection, graph: i32, id: Uuid) -> Result<(), Failure> {
    let mut delete = connection.prepare_cached("DELETE FROM checkpoint WHERE graph = ? AND id = ? RETURNING number")?;
    let number = delete.query_row(params![graph, id.as_bytes()], |row| row.get(0))?;
    delete_range(connection, "DELETE FROM task_write WHERE id >= ? AND id < ?", writes_of(number))
}

fn delete_graph(connection: &Connection, graph: i32) -> Result<(), Failure> {
    for number in numbers(connection, "SELECT number FROM checkpoint WHERE graph = ?", graph)? {
        delete_range(connection, "DELETE FROM task_write WHERE id >= ? AND id < ?", writes_of(number))?;
    }
    for list in numbers(connection, "SELECT id FROM list WHERE graph = ?", graph)? {
        delete_range(connection, "DELETE FROM element WHERE id >= ? AND id <= ?", elements(list as i32, 0..u32::MAX))?;
    }
    delete_range(connection, "DELETE FROM value WHERE id >= ? AND id < ?", values(graph))?;
    for table in [
        "DELETE FROM checkpoint WHERE graph = ?",
        "DELETE FROM list WHERE graph = ?",
        "DELETE FROM channel WHERE graph = ?",
    ] {
        connection.prepare_cached(table)?.execute([graph])?;
    }
    Ok(())
}

fn delete_range(connection: &Connection, delete: &str, range: std::ops::Range<i64>) -> Result<(), Failure> {
    connection.prepare_cached(delete)?.execute([range.start, range.end])?;
    Ok(())
}

fn numbers(connection: &Connection, select: &str, of: impl rusqlite::ToSql) -> Result<Vec<i64>, Failure> {
    let mut select = connection.prepare_cached(select)?;
    let numbers = select.query_map([of], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(numbers)
}

/// What the file says for a source.
fn source_code(source: CheckpointSource) -> i64 {
    match source {
        CheckpointSource::Input => 0,
        CheckpointSource::Loop => 1,
        CheckpointSource::Update => 2,
        CheckpointSource::Fork => 3,
    }
}

/// The source that the file says.
pub(super) fn source(code: i64) -> Option<CheckpointSource> {
    [CheckpointSource::Input, CheckpointSource::Loop, CheckpointSource::Update, CheckpointSource::Fork]
        .into_iter()
        .find(|source| source_code(*source) == code)
}
