//! The versions of LangChain's `astream_events`.

use std::str::FromStr;

use millstream_core::{Error, ErrorKind};

/// In which form somebody wants the events of a run: what `astream_events` calls its version.
///
/// ```
/// use millstream_protocol::EventsVersion;
///
/// assert_eq!("v2".parse::<EventsVersion>()?, EventsVersion::V2);
/// let error = "v1".parse::<EventsVersion>().unwrap_err();
/// assert_eq!(error.to_string(), "version v1 of the events is not told: ask for v2, which has the same events with the ids of their parents");
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EventsVersion {
    /// `on_chain_start`, `on_chat_model_stream`, ..: [`events_v2`](crate::events_v2).
    #[default]
    V2,
    /// The Agent Streaming Protocol: [`agent_streaming`](crate::agent_streaming).
    V3,
}

impl FromStr for EventsVersion {
    type Err = Error;

    fn from_str(version: &str) -> Result<Self, Error> {
        let message = match version {
            "v2" => return Ok(Self::V2),
            "v3" => return Ok(Self::V3),
            "v1" => {
                "version v1 of the events is not told: ask for v2, which has the same events with the ids of their parents"
                    .to_owned()
            }
            other => format!("there is no version {other:?} of the events: ask for v2 or v3"),
        };
        Err(Error::new(ErrorKind::InvalidInput, message))
    }
}
