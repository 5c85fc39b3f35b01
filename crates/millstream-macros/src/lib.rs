//! The macros of Millstream. They are re-exported where they are used; nobody depends on this crate directly.

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod state;
mod tool;

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
/// - `#[state(input)]`: an input may write it. If any field says so, what an input has for the others is left out;
/// - `#[state(output)]`: a run gives it in the end. If any field says so, the others are then as they are by default. Streams and checkpoints have
///   them;
/// - `#[state(remaining_steps)]`, `#[state(is_last_step)]`: set by the engine, for nodes to read.
///
/// `#[state(crate = "path")]` on the struct says where the graph crate is, if not at `::millstream::graph`.
#[proc_macro_derive(State, attributes(reduce, state))]
pub fn derive_state(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    state::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an `async fn` a tool that a model may call: a unit struct of the same name, with the implementation of `Tool`.
///
/// The function's doc comment is what the model reads about the tool, and the doc comments of its parameters are what it reads about the
/// arguments. A parameter of type `Option` need not be given, nor one with `#[default(value)]`, or `#[default]` for the default of its type. A
/// parameter of type `&Cx` is the context of the execution, and one of type `&ToolCall` the call itself, with its id; the model knows nothing of
/// these. The others are of types that are `Deserialize` and `JsonSchema`. The function returns anything that is `IntoToolOutput`.
///
/// `#[tool(name = "...")]` gives the tool another name than the function's. `return_direct` makes what it returns the last word of an agent.
/// `fatal` makes its failure one of the run. `crate = "path"` says where Millstream is, if not at `::millstream`.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as tool::Options);
    let function = parse_macro_input!(item as tool::Function);
    tool::expand(&options, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}
