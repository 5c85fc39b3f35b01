//! Wire formats: what happens in a run goes in as events, what a client reads comes out as frames. Pure: no IO, no clock.
//!
//! A [`View`] is a fold over the numbered events of a run's log. The same view serves a live reader, a replay, a late joiner and a test,
//! so what they read is the same bytes. [`simple`] is the protocol of the first samples: tokens over SSE or WebSocket. [`agent_streaming`] is
//! the event stream of LangGraph's clients; [`stream_modes`] are the tuples that its Python library yields, and
//! [`events_v2`] what `astream_events` does.

pub mod agent_streaming;
pub mod events_v2;
pub mod simple;
pub mod sse;
pub mod stream_modes;

mod events_version;
mod frames;
mod position;

pub use events_version::EventsVersion;
pub use frames::{FrameMark, FrameWriter, Frames, View};
pub use position::{Cursor, CursorError, Position};
