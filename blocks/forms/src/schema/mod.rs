//! Entities and migrations of the tables `forms_*`. Moments are microseconds, JSON is text.

mod m20261122_01_forms_create;

use sea_orm_migration::MigrationTrait;

/// All migrations of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261122_01_forms_create::Migration)]
}

pub mod form {
    use sea_orm::entity::prelude::*;

    /// A form as a draft or case began with it. The id is the SM3 digest of the JSON, so equal
    /// forms are kept once however many drafts use them.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "forms_form")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        #[sea_orm(column_type = "Text")]
        pub content: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod draft {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "forms_draft")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub owner_user: String,
        pub owner_party: Option<String>,
        /// What it is a draft of, as `theme:open-restaurant`.
        pub subject: String,
        pub form_id: String,
        #[sea_orm(column_type = "Text")]
        pub answers: String,
        #[sea_orm(column_type = "Text")]
        pub answered: String,
        #[sea_orm(column_type = "Text")]
        pub provenances: String,
        /// Group at which the applicant stopped.
        pub step: String,
        pub version: i64,
        /// What became of it, as `case:0192…`; empty while it can be changed.
        pub submitted_as: Option<String>,
        pub created_at: i64,
        pub updated_at: i64,
        pub expires_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod file {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "forms_file")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// The draft it was uploaded to; empty for files of an officer's act.
        pub draft_id: Option<String>,
        pub owner_user: String,
        pub owner_party: Option<String>,
        /// What it belongs to since submission, as `case:0192…`.
        pub subject: Option<String>,
        /// Organisations (credit codes, blanks between) whose officers may read it.
        pub readers: String,
        pub field: String,
        pub name: String,
        pub media_type: String,
        pub size: i64,
        /// SM3, hexadecimal.
        pub digest: String,
        /// Key of the blob.
        pub blob: String,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
