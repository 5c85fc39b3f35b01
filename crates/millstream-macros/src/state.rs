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
    let channels = fields.iter().map(|field| field.channel(&graph));
    let setters = fields.iter().map(StateField::setter);
    let about = format!("A change of [`{state}`]: the fields that are written.");
    Ok(quote! {
        #[doc = #about]
        #[derive(Clone, Debug, Default)]
        #visibility struct #update {
            #(#names: Option<#types>,)*
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
        }

        impl #graph::Update for #update {
            type State = #state;
        }

        impl #graph::Typed for #state {
            fn schema() -> #graph::Schema<Self> {
                #graph::Schema::new()#(.channel(#channels))*
            }
        }
    })
}

struct StateField<'a> {
    name: &'a Ident,
    of: &'a Type,
    reduce: Option<Expr>,
}

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
        Ok(Self { name, of: &field.ty, reduce })
    }

    fn channel(&self, graph: &Path) -> TokenStream {
        let Self { name, of, reduce } = self;
        let key = name.to_string();
        let field = quote!(|state: &mut Self| &mut state.#name);
        let written = quote!(|update: &<Self as #graph::State>::Update| update.#name.as_ref());
        match reduce {
            None => quote!(#graph::Channel::last::<#of>(#key, #field, #written)),
            Some(reduce) => quote!(#graph::Channel::reduced::<#of>(#key, #field, #written, #reduce)),
        }
    }

    fn setter(&self) -> TokenStream {
        let Self { name, of, .. } = self;
        let about = format!("Writes `{name}`.");
        match element(of) {
            Some(element) => quote! {
                #[doc = #about]
                #[must_use]
                pub fn #name(mut self, #name: impl IntoIterator<Item = impl Into<#element>>) -> Self {
                    self.#name = Some(#name.into_iter().map(Into::into).collect());
                    self
                }
            },
            None => quote! {
                #[doc = #about]
                #[must_use]
                pub fn #name(mut self, #name: impl Into<#of>) -> Self {
                    self.#name = Some(#name.into());
                    self
                }
            },
        }
    }
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
