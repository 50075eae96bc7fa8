//! Entities and migrations of the hub's tables `exchange_*`. Moments are microseconds.

mod m20261125_10_exchange_create;
mod m20261125_11_exchange_terms;
mod m20261126_10_exchange_opened;
mod m20261126_11_exchange_node_keys;
mod m20261126_12_exchange_node_troubles;

use sea_orm_migration::MigrationTrait;

/// All migrations of the hub.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261125_10_exchange_create::Migration),
        Box::new(m20261125_11_exchange_terms::Migration),
        Box::new(m20261126_10_exchange_opened::Migration),
        Box::new(m20261126_11_exchange_node_keys::Migration),
        Box::new(m20261126_12_exchange_node_troubles::Migration),
    ]
}

macro_rules! entity {
    ($(#[$doc:meta])* $name:ident, $table:literal, { $($fields:tt)* }) => {
        $(#[$doc])*
        pub mod $name {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model { $($fields)* }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}
pub(crate) use entity;

entity!(
    /// A machine at a department, by its code.
    node, "exchange_node", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    pub title: String,
    /// Unified social credit code of the department.
    pub org: String,
    /// `active` or `revoked`.
    pub state: String,
    /// SM2, PEM.
    #[sea_orm(column_type = "Text")]
    pub signing_key: String,
    pub enrolled_at: i64,
    /// Of its newest certificate.
    pub expires_at: i64,
    pub seen_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub revoked_reason: String,
});

entity!(
    /// A key that a node signs, or signed, with. What was signed within its span is verified by it
    /// for good.
    node_key, "exchange_node_key", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub node: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub since: i64,
    /// SM2, PEM.
    #[sea_orm(column_type = "Text")]
    pub signing_key: String,
    /// None for the present one.
    pub until: Option<i64>,
});

entity!(
    /// What a node could not do when it was last heard of.
    node_trouble, "exchange_node_trouble", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub node: String,
    /// Code of a publication; empty for the node itself.
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication: String,
    /// May show values of the source.
    #[sea_orm(column_type = "Text")]
    pub problem: String,
    pub since: i64,
});

entity!(
    /// A certificate that a node may come with.
    certificate, "exchange_certificate", {
    /// SM3 of the certificate, hexadecimal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub fingerprint: String,
    pub node: String,
    pub issued_at: i64,
    pub expires_at: i64,
});

entity!(
    /// A code that lets one node in, once.
    enrolment, "exchange_enrolment", {
    /// SM3 of the code's secret.
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: String,
    pub node: String,
    pub title: String,
    pub org: String,
    pub created_by: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub used_at: Option<i64>,
});

entity!(
    /// What a node offers.
    publication, "exchange_publication", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    pub node: String,
    pub org: String,
    pub resource: String,
    pub title: String,
    #[sea_orm(column_type = "Text")]
    pub shape: String,
    /// Columns that the node has now, until a steward has seen them.
    #[sea_orm(column_type = "Text", nullable)]
    pub announced: Option<String>,
    pub state: String,
    pub next_sequence: i64,
    pub wants_full: bool,
    pub announced_at: i64,
    /// The resource as which these columns were opened; none before a steward has seen them.
    pub opened_as: Option<String>,
});

entity!(
    /// What another node may have of a publication, and why.
    subscription, "exchange_subscription", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub publication: String,
    pub node: String,
    pub org: String,
    pub purpose: String,
    /// The law or duty that it rests on.
    pub basis: String,
    /// Names, JSON.
    pub columns: String,
    /// Conditions, JSON.
    pub filter: String,
    /// `active`, `suspended` or `withdrawn`.
    pub state: String,
    /// Whether a full batch has begun it.
    pub is_started: bool,
    pub expires_on: Option<Date>,
    pub created_by: String,
    pub created_at: i64,
    /// Number of the grant that it rests on; empty for a steward's word.
    pub granted_by: String,
});

entity!(
    /// Rows that a node sent together.
    batch, "exchange_batch", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub publication: String,
    pub node: String,
    pub org: String,
    pub sequence: i64,
    pub kind: String,
    /// `receiving` or `accepted`.
    pub state: String,
    /// Empty as long as the node reads its source.
    #[sea_orm(column_type = "Text")]
    pub manifest: String,
    pub manifest_signature: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub receipt: Option<String>,
    pub receipt_signature: Option<String>,
    pub row_count: i64,
    pub delete_count: i64,
    pub refused_count: i64,
    pub byte_count: i64,
    pub chunk_count: i64,
    pub checksum: String,
    pub read_at: i64,
    pub offered_at: i64,
    pub accepted_at: Option<i64>,
    pub pruned_at: Option<i64>,
    /// Whether a block above has yet to read its chunks.
    pub is_held: bool,
});

entity!(
    /// A part of a batch, as the manifest names it, and whether it is here.
    chunk, "exchange_chunk", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub batch: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub place: i64,
    pub kind: String,
    pub row_count: i64,
    pub byte_count: i64,
    pub digest: String,
    /// Of its rows, when it is here.
    pub checksum: Option<String>,
    pub arrived_at: Option<i64>,
});

entity!(
    /// A batch on its way to one subscription.
    delivery, "exchange_delivery", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub batch: String,
    pub publication: String,
    pub subscription: String,
    pub node: String,
    pub org: String,
    pub sequence: i64,
    /// `waiting`, `sent`, `applied` or `failed`.
    pub state: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    pub note_signature: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub receipt: Option<String>,
    pub receipt_signature: Option<String>,
    pub row_count: Option<i64>,
    pub delete_count: Option<i64>,
    pub checksum: Option<String>,
    pub problem: String,
    pub created_at: i64,
    pub pulled_at: Option<i64>,
    pub applied_at: Option<i64>,
});

entity!(
    /// A row that the provider's node set aside, and why.
    refused_row, "exchange_refused_row", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub batch: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub row_number: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: String,
    pub reason: String,
    /// Columns and values, JSON.
    #[sea_orm(column_type = "Text")]
    pub content: String,
});
