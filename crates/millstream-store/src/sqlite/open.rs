//! Opening the file: whose it is, how it is set up, and what older versions of it lack.

use std::path::Path;
use std::time::Duration;

use millstream_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::failure::not_opened;

/// Marks the file as ours in its header: "Mill".
const APPLICATION: i32 = 0x4d69_6c6c;

/// What makes a file of version N one of version N + 1. A step that was released is never changed.
const STEPS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// How long another program may hold the lock: longer than its longest transaction, which is the deletion of a thread.
const BUSY: Duration = Duration::from_secs(5);

/// The connection to the file at `path`, which is created if it is not there.
pub(super) fn file(path: &Path) -> Result<Connection> {
    // One thread uses the connection, so SQLite needs no lock of its own.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|mut connection| {
        let found = ready(&mut connection)?;
        Ok((connection, found))
    });
    let (connection, found) = opened.map_err(|error| not_opened(error, path))?;
    match found {
        Found::Ours => Ok(connection),
        Found::Newer(version) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "{} was written by a newer Millstream: its schema has version {version}, and this program knows versions up to {}; \
                 use the newer program, or give the path of another file",
                path.display(),
                STEPS.len()
            ),
        )),
        Found::Foreign => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("{} is a database of another program; give the path of another file", path.display()),
        )),
    }
}

/// A database that is gone when its connection is closed.
pub(super) fn memory() -> Result<Connection> {
    let opened = Connection::open_in_memory().and_then(|mut connection| {
        ready(&mut connection)?;
        Ok(connection)
    });
    opened.map_err(|error| not_opened(error, Path::new(":memory:")))
}

enum Found {
    Ours,
    Newer(i64),
    Foreign,
}

/// Changes nothing in a file that is not ours.
fn ready(connection: &mut Connection) -> rusqlite::Result<Found> {
    connection.busy_timeout(BUSY)?;
    match found(connection)? {
        Found::Ours => {}
        other => return Ok(other),
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    // With a write-ahead log a crash of the process loses nothing, and one of the machine the last transactions at most.
    connection.pragma_update(None, "synchronous", "normal")?;
    // A log that grew while somebody read is cut to this length, in bytes, when it begins anew.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // The log is copied into the file every 16 MB rather than every 4: pages to which is added again and again are copied once.
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    // In units of 1,000 bytes.
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.set_prepared_statement_cache_capacity(64);

    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another program may have done it in the meantime.
    let version = version(&transaction)?;
    for (step, known) in STEPS.iter().zip(1_i64..).filter(|(_, number)| *number > version) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.commit()?;
    Ok(Found::Ours)
}

fn found(connection: &Connection) -> rusqlite::Result<Found> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let version = version(connection)?;
    Ok(match application {
        APPLICATION if version > STEPS.len() as i64 => Found::Newer(version),
        APPLICATION => Found::Ours,
        _ if tables == 0 && version == 0 => Found::Ours,
        _ => Found::Foreign,
    })
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
