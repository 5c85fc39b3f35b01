//! What several tests of this crate share.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod rechunk;
