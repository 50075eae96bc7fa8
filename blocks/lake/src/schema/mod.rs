//! Entities and migrations of the tables `lake_*`. Moments are microseconds.

mod m20261125_02_lake_create;
mod m20261126_01_lake_subject;

use sea_orm_migration::MigrationTrait;

/// All migrations of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261125_02_lake_create::Migration),
        Box::new(m20261126_01_lake_subject::Migration),
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
    /// A table of the lake as it is declared now.
    table, "lake_table", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub title_zh: String,
    pub title_en: String,
    /// Credit code of the department that answers for it.
    pub org: String,
    /// SM3 of the document, hexadecimal.
    pub digest: String,
    #[sea_orm(column_type = "Text")]
    pub document: String,
    pub updated_at: i64,
});

entity!(
    /// Where a column comes from.
    source, "lake_source", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub lake: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: String,
    pub resource: String,
    pub source_column: String,
});

entity!(
    /// Rows that came together under the deliverer's number.
    batch, "lake_batch", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub lake: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// `append`, `merge` or `overwrite`.
    pub mode: String,
    /// `set_aside` or `refuse_all`.
    pub on_bad: String,
    /// `loading`, `loaded` or `refused`.
    pub state: String,
    /// What delivered it, as the exchange names it.
    pub source: String,
    pub rows: i64,
    pub good: i64,
    pub bad: i64,
    pub warned: i64,
    /// Version of the Delta table after it, -1 where nothing was written; while it loads, the
    /// version that it found.
    pub version: i64,
    pub actor: String,
    pub started_at: i64,
    pub finished_at: Option<i64>,
});

entity!(
    /// How many rows of a batch broke a rule.
    finding, "lake_finding", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub lake: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub batch: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub rule: String,
    /// Empty for rules over several columns.
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: String,
    pub rows: i64,
});

entity!(
    /// A question, by whom and for what.
    query, "lake_query", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub at: i64,
    pub who: String,
    pub who_org: String,
    pub who_org_name: String,
    pub purpose: String,
    #[sea_orm(column_type = "Text")]
    pub sql: String,
    /// `page`, `api` or `flight`.
    pub door: String,
    pub as_of: Option<i64>,
    /// `running`, `answered`, `cut`, `failed` or `dropped`.
    pub state: String,
    pub rows: i64,
    pub finished_at: Option<i64>,
    /// Whether it can answer rows of its subjects only.
    pub is_narrow: bool,
});

entity!(
    /// A person or firm that a question named.
    query_subject, "lake_query_subject", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub query: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
});

entity!(
    /// A column that a question read.
    query_use, "lake_query_use", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub query: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub lake: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: String,
    pub is_masked: bool,
});
