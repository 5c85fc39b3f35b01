//! What tests of streaming need.
//!
//! - [`provider`]: a mock of an OpenAI-shaped provider that speaks raw HTTP/1.1 over a real socket
//!   and fails at any byte on request.

pub mod provider;
