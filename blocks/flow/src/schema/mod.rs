//! Entities and migrations of the tables `flow_*`. Moments are microseconds.

mod m20261125_20_flow_create;

use sea_orm_migration::MigrationTrait;

/// All migrations of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261125_20_flow_create::Migration)]
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
    /// A publication and the entry of the catalog that describes it.
    binding, "flow_binding", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication: String,
    /// Id of the entry.
    pub entry: String,
    /// Code of the entry.
    pub code: String,
    /// Version of the entry that was compared last.
    pub number: i64,
    /// Table of the lake.
    pub lake: String,
    /// What the entry's newest version says otherwise, as [`crate::said::Said`] in JSON.
    #[sea_orm(column_type = "Text")]
    pub findings: String,
    pub checked_at: i64,
});

entity!(
    /// A batch of the exchange on its way into the lake.
    batch, "flow_batch", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub publication: String,
    pub sequence: i64,
    /// `full` or `increment`.
    pub kind: String,
    pub lake: String,
    /// `waiting`, `loaded`, `failed` or `superseded`.
    pub state: String,
    /// Why it is not in the lake, as [`crate::said::Said`] in JSON.
    #[sea_orm(column_type = "Text")]
    pub problem: String,
    pub rows: i64,
    pub good: i64,
    pub bad: i64,
    /// Version of the lake's table with it; -1 before.
    pub version: i64,
    pub accepted_at: i64,
    pub finished_at: Option<i64>,
});

entity!(
    /// Which publication feeds which registry.
    feed, "flow_feed", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub registry: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub publication: String,
    /// Name of the source, as the registry's authorities name it.
    pub source: String,
    #[sea_orm(column_type = "Text")]
    pub document: String,
    pub updated_at: i64,
});

entity!(
    /// A batch on its way from the lake into a registry.
    feeding, "flow_feeding", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub registry: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub batch: String,
    pub publication: String,
    pub sequence: i64,
    /// `waiting`, `loaded` or `failed`.
    pub state: String,
    #[sea_orm(column_type = "Text")]
    pub problem: String,
    /// Version of the lake's table that it brings the registry to.
    pub version: i64,
    pub finished_at: Option<i64>,
});

entity!(
    /// A row that a registry refused, with the key by which its department finds it.
    refusal, "flow_refusal", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub registry: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub batch: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub row: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: String,
    pub key: String,
    /// Key and arguments of the message, JSON.
    #[sea_orm(column_type = "Text")]
    pub reason: String,
});
