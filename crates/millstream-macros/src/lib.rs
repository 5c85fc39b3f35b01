//! The macros of Millstream. They are re-exported where they are used; nobody depends on this crate directly.

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod state;

/// Makes a struct the state of a graph.
///
/// For `struct Haiku { #[reduce(add_messages)] messages: Vec<Message>, lines: usize }` it makes
/// - `HaikuUpdate`, in which every field is optional, with a setter a field: `Haiku::update().messages([reply]).lines(3)`;
/// - the implementations of `State`, `Update` and `Typed`.
///
/// A field keeps the last value unless it has `#[reduce(function)]`, where the function is a `fn(&mut T, T)`. `#[state(crate = "path")]` on the
/// struct says where the graph crate is, if not at `::millstream::graph`.
#[proc_macro_derive(State, attributes(reduce, state))]
pub fn derive_state(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    state::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
