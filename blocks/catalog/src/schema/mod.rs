//! Entities and migrations of the tables `catalog_*`. Moments are microseconds.

mod m20261125_02_catalog_create;

use sea_orm_migration::MigrationTrait;

/// All migrations of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261125_02_catalog_create::Migration)]
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
    /// A part of the profile, as a pack brings it.
    setting, "catalog_setting", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    #[sea_orm(column_type = "Text")]
    pub document: String,
});

entity!(
    /// A class at any level, by its whole code.
    class, "catalog_class", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
});

entity!(
    /// The last number given in a class; numbers are never used again.
    number, "catalog_number", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub front: String,
    pub last: i64,
});

entity!(
    /// A resource. What is searched is what is published; of one never published, its draft.
    resource, "catalog_resource", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub code: Option<String>,
    pub class: String,
    pub name: String,
    pub provider: String,
    pub provider_name: String,
    pub format_class: String,
    pub share_type: String,
    pub is_open: bool,
    pub cycle: String,
    pub state: String,
    /// Versions published.
    pub number: i64,
    pub published_on: Option<Date>,
    /// The published metadata as JSON, or the draft of one never published.
    #[sea_orm(column_type = "Text")]
    pub document: String,
    /// The metadata under revision, as JSON.
    #[sea_orm(column_type = "Text", nullable)]
    pub draft: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub words: String,
    pub fingerprint: String,
    /// What the check found in the working copy.
    pub errors: i64,
    pub warnings: i64,
    /// Rules kept, in thousandths.
    pub rate: i64,
    /// When the provider last renewed the data.
    pub data_at: Option<i64>,
    /// When the data will be late.
    pub due_at: Option<i64>,
    pub is_overdue: bool,
    /// The process that handles it.
    pub instance: Option<String>,
    /// The catalog it came from; empty for our own.
    pub origin: String,
    pub updated_at: i64,
    pub updated_by: String,
    pub version: i64,
});

entity!(
    /// A published version; never changed.
    version, "catalog_version", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    #[sea_orm(column_type = "Text")]
    pub document: String,
    pub actor: String,
    pub reason: String,
    pub published_at: i64,
});

entity!(
    /// What was done to a resource or request.
    happening, "catalog_move", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Id of the resource or request.
    pub resource: String,
    pub at: i64,
    pub actor: String,
    pub act: String,
    #[sea_orm(column_type = "Text")]
    pub words: String,
});

entity!(
    /// A line of the lists of needs, duties, and what is not shared.
    list, "catalog_list", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub kind: String,
    pub org: String,
    pub org_name: String,
    pub name: String,
    pub basis: String,
    /// The resource that answers it.
    pub resource_code: String,
    pub note: String,
    pub state: String,
    pub created_at: i64,
    pub created_by: String,
    pub version: i64,
});

entity!(
    /// A catalog that entries are received from.
    peer, "catalog_peer", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub public_key: String,
    /// Number of the last report taken in.
    pub last_number: i64,
});

entity!(
    /// A request for a resource, and what became of it.
    request, "catalog_request", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub resource: String,
    pub resource_code: String,
    pub resource_name: String,
    pub provider: String,
    pub provider_name: String,
    pub applicant: String,
    pub applicant_name: String,
    #[sea_orm(column_type = "Text")]
    pub document: String,
    pub state: String,
    pub instance: Option<String>,
    pub starts_on: Date,
    pub ends_on: Date,
    /// Why it was refused, suspended or revoked.
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    pub created_at: i64,
    pub created_by: String,
    pub updated_at: i64,
    pub decided_at: Option<i64>,
    pub version: i64,
});
