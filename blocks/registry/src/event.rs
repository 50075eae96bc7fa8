//! Events of registries. They carry ids of records and names of fields, never values.

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
    /// A source stated fields of a record.
    Stated, "registry.stated.v1", {
    registry: String, record: String, statement: String, source: String, act: String,
    fields: Vec<String>,
});

event!(
    /// A file was loaded to its end.
    Loaded, "registry.loaded.v1", {
    registry: String, batch: String, source: String, digest: String, inserted: i64, updated: i64,
    unchanged: i64, refused: i64,
});

event!(
    /// A file was refused whole.
    Refused, "registry.refused.v1", {
    registry: String, batch: String, source: String, digest: String, refused: i64,
});

event!(
    /// One record counts for another from now on.
    Merged, "registry.merged.v1", {
    registry: String, merge: String, from: String, into: String, reason: String,
});

event!(
    /// A merge was undone.
    Unmerged, "registry.unmerged.v1", {
    registry: String, merge: String, from: String, into: String, reason: String,
});

event!(
    /// Records are compared with each other.
    MatchStarted, "registry.match_started.v1", {
    run: String, registry: String, other: String, purpose: String, links_itself: bool,
});

event!(
    /// A comparison is over.
    MatchFinished, "registry.match_finished.v1", {
    run: String, registry: String, other: String, records: i64, linked: i64, to_review: i64,
});

event!(
    /// Whether two records are one was decided: by the weight, or by a person.
    PairDecided, "registry.pair_decided.v1", {
    pair: String, run: String, registry: String, left: String, other: String, right: String,
    state: String, merge: Option<String>,
});

event!(
    /// Somebody read a sensitive record, masked or not.
    Read, "registry.read.v1", {
    registry: String, record: String, reader_org: String, purpose: String, is_unmasked: bool,
});

event!(
    /// Somebody searched a sensitive registry.
    Searched, "registry.searched.v1", {
    registry: String, reader_org: String, rows: usize,
});

event!(
    /// An objection moved on.
    ObjectionMoved, "registry.objection_moved.v1", {
    registry: String, objection: String, record: String, field: String, source: String,
    source_org: String, state: String, raised_org: String, raised_party: Option<String>,
});

event!(
    /// A department did not answer an objection in time.
    ObjectionOverdue, "registry.objection_overdue.v1", {
    registry: String, objection: String, record: String, field: String, source: String,
    source_org: String, due_on: String,
});
