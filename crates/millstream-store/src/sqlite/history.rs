//! Conversations of chains.

use std::ops::Range;

use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use millstream_core::{Error, ErrorKind, History, Message, Messages, Result};
use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::database::Database;
use super::failure::Failure;

/// Keeps conversations of chains too, beside the checkpoints of graphs: the name of a session is not that of a thread. A message is written once; a turn
/// is saved whole or not at all.
impl History for Sqlite {
    fn load(&self, session: &str) -> BoxFuture<'static, Result<Messages>> {
        let (name, session) = (self.name.clone(), session.to_owned());
        let read = self.writer.read({
            let session = session.clone();
            move |database| database.messages(&session)
        });
        async move {
            let read = read.await?;
            read.iter().map(|json| serde_json::from_str::<Message>(json)).collect::<Result<_, _>>().map_err(|error| {
                let message = format!(
                    "{name} is damaged: a message of the session {session:?} cannot be read; restore it from a copy, or clear the session"
                );
                Error::new(ErrorKind::StoreFailed, message).with_source(error)
            })
        }
        .boxed()
    }

    fn append(&self, session: &str, messages: Messages) -> BoxFuture<'static, Result<()>> {
        let session = session.to_owned();
        match messages.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>() {
            Ok(messages) => self.writer.write(move |database| database.append(&session, &messages)),
            Err(error) => future::ready(Err(Error::failed(error))).boxed(),
        }
    }

    fn clear(&self, session: &str) -> BoxFuture<'static, Result<()>> {
        let session = session.to_owned();
        self.writer.write(move |database| database.clear_session(&session))
    }
}

impl Database {
    fn messages(&mut self, session: &str) -> Result<Vec<String>, Failure> {
        let Some(id) = session_id(&self.connection, session)? else { return Ok(Vec::new()) };
        let Range { start, end } = messages_of(id);
        let mut select =
            self.connection.prepare_cached("SELECT json FROM message WHERE id >= ? AND id < ? ORDER BY id")?;
        let messages = select.query_map([start, end], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(messages)
    }

    fn append(&mut self, session: &str, messages: &[String]) -> Result<(), Failure> {
        let connection = &self.connection;
        let id = match session_id(connection, session)? {
            Some(id) => id,
            None => connection.prepare_cached("INSERT INTO session (name) VALUES (?)")?.insert([session])?,
        };
        if id >= 1 << 31 {
            return Err(Failure::TooMany("a database has at most 2^31 sessions"));
        }
        let Range { start, end } = messages_of(id);
        let mut last = connection.prepare_cached("SELECT max(id) FROM message WHERE id >= ? AND id < ?")?;
        let last: Option<i64> = last.query_row([start, end], |row| row.get(0))?;
        let free = last.map_or(start, |last| last + 1)..end;
        if free.end - free.start < messages.len() as i64 {
            return Err(Failure::TooMany("a session has at most 2^32 messages"));
        }
        let mut insert = connection.prepare_cached("INSERT INTO message (id, json) VALUES (?, ?)")?;
        for (position, message) in free.zip(messages) {
            insert.execute(params![position, message])?;
        }
        Ok(())
    }

    fn clear_session(&mut self, session: &str) -> Result<(), Failure> {
        let connection = &self.connection;
        let Some(id) = session_id(connection, session)? else { return Ok(()) };
        let Range { start, end } = messages_of(id);
        connection.prepare_cached("DELETE FROM message WHERE id >= ? AND id < ?")?.execute([start, end])?;
        connection.prepare_cached("DELETE FROM session WHERE id = ?")?.execute([id])?;
        Ok(())
    }
}

fn session_id(connection: &Connection, session: &str) -> Result<Option<i64>, Failure> {
    let mut found = connection.prepare_cached("SELECT id FROM session WHERE name = ?")?;
    Ok(found.query_row([session], |row| row.get(0)).optional()?)
}

/// The ids of the messages of a session.
fn messages_of(session: i64) -> Range<i64> {
    session << 32..(session + 1) << 32
}
