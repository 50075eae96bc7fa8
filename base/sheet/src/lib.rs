//! People's spreadsheets, in and out, row by row.
//!
//! Owns no table. Promises: a row is handed over as it stands in the file, with the line that a
//! spreadsheet shows beside it; what is written here is read here again without loss, and opens
//! in the usual programs. Never knows what a column means.

mod read;
mod write;

pub use read::{RawRow, rows};
pub use write::{csv, unguarded, xlsx};

/// Words, language tag and Fluent source; `web` shows them.
pub const TEXTS: &[(&str, &str)] = &[
    ("zh-CN", include_str!("../locales/zh-CN/sheet.ftl")),
    ("en", include_str!("../locales/en/sheet.ftl")),
];
