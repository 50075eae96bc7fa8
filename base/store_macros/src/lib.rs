//! The test attribute of `store`.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::{
    Expr, Ident, ItemFn, ReturnType, Token,
    parse::{Parse, ParseStream},
    parse_macro_input,
};

/// Makes two tests of one async function: `…_on_sqlite`, and `…_on_postgres`, which is skipped
/// when `TONGBAN_TEST_POSTGRES` is not set.
///
/// The function takes `db: store::Db`, or `db: store::Db, clock: Arc<kernel::ManualClock>`. Its
/// database is fresh, and migrated with `store::migrations()` and those of the argument
/// `migrations = …`: a function or an expression that gives `Vec<Box<dyn MigrationTrait>>`.
///
/// The function is under `cfg(test)`, so that clippy lets it `unwrap`; helpers beside it need a
/// `#[cfg(test)]` module of their own.
#[proc_macro_attribute]
pub fn db_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as Arguments);
    let function = parse_macro_input!(item as ItemFn);
    expand(&arguments, function)
        .unwrap_or_else(|e| e.to_compile_error())
        .into()
}

struct Arguments {
    migrations: Tokens,
}

impl Parse for Arguments {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        if input.is_empty() {
            return Ok(Self {
                migrations: quote!(::std::vec::Vec::new()),
            });
        }
        let name: Ident = input.parse()?;
        if name != "migrations" {
            return Err(syn::Error::new(
                name.span(),
                "only `migrations = …` is known here",
            ));
        }
        input.parse::<Token![=]>()?;
        let value: Expr = input.parse()?;
        let migrations = match &value {
            Expr::Path(function) => quote!(#function()),
            other => quote!(#other),
        };
        Ok(Self { migrations })
    }
}

fn expand(arguments: &Arguments, mut function: ItemFn) -> syn::Result<Tokens> {
    if function.sig.asyncness.is_none() {
        let message = "a database test is an async function";
        return Err(syn::Error::new_spanned(&function.sig, message));
    }
    let name = function.sig.ident.clone();
    let call = match function.sig.inputs.len() {
        1 => quote!(|db, _clock| #name(db)),
        2 => quote!(#name),
        _ => {
            let message = "a database test takes `db`, or `db, clock`";
            return Err(syn::Error::new_spanned(&function.sig, message));
        }
    };
    // `#[ignore]`, `#[should_panic]`, documentation: they are about the tests.
    let attributes = std::mem::take(&mut function.attrs);
    let migrations = &arguments.migrations;
    let (on_sqlite, on_postgres) = (
        format_ident!("{name}_on_sqlite"),
        format_ident!("{name}_on_postgres"),
    );
    let unwrap = match function.sig.output {
        ReturnType::Default => quote!(),
        ReturnType::Type(..) => quote!(.unwrap()),
    };
    let unwrap_some = match function.sig.output {
        ReturnType::Default => quote!(;),
        ReturnType::Type(..) => quote!(.map(|outcome| outcome.unwrap());),
    };
    Ok(quote! {
        #[cfg(test)]
        #function

        #[test]
        #(#attributes)*
        fn #on_sqlite() {
            ::store::testing::on_sqlite(#migrations, #call)#unwrap;
        }

        #[test]
        #(#attributes)*
        fn #on_postgres() {
            ::store::testing::on_postgres(#migrations, #call)#unwrap_some
        }
    })
}
