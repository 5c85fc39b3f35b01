//! The conformance cases, the program that runs them, and the comparison with what the reference does.

pub mod case;
pub mod chain;
pub mod check;
pub mod compare;
pub mod expression;
pub mod graph;
pub mod message;
pub mod messages;
pub mod model;
pub mod outcome;
pub mod run;
