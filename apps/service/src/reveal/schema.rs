//! The table of looks at personal values.

use sea_orm_migration::MigrationTrait;

pub mod reveal {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_reveal")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub case_id: String,
        pub user_id: String,
        pub user_name: String,
        pub org_name: String,
        #[sea_orm(column_type = "Text")]
        pub purpose: String,
        pub at: i64,
        pub until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261125_01_service_reveal::Migration)]
}

mod m20261125_01_service_reveal {
    use sea_orm_migration::{
        prelude::*,
        schema::{big_integer, string, text},
    };

    pub struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20261125_01_service_reveal"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let table = Table::create()
                .table("service_reveal")
                .col(string("id").primary_key())
                .col(string("case_id"))
                .col(string("user_id"))
                .col(text("user_name"))
                .col(text("org_name"))
                .col(text("purpose"))
                .col(big_integer("at"))
                .col(big_integer("until"))
                .to_owned();
            manager.create_table(table).await?;
            let by_case = Index::create()
                .name("service_reveal_case")
                .table("service_reveal")
                .col("case_id")
                .col("id")
                .to_owned();
            manager.create_index(by_case).await
        }
    }
}
