//! What several tests of this crate share.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod alive;
pub(crate) mod rechunk;
pub(crate) mod values;
pub(crate) mod watched;
