//! Entities and migrations of the tables `pack_*`.

use sea_orm_migration::MigrationTrait;

pub mod installed {
    use sea_orm::entity::prelude::*;

    /// A pack that is installed, with the digest of its files.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "pack_installed")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub version: String,
        pub title_zh: String,
        pub title_en: String,
        pub digest: String,
        pub installed_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod calendar {
    use sea_orm::entity::prelude::*;

    /// One year's notice, as [`kernel::calendar::Year`] in JSON.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "pack_calendar")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub year: i32,
        #[sea_orm(column_type = "Text")]
        pub document: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod code {
    use sea_orm::entity::prelude::*;

    /// One value of a code table; `place` is its line in the file.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "pack_code")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub table_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        pub place: i32,
        pub name_zh: String,
        pub name_en: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod region {
    use sea_orm::entity::prelude::*;

    /// A region: 6 digits down to the county, 9 for a town.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "pack_region")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        pub name: String,
        pub parent: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod form {
    use sea_orm::entity::prelude::*;

    /// A form as its pack wrote it, by key.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "pack_form")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        #[sea_orm(column_type = "Text")]
        pub document: String,
        pub updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Migrations of this crate's tables.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261122_01_pack_create::Migration)]
}

mod m20261122_01_pack_create {
    use sea_orm_migration::{
        prelude::*,
        schema::{big_integer, integer, string, text},
    };

    #[derive(DeriveMigrationName)]
    pub struct Migration;

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let installed = Table::create()
                .table("pack_installed")
                .col(string("id").primary_key())
                .col(string("version"))
                .col(string("title_zh"))
                .col(string("title_en"))
                .col(string("digest"))
                .col(big_integer("installed_at"))
                .to_owned();
            manager.create_table(installed).await?;
            let calendar = Table::create()
                .table("pack_calendar")
                .col(integer("year").primary_key())
                .col(text("document"))
                .to_owned();
            manager.create_table(calendar).await?;
            let code = Table::create()
                .table("pack_code")
                .col(string("table_id"))
                .col(string("code"))
                .col(integer("place"))
                .col(string("name_zh"))
                .col(string("name_en"))
                .primary_key(Index::create().col("table_id").col("code"))
                .to_owned();
            manager.create_table(code).await?;
            let region = Table::create()
                .table("pack_region")
                .col(string("code").primary_key())
                .col(string("name"))
                .col(string("parent"))
                .to_owned();
            manager.create_table(region).await?;
            let form = Table::create()
                .table("pack_form")
                .col(string("id").primary_key())
                .col(text("document"))
                .col(big_integer("updated_at"))
                .to_owned();
            manager.create_table(form).await?;
            let parent = Index::create()
                .name("pack_region_parent")
                .table("pack_region")
                .col("parent")
                .col("code")
                .to_owned();
            manager.create_index(parent).await
        }
    }
}
