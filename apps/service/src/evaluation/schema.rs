//! The table of reviews.

use sea_orm_migration::MigrationTrait;

pub mod evaluation {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_evaluation")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub case_id: String,
        pub case_number: String,
        pub matter_code: String,
        pub matter_name: String,
        pub org: String,
        pub org_name: String,
        pub region: String,
        /// 1 taking in, 2 the whole.
        pub service: i32,
        /// 1 first, 2 after it was put right.
        pub assess: i32,
        pub satisfaction: i32,
        /// Detail codes, comma-separated.
        pub details: String,
        #[sea_orm(column_type = "Text")]
        pub words: String,
        pub door: i32,
        pub user_id: String,
        pub user_name: String,
        pub is_anonymous: bool,
        pub at: i64,
        /// Counts in the statistics.
        pub is_valid: bool,
        pub repair: String,
        pub contact_due: Option<String>,
        pub finish_due: Option<String>,
        pub contacted_at: Option<i64>,
        pub finished_at: Option<i64>,
        #[sea_orm(column_type = "Text")]
        pub reply: String,
        #[sea_orm(column_type = "Text")]
        pub appeal: String,
        pub version: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261122_04_service_evaluation::Migration)]
}

mod m20261122_04_service_evaluation {
    use sea_orm_migration::{
        prelude::*,
        schema::{big_integer, big_integer_null, boolean, integer, string, string_null, text},
    };

    pub struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20261122_04_service_evaluation"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            manager.create_table(table()).await?;
            let once = Index::create()
                .name("service_evaluation_once")
                .table("service_evaluation")
                .col("case_id")
                .col("service")
                .col("assess")
                .unique()
                .to_owned();
            manager.create_index(once).await?;
            let open = Index::create()
                .name("service_evaluation_repair")
                .table("service_evaluation")
                .col("org")
                .col("repair")
                .col("id")
                .to_owned();
            manager.create_index(open).await
        }
    }

    fn table() -> TableCreateStatement {
        Table::create()
            .table("service_evaluation")
            .col(string("id").primary_key())
            .col(string("case_id"))
            .col(string("case_number"))
            .col(string("matter_code"))
            .col(text("matter_name"))
            .col(string("org"))
            .col(text("org_name"))
            .col(string("region"))
            .col(integer("service"))
            .col(integer("assess"))
            .col(integer("satisfaction"))
            .col(string("details"))
            .col(text("words"))
            .col(integer("door"))
            .col(string("user_id"))
            .col(text("user_name"))
            .col(boolean("is_anonymous"))
            .col(big_integer("at"))
            .col(boolean("is_valid"))
            .col(string("repair"))
            .col(string_null("contact_due"))
            .col(string_null("finish_due"))
            .col(big_integer_null("contacted_at"))
            .col(big_integer_null("finished_at"))
            .col(text("reply"))
            .col(text("appeal"))
            .col(integer("version"))
            .to_owned()
    }
}
