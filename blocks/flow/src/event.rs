//! Events of the flow. They carry codes and counts, never rows.

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
    /// A publication was compared with its entry of the catalog; it flows only where both agree.
    Bound, "flow.bound.v1", {
    publication: String, resource: String, code: String, number: i64, table: String, agrees: bool,
});

event!(
    /// A batch does not go on; a steward has to look. `hop` is `lake` or a registry's name.
    Stuck, "flow.stuck.v1", {
    batch: String, publication: String, hop: String, problems: Vec<String>,
});

event!(
    /// A steward lets a batch try again.
    Retried, "flow.retried.v1", { batch: String, publication: String, hop: String });

event!(
    /// What a batch changed is in a registry.
    Fed, "flow.fed.v1", {
    batch: String, publication: String, registry: String, source: String, inserted: i64,
    updated: i64, unchanged: i64, refused: i64,
});

event!(
    /// Somebody looked at rows that a registry refused, which show keys of records.
    RefusedRead, "flow.refused_read.v1", { batch: String, registry: String, rows: usize });
