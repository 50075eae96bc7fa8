//! Events of the gateway. They carry codes, counts and digests, never what was said.

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
    /// An interface was registered, described anew, suspended, opened or withdrawn.
    ResourceMoved, "gateway.resource_moved.v1", {
    resource: String, org: String, node: String, catalog: String, state: String,
    operations: usize,
});

event!(
    /// Somebody may call, or no more.
    GrantMoved, "gateway.grant_moved.v1", {
    grant: String, resource: String, org: String, purpose: String, basis: String, state: String,
});

event!(
    /// Calls were kept. The digest covers their statements in the order of their numbers, so the log
    /// cannot be changed without the sealed history telling.
    CallsKept, "gateway.calls_kept.v1", { batch: String, calls: usize, digest: String });
