//! Lists that only grow. A version of one is its first elements, so that the versions of a growing list share all of them.
//!
//! What cannot be had by growing, as after a fork, is another list. It begins with the first elements of the one that it was made from,
//! and refers to them rather than copying them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::failure::Failure;

/// How many lists may stand behind each other. At the next one everything is copied, so that reading one stays a handful of queries.
const DEEPEST: u32 = 16;

/// After how many lists of a graph they are forgotten and read again when they are needed.
const REMEMBERED: usize = 1024;

/// The lists of a graph.
pub(super) struct Lists {
    graph: i32,
    known: HashMap<i32, List>,
}

/// A list.
#[derive(Clone, Copy, Debug)]
struct List {
    /// The list with whose first elements it begins, and how many of them.
    prefix: Option<(i32, u32)>,
    /// How many lists stand before it.
    depth: u32,
    /// How many elements its longest version has.
    len: u32,
}

impl Lists {
    /// The lists of a graph, of which nothing is known.
    pub(super) fn new(graph: i32) -> Self {
        Self { graph, known: HashMap::new() }
    }

    /// Saves the first `keep` elements of the version `before`, and more behind them; says the version that this is.
    pub(super) fn grow(
        &mut self,
        connection: &Connection,
        before: Option<(i32, u32)>,
        keep: usize,
        more: &[Arc<str>],
    ) -> Result<(i32, u32), Failure> {
        let Some((id, before)) = before else {
            let id = self.add(connection, None, 0)?;
            return self.append(connection, id, 0, more);
        };
        let keep = u32::try_from(keep).map_or(before, |keep| keep.min(before));
        if more.is_empty() {
            return Ok((id, keep));
        }
        let (id, list) = self.owner(connection, id, keep)?;
        let id = if list.len == keep { id } else { self.fork(connection, id, list.depth, keep)? };
        self.append(connection, id, keep, more)
    }

    /// The list to which the end of the first `keep` elements of `id` belongs: it, or one of those before it.
    fn owner(&mut self, connection: &Connection, mut id: i32, keep: u32) -> Result<(i32, List), Failure> {
        loop {
            let list = self.get(connection, id)?;
            match list.prefix {
                Some((prefix, len)) if keep <= len => id = prefix,
                _ => return Ok((id, list)),
            }
        }
    }

    /// A list that begins with the first `keep` elements of `id`.
    fn fork(&mut self, connection: &Connection, id: i32, depth: u32, keep: u32) -> Result<i32, Failure> {
        if keep == 0 {
            return self.add(connection, None, 0);
        }
        if depth < DEEPEST {
            return self.add(connection, Some((id, keep)), depth + 1);
        }
        let copy = self.add(connection, None, 0)?;
        let mut insert = connection.prepare_cached(
            "INSERT INTO element (id, json) SELECT id - ?1 + ?2, json FROM element WHERE id >= ?3 AND id < ?4",
        )?;
        let (mut from, mut end) = (id, keep);
        loop {
            let prefix = self.get(connection, from)?.prefix;
            let start = prefix.map_or(0, |(_, len)| len);
            let range = elements(from, start..end);
            insert.execute([elements(from, 0..0).start, elements(copy, 0..0).start, range.start, range.end])?;
            match prefix {
                Some((before, len)) => (from, end) = (before, len),
                None => break,
            }
        }
        self.known.entry(copy).and_modify(|list| list.len = keep);
        Ok(copy)
    }

    fn append(&mut self, connection: &Connection, id: i32, len: u32, more: &[Arc<str>]) -> Result<(i32, u32), Failure> {
        let new_len = u32::try_from(more.len()).ok().and_then(|more| len.checked_add(more));
        let new_len = new_len.ok_or(Failure::TooMany("a list has at most 2^32 elements"))?;
        let mut insert = connection.prepare_cached("INSERT INTO element (id, json) VALUES (?, ?)")?;
        for (key, json) in elements(id, len..new_len).zip(more) {
            insert.execute(params![key, json])?;
        }
        self.known.entry(id).and_modify(|list| list.len = new_len);
        Ok((id, new_len))
    }

    fn add(&mut self, connection: &Connection, prefix: Option<(i32, u32)>, depth: u32) -> Result<i32, Failure> {
        let mut insert =
            connection.prepare_cached("INSERT INTO list (graph, prefix, prefix_length, depth) VALUES (?, ?, ?, ?)")?;
        let len = prefix.map_or(0, |(_, len)| len);
        let id = insert.insert(params![self.graph, prefix.map(|(list, _)| list), len, depth])?;
        let id = i32::try_from(id).map_err(|_| Failure::TooMany("a database has at most 2^31 lists"))?;
        self.remember(id, List { prefix, depth, len });
        Ok(id)
    }

    fn get(&mut self, connection: &Connection, id: i32) -> Result<List, Failure> {
        if let Some(list) = self.known.get(&id) {
            return Ok(*list);
        }
        let (prefix, depth) = prefix(connection, id)?;
        let range = elements(id, 0..u32::MAX);
        let mut last =
            connection.prepare_cached("SELECT id FROM element WHERE id >= ? AND id <= ? ORDER BY id DESC LIMIT 1")?;
        let last: Option<i64> = last.query_row([range.start, range.end], |row| row.get(0)).optional()?;
        let len = last.map_or(prefix.map_or(0, |(_, len)| len), |last| (last - range.start + 1) as u32);
        let list = List { prefix, depth, len };
        self.remember(id, list);
        Ok(list)
    }

    fn remember(&mut self, id: i32, list: List) {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(id, list);
    }
}

/// With how many elements of which list a list begins, and how many lists stand before it.
pub(super) fn prefix(connection: &Connection, list: i32) -> Result<(Option<(i32, u32)>, u32), Failure> {
    let mut found = connection.prepare_cached("SELECT prefix, prefix_length, depth FROM list WHERE id = ?")?;
    let found = found.query_row([list], |row| {
        let prefix: Option<i32> = row.get(0)?;
        let len = row.get(1)?;
        Ok((prefix.map(|prefix| (prefix, len)), row.get(2)?))
    });
    match found.optional()? {
        // A list is made after the one that it begins with. Else following them might never end.
        Some((Some((prefix, _)), _)) if prefix >= list => {
            Err(Failure::Damaged(format!("the list {list} begins with the list {prefix}, which is no older")))
        }
        Some(found) => Ok(found),
        None => Err(Failure::Damaged(format!("the list {list} is not there"))),
    }
}

/// The keys of elements of a list.
pub(super) fn elements(list: i32, positions: Range<u32>) -> Range<i64> {
    let first = i64::from(list) << 32;
    first + i64::from(positions.start)..first + i64::from(positions.end)
}
