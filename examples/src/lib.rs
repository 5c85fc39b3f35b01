//! The samples are in `examples/`: `cargo run --example stream_chain`.
