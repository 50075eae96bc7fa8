//! Events of the catalog. They carry names and codes, never data.

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
    /// An entry was drafted, changed, submitted, returned, revised, discarded.
    EntryMoved, "catalog.entry_moved.v1", {
    resource: String, code: String, name: String, provider: String, act: String, state: String,
});

event!(
    /// A version holds from now on.
    Published, "catalog.published.v1", {
    resource: String, code: String, name: String, provider: String, provider_name: String,
    number: i64, share_type: String, is_open: bool,
});

event!(
    /// An entry holds no longer.
    Withdrawn, "catalog.withdrawn.v1", {
    resource: String, code: String, name: String, provider: String, reason: String,
});

event!(
    /// The provider renewed the data.
    Renewed, "catalog.renewed.v1", {
    resource: String, code: String, provider: String, data_at: i64,
});

event!(
    /// Data was not renewed within its cycle.
    Overdue, "catalog.overdue.v1", {
    resource: String, code: String, name: String, provider: String, cycle: String, due_at: i64,
});

event!(
    /// A file of entries was taken in.
    Imported, "catalog.imported.v1", {
    name: String, entries: u64, inserted: u64, updated: u64, unchanged: u64, refused: u64,
});

event!(
    /// A line of the lists of needs, duties and what is not shared changed.
    ListChanged, "catalog.list_changed.v1", {
    line: String, kind: String, org: String, name: String, state: String,
});

event!(
    /// Published entries were signed for another catalog.
    Reported, "catalog.reported.v1", { number: i64, entries: usize, digest: String });

event!(
    /// Entries of another catalog were taken in.
    Received, "catalog.received.v1", { from: String, number: i64, entries: usize, digest: String });

event!(
    /// A request for a resource moved on.
    RequestMoved, "catalog.request_moved.v1", {
    request: String, resource: String, code: String, provider: String, applicant: String,
    state: String, act: String,
});

event!(
    /// Reports of another catalog are taken in from now on.
    PeerTrusted, "catalog.peer_trusted.v1", { peer: String });

event!(
    /// Another key, told by the SM3 of its PEM, or another name is taken for a catalog.
    PeerChanged, "catalog.peer_changed.v1", {
    peer: String, former_key: String, key: String, reason: String,
});
