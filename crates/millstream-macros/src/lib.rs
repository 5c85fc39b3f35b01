//! The macros of Millstream. They are re-exported where they are used; nobody depends on this crate directly.

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod state;

/// Makes a struct the state of a graph.
///
/// For `struct Haiku { #[reduce(add_messages)] messages: Vec<Message>, lines: usize }` it makes
/// - `HaikuUpdate`, in which every field is optional, with a setter a field: `Haiku::update().messages([reply]).lines(3)`, and `replace_messages` to get
///   past the reducer;
/// - the implementations of `State`, `Update` and `Typed`. They need the struct to be `Clone`, `Default`, `Serialize` and `Deserialize`.
///
/// A field keeps the last value, of which there may be one a step. It may say otherwise:
/// - `#[reduce(function)]`: joins what is there with what is written; the function is a `fn(&mut T, T)`;
/// - `#[state(any)]`: takes any of several writes in a step, which are meant to be equal;
/// - `#[state(ephemeral)]`: has what was written for one step only;
/// - `#[state(untracked)]`: is in no checkpoint;
/// - `#[state(remaining_steps)]`, `#[state(is_last_step)]`: set by the engine, for nodes to read.
///
/// `#[state(crate = "path")]` on the struct says where the graph crate is, if not at `::millstream::graph`.
#[proc_macro_derive(State, attributes(reduce, state))]
pub fn derive_state(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    state::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
