//! Runnables made of runnables: maps, choices, lists, second tries. Each streams what its inside streams.

mod assign;
mod batch;
mod branch;
mod configurable;
mod each;
mod fallback;
mod lambda;
mod parallel;
mod passthrough;
mod pick;
mod retry;

pub use assign::Assign;
pub use batch::Batch;
pub use branch::Branch;
pub use configurable::Configurable;
pub use each::Each;
pub use fallback::Fallbacks;
pub use lambda::Lambda;
pub use parallel::Parallel;
pub use passthrough::Passthrough;
pub use pick::{Pick, PickSome};
pub use retry::{Retried, Retry};
