//! What goes wrong with the file, in sentences.

use std::path::Path;

use millstream_core::{Error, ErrorKind};
use rusqlite::ErrorCode;
use uuid::Uuid;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// SQLite says no.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// What is in the file does not fit together.
    #[error("{0}")]
    Damaged(String),
    /// More of something than a key has room for.
    #[error("{0}")]
    TooMany(&'static str),
    /// The checkpoint that the caller means is not there.
    #[error("the checkpoint {0} is not there; its thread may have been deleted")]
    Missing(Uuid),
}

impl Failure {
    /// As callers are told, of the database that is called `name`.
    pub(super) fn into_error(self, name: &str) -> Error {
        let (kind, message) = match &self {
            Self::Missing(_) => (ErrorKind::InvalidInput, self.to_string()),
            Self::TooMany(what) => (ErrorKind::LimitExceeded, (*what).to_owned()),
            Self::Damaged(what) => (
                ErrorKind::StoreFailed,
                format!("{name} is damaged: {what}; restore it from a copy, or delete its thread"),
            ),
            Self::Sql(error) => (ErrorKind::StoreFailed, sentence(error, name)),
        };
        Error::new(kind, message).with_source(self)
    }
}

fn sentence(error: &rusqlite::Error, name: &str) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            format!("{name} cannot be written, since the disk is full; make room, then try again")
        }
        Some(ErrorCode::ReadOnly) => {
            format!("{name} cannot be written, since it is read-only; allow writing it and its directory")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{name} is locked by another program; close what is writing it, then try again")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!("{name} is damaged; restore it from a copy")
        }
        Some(ErrorCode::TooBig) => {
            format!("{name} cannot keep one of the values, since it is longer than SQLite's limit of 1 GB")
        }
        _ => format!("{name} cannot be used: {error}"),
    }
}

/// Why the file at `path` could not be opened.
pub(super) fn not_opened(error: rusqlite::Error, path: &Path) -> Error {
    let file = path.display();
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => (
            ErrorKind::InvalidInput,
            format!(
                "{file} is not an SQLite database; give the path of another file, or of one that does not exist yet"
            ),
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            (ErrorKind::InvalidInput, why_not(path))
        }
        _ => (ErrorKind::StoreFailed, sentence(&error, &file.to_string())),
    };
    Error::new(kind, message).with_source(error)
}

fn why_not(path: &Path) -> String {
    let file = path.display();
    if path.is_dir() {
        return format!("{file} is a directory; give the path of a file in it");
    }
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) if !parent.is_dir() => {
            format!("the file {file} cannot be created, since {} is not a directory; create it first", parent.display())
        }
        _ if path.exists() => format!("{file} cannot be written; allow this user to write it and its directory"),
        _ => format!("the file {file} cannot be created; allow this user to write its directory, or give another path"),
    }
}
