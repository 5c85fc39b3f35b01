//! Where a reader is in a run's log.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A place in a run's log: behind the event `seq`, or behind the first frames of an event that makes several.
///
/// ```
/// use millstream_protocol::Position;
///
/// assert!(Position::START < Position::within(1, 1));
/// assert!(Position::within(1, 1) < Position::after(1));
/// assert_eq!(Position::after(7).to_string(), "7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    seq: u64,
    frame: u32,
}

impl Position {
    /// Before the first event.
    pub const START: Self = Self::after(0);

    /// Behind the event `seq`; events are numbered from 1.
    pub const fn after(seq: u64) -> Self {
        Self { seq, frame: u32::MAX }
    }

    /// Behind frame `frame` (from 1) of the event `seq`, which has more of them.
    pub const fn within(seq: u64, frame: u32) -> Self {
        Self { seq, frame }
    }

    /// The number of the event.
    pub const fn seq(self) -> u64 {
        self.seq
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frame {
            u32::MAX => write!(f, "{}", self.seq),
            frame => write!(f, "{}.{frame}", self.seq),
        }
    }
}

/// A place in the log of a certain run: the `id` of an SSE event, `{run}:{seq}`.
///
/// ```
/// use millstream_protocol::{Cursor, Position};
///
/// let cursor: Cursor = "0191f2a0-5b7c-4d2e-8f3a-123456789abc:17".parse()?;
/// assert_eq!(cursor.position, Position::after(17));
/// assert!("17".parse::<Cursor>().is_err());
/// # Ok::<(), millstream_protocol::CursorError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The run.
    pub run: Uuid,
    /// The place in its log.
    pub position: Position,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.run.hyphenated(), self.position)
    }
}

/// A text that is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorError;

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event id is not one of this server; send back the id of the last event as it came")
    }
}

impl std::error::Error for CursorError {}

impl FromStr for Position {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        match text.split_once('.') {
            None => Ok(Self::after(number(text)?)),
            Some((seq, frame)) => {
                let seq = number(seq)?;
                let frame = number(frame)?;
                Ok(Self::within(seq, frame))
            }
        }
    }
}

/// A number in digits alone: no sign, which `parse` would take.
fn number<T: FromStr>(digits: &str) -> Result<T, CursorError> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().map_err(|_| CursorError) } else { Err(CursorError) }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (run, position) = text.split_once(':').ok_or(CursorError)?;
        Ok(Self { run: Uuid::try_parse(run).map_err(|_| CursorError)?, position: position.parse()? })
    }
}
