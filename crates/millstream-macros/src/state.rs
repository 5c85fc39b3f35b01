//! `#[derive(State)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Data, DeriveInput, Error, Expr, Field, Fields, GenericArgument, Ident, LitStr, Path, PathArguments, Result, Type,
};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => &fields.named,
            _ => {
                return Err(Error::new_spanned(
                    &input.ident,
                    "a state has named fields: struct Chat { messages: Vec<Message> }",
                ));
            }
        },
        _ => return Err(Error::new_spanned(&input.ident, "a state is a struct with named fields")),
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a state has no type parameters"));
    }
    let graph = graph_crate(input)?;
    let (state, visibility) = (&input.ident, &input.vis);
    let update = format_ident!("{state}Update");
    let fields = fields.iter().map(StateField::read).collect::<Result<Vec<_>>>()?;
    let names: Vec<&Ident> = fields.iter().map(|field| field.name).collect();
    let types: Vec<&Type> = fields.iter().map(|field| field.of).collect();
    let keys: Vec<String> = names.iter().map(ToString::to_string).collect();
    let channels = fields.iter().map(|field| field.channel(&graph)).collect::<Result<Vec<_>>>()?;
    let [input, output] = ["input", "output"].map(|word| only(&fields, word));
    let setters = fields.iter().map(|field| field.setter(&graph));
    let serde = format!("{}::serde", quote!(#graph).to_string().replace(' ', ""));
    let written = format!("{}::written", quote!(#graph).to_string().replace(' ', ""));
    let about = format!("A change of [`{state}`]: the fields that are written.");
    Ok(quote! {
        #[doc = #about]
        #[derive(Clone, Debug, Default, #graph::serde::Deserialize)]
        #[serde(crate = #serde, default)]
        #visibility struct #update {
            #(#[serde(deserialize_with = #written)] #names: ::core::option::Option<#graph::Write<#types>>,)*
        }

        impl #graph::serde::Serialize for #update {
            fn serialize<S: #graph::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                let mut map = #graph::serde::Serializer::serialize_map(serializer, None)?;
                #(if let Some(value) = &self.#names {
                    #graph::serde::ser::SerializeMap::serialize_entry(&mut map, #keys, value)?;
                })*
                #graph::serde::ser::SerializeMap::end(map)
            }
        }

        impl #update {
            #(#setters)*
        }

        impl #state {
            /// An update that writes nothing yet.
            #visibility fn update() -> #update {
                #update::default()
            }
        }

        impl #graph::State for #state {
            type Update = #update;

            fn into_update(self) -> #update {
                #update { #(#names: ::core::option::Option::Some(#graph::Write::Join(self.#names)),)* }
            }
        }

        impl #graph::IntoInput<#state> for #state {
            fn into_input(self) -> #update {
                #graph::State::into_update(self)
            }
        }

        impl #graph::IntoInput<#state> for #update {
            fn into_input(self) -> #update {
                self
            }
        }

        impl #graph::Update for #update {
            type State = #state;
        }

        impl #graph::Typed for #state {
            fn schema() -> #graph::Schema<Self> {
                #graph::Schema::new(Self::default)#(.channel(#channels))* #input #output
            }
        }
    })
}

struct StateField<'a> {
    name: &'a Ident,
    of: &'a Type,
    reduce: Option<Expr>,
    /// Words in `#[state(...)]`.
    words: Vec<Ident>,
}

const WORDS: [&str; 7] = ["any", "ephemeral", "untracked", "input", "output", "remaining_steps", "is_last_step"];

impl<'a> StateField<'a> {
    fn read(field: &'a Field) -> Result<Self> {
        let name = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "a field of a state has a name"))?;
        let mut reduce = None;
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("reduce")) {
            if reduce.is_some() {
                return Err(Error::new_spanned(attribute, "a field has one reducer"));
            }
            reduce = Some(attribute.parse_args()?);
        }
        let mut words: Vec<Ident> = Vec::new();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("state")) {
            attribute.parse_nested_meta(|meta| match meta.path.get_ident() {
                Some(word) if WORDS.iter().any(|known| word == known) => {
                    words.push(word.clone());
                    Ok(())
                }
                _ => Err(meta.error(format!("a field may be {}", WORDS.join(", ")))),
            })?;
        }
        let field = Self { name, of: &field.ty, reduce, words };
        let reduced = field.reduce.is_some();
        for (word, other) in [("any", reduced), ("remaining_steps", reduced), ("is_last_step", reduced)] {
            if other && field.is(word) {
                return Err(Error::new_spanned(name, format!("a field with a reducer cannot be `{word}`")));
            }
        }
        if field.is_managed() && (field.is("input") || field.is("output")) {
            let message = "the engine sets this field, for nodes alone: it cannot be `input` or `output`";
            return Err(Error::new_spanned(name, message));
        }
        Ok(field)
    }

    fn is(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    /// Whether the engine sets it, and no node.
    fn is_managed(&self) -> bool {
        self.is("remaining_steps") || self.is("is_last_step")
    }

    fn channel(&self, graph: &Path) -> Result<TokenStream> {
        let Self { name, of, reduce, .. } = self;
        let key = name.to_string();
        let access = quote!(#graph::Access::<Self, #of> {
            name: #key,
            field: |state| &mut state.#name,
            seen: |state| &state.#name,
            written: |update| update.#name.as_ref(),
            to_write: |update| &mut update.#name,
        });
        let mut channel = match reduce {
            _ if self.is("remaining_steps") => quote!(#graph::Channel::remaining_steps(#access)),
            _ if self.is("is_last_step") => quote!(#graph::Channel::is_last_step(#access)),
            None if self.is("any") => quote!(#graph::Channel::any(#access)),
            None => quote!(#graph::Channel::last(#access)),
            Some(reduce) if element(of).is_some() => quote!(#graph::Channel::list(#access, #reduce)),
            Some(reduce) => quote!(#graph::Channel::reduced(#access, #reduce)),
        };
        if self.is("ephemeral") {
            channel = quote!(#channel.ephemeral(#access));
        }
        if self.is("untracked") {
            channel = quote!(#channel.untracked());
        }
        Ok(channel)
    }

    fn setter(&self, graph: &Path) -> TokenStream {
        let Self { name, of, reduce, .. } = self;
        if self.is_managed() {
            return TokenStream::new();
        }
        let about = format!("Writes `{name}`.");
        let (given, value) = match element(of) {
            Some(element) => (
                quote!(impl ::core::iter::IntoIterator<Item = impl ::core::convert::Into<#element>>),
                quote!(#name.into_iter().map(::core::convert::Into::into).collect()),
            ),
            None => (quote!(impl ::core::convert::Into<#of>), quote!(#name.into())),
        };
        let setter = quote! {
            #[doc = #about]
            #[must_use]
            pub fn #name(mut self, #name: #given) -> Self {
                self.#name = ::core::option::Option::Some(#graph::Write::Join(#value));
                self
            }
        };
        if reduce.is_none() {
            return setter;
        }
        let replace = format_ident!("replace_{name}");
        let about = format!("Writes `{name}` in the place of what is there, past its reducer.");
        quote! {
            #setter

            #[doc = #about]
            #[must_use]
            pub fn #replace(mut self, #name: #given) -> Self {
                self.#name = ::core::option::Option::Some(#graph::Write::Replace(#value));
                self
            }
        }
    }
}

/// Says which fields are `word`, input or output; nothing if none is, which means all.
fn only(fields: &[StateField<'_>], word: &str) -> TokenStream {
    let keys: Vec<String> = fields.iter().filter(|field| field.is(word)).map(|field| field.name.to_string()).collect();
    if keys.is_empty() {
        return TokenStream::new();
    }
    let word = format_ident!("{word}");
    quote!(.#word([#(#keys),*]))
}

/// The `T` of a `Vec<T>`.
fn element(of: &Type) -> Option<&Type> {
    let Type::Path(path) = of else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match (last.ident == "Vec", arguments.args.first()?) {
        (true, GenericArgument::Type(element)) => Some(element),
        _ => None,
    }
}

fn graph_crate(input: &DeriveInput) -> Result<Path> {
    let mut path = syn::parse_str("::millstream::graph")?;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("state")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("write #[state(crate = \"path\")]"));
            }
            let text: LitStr = meta.value()?.parse()?;
            path = text.parse()?;
            Ok(())
        })?;
    }
    Ok(path)
}
