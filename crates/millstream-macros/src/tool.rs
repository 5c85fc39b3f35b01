//! `#[tool]`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, Lit, LitStr, Meta, Path, Result, ReturnType, Token, Type, Visibility,
    parenthesized,
};

/// What stands in the parentheses of the attribute.
pub(crate) struct Options {
    name: Option<LitStr>,
    return_direct: bool,
    fatal: bool,
    millstream: Path,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let millstream = syn::parse_str("::millstream")?;
        let mut options = Self { name: None, return_direct: false, fatal: false, millstream };
        while !input.is_empty() {
            // `crate` is a keyword, which `Ident` alone does not take.
            let option = input.call(Ident::parse_any)?;
            match option.to_string().as_str() {
                "return_direct" => options.return_direct = true,
                "fatal" => options.fatal = true,
                "name" => {
                    input.parse::<Token![=]>()?;
                    options.name = Some(input.parse()?);
                }
                "crate" => {
                    input.parse::<Token![=]>()?;
                    options.millstream = input.parse::<LitStr>()?.parse()?;
                }
                _ => {
                    return Err(Error::new(
                        option.span(),
                        "a tool has the options name, return_direct, fatal and crate",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

/// An `async fn`, as far as a tool cares. Read by hand, since this is less than all that `syn` can read.
pub(crate) struct Function {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    name: Ident,
    parameters: Vec<Parameter>,
    output: ReturnType,
    body: TokenTree,
}

struct Parameter {
    attributes: Vec<Attribute>,
    mutable: Option<Token![mut]>,
    name: Ident,
    of: Type,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        if !input.peek(Token![async]) {
            return Err(input.error(
                "a tool is an `async fn`, so that it never holds up what runs beside it; put work that blocks into `tokio::task::spawn_blocking`",
            ));
        }
        input.parse::<Token![async]>()?;
        input.parse::<Token![fn]>()?;
        let name = input.parse()?;
        if input.peek(Token![<]) {
            return Err(input.error("a tool has no type parameters and no lifetimes"));
        }
        let inside;
        parenthesized!(inside in input);
        let parameters = Punctuated::<Parameter, Token![,]>::parse_terminated(&inside)?.into_iter().collect();
        let output = input.parse()?;
        if input.peek(Token![where]) {
            return Err(input.error("a tool has no type parameters and no lifetimes"));
        }
        Ok(Self { attributes, visibility, name, parameters, output, body: input.parse()? })
    }
}

impl Parse for Parameter {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        if input.peek(Token![&]) || input.peek(Token![self]) {
            return Err(
                input.error("a tool is a function, not a method; for one that holds something implement `Tool`")
            );
        }
        let mutable = input.parse()?;
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        Ok(Self { attributes, mutable, name, of: input.parse()? })
    }
}

/// What a parameter is given.
enum Given {
    /// The argument of its name.
    Argument,
    /// The context.
    Context { borrowed: bool },
    /// The call.
    Call { borrowed: bool },
}

impl Parameter {
    fn given(&self) -> Given {
        let (borrowed, of) = match &self.of {
            Type::Reference(reference) => (true, &*reference.elem),
            of => (false, of),
        };
        let last = match of {
            Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        match last.as_deref() {
            Some("Cx") => Given::Context { borrowed },
            Some("ToolCall") => Given::Call { borrowed },
            _ => Given::Argument,
        }
    }

    /// The parameter as a field of the arguments, and the function of its default.
    fn field(&self) -> Result<(TokenStream, Option<TokenStream>)> {
        let Self { name, of, .. } = self;
        if let Type::Reference(reference) = of {
            return Err(Error::new_spanned(
                reference,
                "an argument comes from the model and is owned: write `String`, not `&str`",
            ));
        }
        let kept = self.attributes.iter().filter(|attribute| !attribute.path().is_ident("default"));
        let Some(default) = self.attributes.iter().find(|attribute| attribute.path().is_ident("default")) else {
            return Ok((quote!(#(#kept)* #name: #of), None));
        };
        if matches!(default.meta, Meta::Path(_)) {
            return Ok((quote!(#(#kept)* #[serde(default)] #name: #of), None));
        }
        let value: TokenStream = default.parse_args()?;
        // A text is given as it is written, whatever type takes it.
        let value = match syn::parse2::<LitStr>(value.clone()) {
            Ok(text) => quote!(::core::convert::From::from(#text)),
            Err(_) => value,
        };
        let function = format_ident!("default_of_{}", name.unraw());
        let path = function.to_string();
        let field = quote!(#(#kept)* #[serde(default = #path)] #name: #of);
        let function = quote!(fn #function() -> #of { #value });
        Ok((field, Some(function)))
    }
}

pub(crate) fn expand(options: &Options, function: &Function) -> Result<TokenStream> {
    let Options { name: renamed, return_direct, fatal, millstream } = options;
    let Function { attributes, visibility, name, parameters, output, body } = function;
    let (docs, attributes): (Vec<&Attribute>, Vec<_>) =
        attributes.iter().partition(|attribute| attribute.path().is_ident("doc"));
    let description = description(&docs);
    if description.is_empty() {
        return Err(Error::new(
            name.span(),
            "a tool needs a doc comment: it is what the model reads to know when to call it",
        ));
    }
    let title = renamed.as_ref().map_or_else(|| name.unraw().to_string(), LitStr::value);
    let (mut fields, mut defaults, mut arguments, mut passed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for parameter in parameters {
        let argument = &parameter.name;
        passed.push(match parameter.given() {
            Given::Context { borrowed: true } => quote!(cx),
            Given::Context { borrowed: false } => quote!(::core::clone::Clone::clone(cx)),
            Given::Call { borrowed: true } => quote!(&call),
            Given::Call { borrowed: false } => quote!(::core::clone::Clone::clone(&call)),
            Given::Argument => {
                let (field, default) = parameter.field()?;
                fields.push(field);
                defaults.extend(default);
                arguments.push(argument);
                quote!(arguments.#argument)
            }
        });
    }
    let inputs = parameters.iter().map(|Parameter { mutable, name, of, .. }| quote!(#mutable #name: #of));
    let written = quote!(#millstream::written);
    let (serde, schemars) = (quote!(#written::serde).to_string(), quote!(#written::schemars).to_string());
    let on_failure = fatal.then(|| {
        quote! {
            fn on_failure(&self, _: &#millstream::Error) -> #millstream::OnFailure {
                #millstream::OnFailure::EndRun
            }
        }
    });
    let returned = match output {
        ReturnType::Default => name.span(),
        ReturnType::Type(_, of) => of.span(),
    };
    let convert = quote_spanned!(returned=> #millstream::IntoToolOutput::into_tool_output(given));
    Ok(quote! {
        #(#docs)*
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug, Default)]
        #visibility struct #name;

        const _: () = {
            #[derive(#written::serde::Deserialize, #written::schemars::JsonSchema)]
            #[serde(crate = #serde)]
            #[schemars(crate = #schemars)]
            struct Arguments {
                #(#fields,)*
            }

            #(#defaults)*

            #(#attributes)*
            async fn #name(#(#inputs),*) #output #body

            #[automatically_derived]
            impl #millstream::Tool for #name {
                fn spec(&self) -> &#millstream::ToolSpec {
                    static SPEC: ::std::sync::LazyLock<#millstream::ToolSpec> =
                        ::std::sync::LazyLock::new(|| #millstream::ToolSpec {
                            name: ::std::string::String::from(#title),
                            description: ::std::string::String::from(#description),
                            parameters: #written::parameters::<Arguments>(),
                        });
                    &SPEC
                }

                fn call<'a>(
                    &'a self,
                    call: #millstream::ToolCall,
                    cx: &'a #millstream::Cx,
                ) -> #written::BoxFuture<'a, #millstream::Result<#millstream::ToolOutput>> {
                    ::std::boxed::Box::pin(async move {
                        let _ = cx;
                        #[allow(unused_variables)]
                        let arguments: Arguments = call.arguments()?;
                        let given = #name(#(#passed),*).await;
                        #convert
                    })
                }

                fn return_direct(&self) -> bool {
                    #return_direct
                }

                #on_failure
            }
        };
    })
}

/// The text of doc comments, without the space that each line begins with.
fn description(docs: &[&Attribute]) -> String {
    let lines = docs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            other => Some(other.to_token_stream().to_string()),
        },
        _ => None,
    });
    let lines: Vec<String> = lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the compiler says of a tool that is written like this.
    fn mistake(options: &str, function: &str) -> String {
        let read = || Ok((syn::parse_str::<Options>(options)?, syn::parse_str::<Function>(function)?));
        let expanded = read().and_then(|(options, function)| expand(&options, &function));
        expanded.expect_err("it is no tool").to_string()
    }

    #[test]
    fn mistakes_are_told_with_what_to_do() {
        for (options, function, told) in [
            ("", "/// Adds.\nfn add(a: i64) -> i64 { a }", "a tool is an `async fn`"),
            ("", "/// Adds.\nasync fn add<T>(a: T) -> T { a }", "no type parameters"),
            ("", "/// Adds.\nasync fn add(&self, a: i64) -> i64 { a }", "implement `Tool`"),
            ("", "async fn add(a: i64) -> i64 { a }", "a tool needs a doc comment"),
            ("", "/// Greets.\nasync fn greet(name: &str) -> String { name.into() }", "write `String`, not `&str`"),
            ("direct", "/// Adds.\nasync fn add(a: i64) -> i64 { a }", "name, return_direct, fatal and crate"),
        ] {
            let mistake = mistake(options, function);
            assert!(mistake.contains(told), "{function}: {mistake}");
        }
    }
}
