//! The test attribute of `store`.
use proc_macro::TokenStream;

/// Runs an async test on both databases.
#[proc_macro_attribute]
pub fn db_test(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    item
}
