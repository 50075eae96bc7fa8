//! The table of themes.

use sea_orm_migration::MigrationTrait;

pub mod theme {
    use sea_orm::entity::prelude::*;

    /// One version of a theme; `document` is the whole [`Theme`](crate::theme::Theme) as JSON.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_theme")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: i32,
        pub name: String,
        pub region: String,
        /// The version that people apply under; one per id.
        pub is_current: bool,
        #[sea_orm(column_type = "Text")]
        pub document: String,
        pub updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261122_03_service_theme::Migration)]
}

mod m20261122_03_service_theme {
    use sea_orm_migration::{
        prelude::*,
        schema::{big_integer, boolean, integer, string, text},
    };

    pub struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20261122_03_service_theme"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let table = Table::create()
                .table("service_theme")
                .col(string("id"))
                .col(integer("version"))
                .col(text("name"))
                .col(string("region"))
                .col(boolean("is_current"))
                .col(text("document"))
                .col(big_integer("updated_at"))
                .primary_key(Index::create().col("id").col("version"))
                .to_owned();
            manager.create_table(table).await?;
            let index = Index::create()
                .name("service_theme_current")
                .table("service_theme")
                .col("is_current")
                .col("id")
                .to_owned();
            manager.create_index(index).await
        }
    }
}
