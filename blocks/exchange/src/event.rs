//! Events of the exchange. They carry codes, counts and digests, never rows.

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
    /// A code was made that lets a node in.
    NodeInvited, "exchange.node_invited.v1", { node: String, org: String });

event!(
    /// A node came in with keys of its own.
    NodeEnrolled, "exchange.node_enrolled.v1", { node: String, org: String, fingerprint: String });

event!(
    /// A node has a new certificate.
    CertificateRenewed, "exchange.certificate_renewed.v1", { node: String, fingerprint: String });

event!(
    /// A node was shut out.
    NodeRevoked, "exchange.node_revoked.v1", { node: String, reason: String });

event!(
    /// A publication was opened, suspended, or its node described other columns.
    PublicationMoved, "exchange.publication_moved.v1", {
    publication: String, node: String, resource: String, state: String,
});

event!(
    /// Somebody may have a publication, or no more.
    SubscriptionMoved, "exchange.subscription_moved.v1", {
    subscription: String, publication: String, node: String, org: String, purpose: String,
    basis: String, state: String, columns: Vec<String>,
});

event!(
    /// The hub has a batch whole. Its chunks lie in the landing place under their digests.
    BatchAccepted, "exchange.batch_accepted.v1", {
    batch: String, publication: String, resource: String, node: String, sequence: i64,
    kind: String, rows: u64, deletes: u64, refused: u64, checksum: String, manifest: String,
});

event!(
    /// A subscriber's database has a batch.
    DeliveryApplied, "exchange.delivery_applied.v1", {
    delivery: String, batch: String, subscription: String, node: String, rows: u64,
    deletes: u64, checksum: String,
});

event!(
    /// A subscriber's database does not take a batch.
    DeliveryFailed, "exchange.delivery_failed.v1", {
    delivery: String, batch: String, subscription: String, node: String,
});

event!(
    /// Somebody looked at refused rows, which show values.
    RefusedRead, "exchange.refused_read.v1", { batch: String, rows: usize });
