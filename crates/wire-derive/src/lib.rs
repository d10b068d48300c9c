//! `#[derive(Read)]` for the parts of a report: a reader made of the struct's own fields.
//!
//! The struct is the only place that lists its keys. `#[serde(default)]` means here what it means
//! to serde; other serde attributes that change how a struct is read are refused, so that both
//! readers stay alike.

use proc_macro::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Fields, parse_macro_input};

/// Derives `chasar_wire::json::Read` for a struct with named fields.
#[proc_macro_derive(Read, attributes(serde))]
pub fn derive_read(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|e| e.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let wrong = |what: &str| syn::Error::new_spanned(&input.ident, what);
    let Data::Struct(data) = &input.data else { return Err(wrong("Read is derived for structs")) };
    let Fields::Named(fields) = &data.fields else { return Err(wrong("Read wants named fields")) };
    let (mut keys, mut values, mut arms, mut built) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut in_order = Vec::new();
    for (i, field) in fields.named.iter().enumerate() {
        let ident = field.ident.as_ref().ok_or_else(|| wrong("Read wants named fields"))?;
        let (key, ty, value) = (ident.to_string(), &field.ty, format_ident!("value_{ident}"));
        let mut default = false;
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("default") {
                    default = true;
                } else if meta.path.is_ident("skip_serializing_if") {
                    let _: syn::LitStr = meta.value()?.parse()?;
                } else {
                    return Err(meta.error("Read knows default and skip_serializing_if only"));
                }
                Ok(())
            })?;
        }
        values.push(quote! { let mut #value: Option<#ty> = None; });
        arms.push(quote! {
            #i => {
                if #value.is_some() {
                    return Err(parser.fault("a key that was there already"));
                }
                #value = Some(parser.under(#key, crate::json::Read::read)?);
            }
        });
        let written = proc_macro2::Literal::byte_string(format!("\"{key}\":").as_bytes());
        in_order.push(quote! {
            if parser.next_is(#written) {
                #value = Some(parser.under(#key, crate::json::Read::read)?);
                if !parser.another()? {
                    break 'members;
                }
            }
        });
        built.push(if default {
            quote! { #ident: #value.unwrap_or_default(), }
        } else {
            quote! { #ident: #value.ok_or_else(|| parser.missing(#key))?, }
        });
        keys.push(key);
    }
    let name = &input.ident;
    let mut bounded = input.generics.clone();
    for parameter in bounded.type_params_mut() {
        parameter.bounds.push(syn::parse_quote!(crate::json::Read));
    }
    let (generics, ty_generics, clause) = bounded.split_for_impl();
    Ok(quote! {
        impl #generics crate::json::Read for #name #ty_generics #clause {
            fn read(parser: &mut crate::json::Parser<'_>) -> Result<Self, crate::json::Fault> {
                const KEYS: &[&str] = &[#(#keys),*];
                #(#values)*
                'members: {
                    if !parser.open()? {
                        break 'members;
                    }
                    // As a clientnode writes them: no key is searched for.
                    #(#in_order)*
                    // In any other order.
                    loop {
                        match parser.key(KEYS)? {
                            #(#arms)*
                            _ => parser.skip()?,
                        }
                        if !parser.another()? {
                            break 'members;
                        }
                    }
                }
                Ok(Self { #(#built)* })
            }
        }
    })
}
