//! Entities and migrations of the tables `registry_*` that every installation has. The tables of
//! declared registries are made by [`crate::install`]. Moments are microseconds.

mod m20261125_01_registry_create;
mod m20261125_02_registry_match;
mod m20261126_01_registry_match_problem;

use kernel::Result;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use sea_orm_migration::MigrationTrait;
use store::fault;

/// All migrations of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261125_01_registry_create::Migration),
        Box::new(m20261125_02_registry_match::Migration),
        Box::new(m20261126_01_registry_match_problem::Migration),
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
    /// A registry as its newest pack declares it.
    declaration, "registry_declaration", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub title_zh: String,
    pub title_en: String,
    /// SM3 of the document, hexadecimal.
    pub digest: String,
    #[sea_orm(column_type = "Text")]
    pub document: String,
    pub updated_at: i64,
});

entity!(
    /// Who states facts: a name that declarations use, and the organisation it is here.
    source, "registry_source", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub title_zh: String,
    pub title_en: String,
    /// Unified social credit code; empty until a city's pack tells it.
    pub org: String,
});

entity!(
    /// A file that a source delivered.
    batch, "registry_batch", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub registry: String,
    /// The deliverer's number for it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub source: String,
    /// SM3 of the file, hexadecimal.
    pub digest: String,
    /// `keep_good` or `all_or_nothing`.
    pub mode: String,
    /// `loading`, `loaded` or `refused`.
    pub state: String,
    pub valid_from: Date,
    /// Data rows of the file that were read to the end of a durable step.
    pub rows_done: i64,
    pub inserted: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub refused: i64,
    pub actor: String,
    pub started_at: i64,
    pub finished_at: Option<i64>,
});

entity!(
    /// Why a row of a file was not taken.
    refusal, "registry_refusal", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub registry: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub batch: String,
    /// Row of the file, the header being 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub row: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: String,
    /// Key and arguments of the message, as JSON.
    #[sea_orm(column_type = "Text")]
    pub reason: String,
});

entity!(
    /// Two records that are one, as long as `undone_at` is empty.
    merge, "registry_merge", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub registry: String,
    pub from_record: String,
    pub into_record: String,
    pub reason: String,
    pub actor: String,
    pub merged_at: i64,
    pub undone_at: Option<i64>,
    pub undone_by: Option<String>,
    pub undone_reason: Option<String>,
});

entity!(
    /// Somebody read a sensitive record.
    read, "registry_read", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub registry: String,
    pub record: String,
    pub at: i64,
    pub reader: String,
    pub reader_org: String,
    pub reader_org_name: String,
    pub purpose: String,
    pub is_unmasked: bool,
});

entity!(
    /// A doubt about a value, and what became of it.
    objection, "registry_objection", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub registry: String,
    pub record: String,
    pub field: String,
    /// Who must answer.
    pub source: String,
    pub source_org: String,
    /// As JSON.
    #[sea_orm(column_type = "Text")]
    pub current_value: String,
    #[sea_orm(column_type = "Text")]
    pub expected_value: String,
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    pub raised_by: String,
    pub raised_org: String,
    /// The citizen's or firm's party, where the subject itself objects.
    pub raised_party: Option<String>,
    pub raised_at: i64,
    pub state: String,
    /// Last day of the clock that runs.
    pub due_on: Option<Date>,
    pub is_overdue: bool,
    #[sea_orm(column_type = "Text")]
    pub answer: String,
    /// As JSON; what the source proposes.
    #[sea_orm(column_type = "Text", nullable)]
    pub proposed_value: Option<String>,
    pub valid_from: Option<Date>,
    pub answered_by: String,
    pub decided_by: String,
    pub statement: Option<String>,
    pub closed_at: Option<i64>,
    pub version: i64,
});

entity!(
    /// Records of one registry, or of two, compared with each other.
    match_run, "registry_match_run", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub registry: String,
    /// The registry on the right; the same where duplicates are looked for.
    pub other: String,
    pub purpose: String,
    /// `waiting`, `running`, `done` or `failed`.
    pub state: String,
    /// Weights in thousandths of a bit: from here on pairs are linked, and looked at by a person.
    pub link_from: i64,
    pub review_from: i64,
    pub links_itself: bool,
    /// How far it is.
    pub done: i64,
    pub total: i64,
    pub records: i64,
    pub candidates: i64,
    /// Pairs that one key too common would have brought together.
    pub skipped: i64,
    pub linked: i64,
    pub to_review: i64,
    /// What was learnt, as JSON.
    #[sea_orm(column_type = "Text")]
    pub model: String,
    pub actor: String,
    pub started_at: i64,
    pub finished_at: Option<i64>,
    /// Why it was given up, for operators; empty for nothing.
    #[sea_orm(column_type = "Text")]
    pub problem: String,
});

entity!(
    /// Two records that may be one, and what was decided.
    match_pair, "registry_match_pair", {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The run that weighed it last.
    pub run: String,
    pub registry: String,
    pub left_record: String,
    pub other: String,
    pub right_record: String,
    /// In thousandths of a bit.
    pub weight: i64,
    pub is_key: bool,
    /// Where the weight comes from, as JSON.
    #[sea_orm(column_type = "Text")]
    pub explanation: String,
    pub state: String,
    pub decided_by: String,
    pub decided_at: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    /// The merge that was made of it.
    pub merge: Option<String>,
    pub version: i64,
});

/// The digest of a declaration.
pub(crate) async fn digest(db: &impl ConnectionTrait, id: &str) -> Result<Option<String>> {
    declaration::Entity::find()
        .select_only()
        .column(declaration::Column::Digest)
        .filter(declaration::Column::Id.eq(id))
        .into_tuple()
        .one(db)
        .await
        .map_err(|e| fault("look up a registry", e).into())
}

/// The document of a declaration.
pub(crate) async fn document(db: &impl ConnectionTrait, id: &str) -> Result<Option<String>> {
    let row = declaration::Entity::find_by_id(id)
        .one(db)
        .await
        .map_err(|e| fault("read a registry's declaration", e))?;
    Ok(row.map(|row| row.document))
}

/// All declarations, by id.
pub(crate) async fn declarations(db: &impl ConnectionTrait) -> Result<Vec<declaration::Model>> {
    declaration::Entity::find()
        .order_by_asc(declaration::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list registries", e).into())
}
