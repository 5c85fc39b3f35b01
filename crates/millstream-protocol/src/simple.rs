//! The simple protocol: a question goes in, tokens come out. Its plain forms are those of the first samples of LangChain's users
//! (`data: token`, then `data: [DONE]`), made lossless; its JSON forms carry everything.
//!
//! | form | token | end | failure |
//! |---|---|---|---|
//! | SSE, plain | `data: token` | `data: [DONE]` | `event: error` |
//! | SSE, `?format=json` | `{"token"}` | `{"done":true,"reason"}` | `{"error","code","retryable"}` |
//! | SSE, agent | `{"type":"token","content"}` | `{"type":"done","reason"}` | `{"type":"error","error"}` |
//! | WebSocket, plain | the token | `[DONE]` | close 1011 |
//! | WebSocket, `chat.v1.json` | `{"type":"token","text"}` | `{"type":"done","reason"}` | `{"type":"error","code","message"}` |

mod agent;
mod json;
mod plain;
mod request;
mod said;
mod socket;

pub use agent::AgentEvents;
pub use json::JsonEvents;
pub use plain::{PlainEvents, PlainTexts};
pub use request::{AgentRequest, Question, RequestError};
pub use socket::{Ask, ClientFrame, JsonFrames, bad_frame, close_object};

/// The WebSocket subprotocol of the JSON form.
pub const SUBPROTOCOL: &str = "chat.v1.json";

/// What ends a complete answer in the plain forms.
pub const DONE: &str = "[DONE]";
