//! JSON that is still being written: read piece by piece, each byte once, and shown as far as it goes.
//!
//! What is shown of JSON that has not ended is what LangChain's `parse_partial_json` makes of it: open texts, lists and objects end where
//! they are, a key without a value is not there yet, and of a number, a literal or an escape only what is certain is. One thing is
//! otherwise: an escape that is cut never hides the text before it.

mod build;
mod markdown;
mod reader;
mod scan;
mod view;

pub(crate) use markdown::MarkdownJson;
pub use reader::JsonReader;
pub(crate) use reader::partial;
pub use view::JsonView;
