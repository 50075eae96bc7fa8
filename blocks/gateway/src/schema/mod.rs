//! Entities and migrations of the tables `gateway_*`. Moments are microseconds.

mod m20261125_20_gateway_create;
mod m20261126_20_gateway_refused;

use sea_orm_migration::MigrationTrait;

/// All migrations of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261125_20_gateway_create::Migration),
        Box::new(m20261126_20_gateway_refused::Migration),
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

entity!(
    /// An interface that can be called.
    resource, "gateway_resource", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    pub title: String,
    /// Unified social credit code of the provider.
    pub org: String,
    /// The provider's node; empty where the hub answers itself.
    pub node: String,
    /// Code of the resource in the catalog; empty where it has none.
    pub catalog: String,
    /// Operations, JSON.
    #[sea_orm(column_type = "Text")]
    pub operations: String,
    /// What the hub reads of which registry, JSON; none for an API.
    #[sea_orm(column_type = "Text", nullable)]
    pub query: Option<String>,
    /// Bytes of a request's body at the most.
    pub request_limit: i64,
    /// Bytes of an answer's body at the most.
    pub answer_limit: i64,
    pub timeout_seconds: i64,
    /// `open`, `suspended` or `withdrawn`.
    pub state: String,
    pub registered_by: String,
    pub registered_at: i64,
});

entity!(
    /// Who may call what of a resource, and why.
    grant, "gateway_grant", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub resource: String,
    /// Unified social credit code of the consumer.
    pub org: String,
    pub purpose: String,
    /// The law or duty that it rests on.
    pub basis: String,
    /// Names of operations, JSON; empty for all.
    #[sea_orm(column_type = "Text")]
    pub operations: String,
    /// JSON.
    #[sea_orm(column_type = "Text")]
    pub masks: String,
    /// 0 for no limit.
    pub quota_per_day: i64,
    /// 0 for no limit.
    pub rate_per_second: i64,
    pub expires_on: Option<Date>,
    /// `active`, `suspended` or `withdrawn`.
    pub state: String,
    pub created_by: String,
    pub created_at: i64,
});

entity!(
    /// How often a grant was used on a day.
    used, "gateway_used", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub grant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Date,
    pub calls: i64,
});

entity!(
    /// A call that was let in, and what is proven of it.
    call, "gateway_call", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub at: i64,
    pub resource: String,
    pub operation: String,
    pub grant_id: String,
    pub consumer: String,
    pub provider: String,
    pub node: String,
    pub actor: String,
    /// How it ended: see `record::Outcome`.
    pub outcome: String,
    /// Of the answer; 0 where there is none.
    pub status: i64,
    pub request_bytes: i64,
    pub answer_bytes: i64,
    #[sea_orm(column_type = "Text")]
    pub request_head: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub request: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub answer_head: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub answer: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub delivery: Option<String>,
    pub hub_signer: String,
    pub node_signer: String,
    /// Microseconds: at the hub, on the line, at the node, at the department's API, in all.
    pub hub_us: i64,
    pub line_us: i64,
    pub node_us: i64,
    pub api_us: i64,
    pub total_us: i64,
    /// The write that it was kept in; an event tells that write's digest.
    pub batch: String,
});

entity!(
    /// Calls of a day that were refused by one rule.
    refused, "gateway_refused", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: Date,
    /// Unified social credit code of the caller's organisation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub consumer: String,
    /// Key of the rule's text.
    #[sea_orm(primary_key, auto_increment = false)]
    pub rule: String,
    pub calls: i64,
    pub first_at: i64,
    pub last_at: i64,
});

entity!(
    /// A key that proofs in the log are checked with.
    signer, "gateway_signer", {
    /// SM3 of the key in PEM.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// `hub`, or the code of a node.
    pub owner: String,
    #[sea_orm(column_type = "Text")]
    pub pem: String,
    pub seen_at: i64,
});
