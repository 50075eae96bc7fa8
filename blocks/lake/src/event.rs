//! What happened in the lake.

use serde::{Deserialize, Serialize};
use store::EventBody;

macro_rules! event {
    ($(#[$doc:meta])* $name:ident, $kind:literal, { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub struct $name { $(pub $field: $type),* }

        impl EventBody for $name {
            const KIND: &'static str = $kind;
        }
    };
}

event!(
    /// A table was declared, or declared anew.
    Declared, "lake.declared.v1", { table: String, org: String, digest: String });

event!(
    /// A batch was taken or refused to its end.
    Delivered, "lake.delivered.v1", {
    table: String, batch: String, source: String, mode: String, state: String, rows: i64,
    good: i64, bad: i64, version: i64,
});

event!(
    /// Somebody asks; written before the first row goes out. The text of the question is kept in
    /// the table of questions only, because it may name persons.
    Asked, "lake.asked.v1", {
    query: String, who_org: String, purpose: String, digest: String, door: String,
    tables: Vec<String>, columns: Vec<String>, hidden: Vec<String>,
});

event!(
    /// The answer went out, whole or not.
    Answered, "lake.answered.v1", { query: String, state: String, rows: i64 });

event!(
    /// Small files were put together, and what is too old was removed.
    Maintained, "lake.maintained.v1", { table: String, compacted: u64, removed: u64 });
