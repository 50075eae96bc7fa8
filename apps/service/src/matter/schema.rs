//! The table of matters.

use sea_orm_migration::prelude::*;

pub mod matter {
    use sea_orm::entity::prelude::*;

    /// One version of a matter. The columns beside `document` are what lists and searches need;
    /// `document` is the whole [`Matter`](crate::matter::Matter) as JSON, absent for rows of an
    /// imported list, whose columns say all there is.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "service_matter")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub task_code: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: i32,
        pub state: String,
        /// The version that the guide shows; at most one of a task code.
        pub is_shown: bool,
        /// 0 for matters one can apply for, 1 for others; lists begin with the former.
        pub rank: i32,
        pub name: String,
        /// Name, department and main item in lower case.
        pub search_text: String,
        pub main_item: String,
        pub area_code: String,
        pub dept_name: String,
        pub dept_code: String,
        pub task_type: String,
        pub link: String,
        /// Topics, each between bars: `|准营准办|`.
        pub user_topics: String,
        pub corp_topics: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub document: Option<String>,
        /// Publication checks not passed.
        pub lacks: i32,
        pub row_version: i32,
        pub updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Migrations of the matters' table.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(m20261122_01_service_matter::Migration)]
}

mod m20261122_01_service_matter {
    use sea_orm_migration::{
        prelude::*,
        schema::{big_integer, boolean, integer, string, text, text_null},
    };

    pub struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20261122_01_service_matter"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            manager.create_table(table()).await?;
            let shown = Index::create()
                .name("service_matter_shown")
                .table("service_matter")
                .col("is_shown")
                .col("rank")
                .col("task_code")
                .to_owned();
            manager.create_index(shown).await?;
            let department = Index::create()
                .name("service_matter_department")
                .table("service_matter")
                .col("is_shown")
                .col("dept_name")
                .col("rank")
                .col("task_code")
                .to_owned();
            manager.create_index(department).await
        }
    }

    fn table() -> TableCreateStatement {
        Table::create()
            .table("service_matter")
            .col(string("task_code"))
            .col(integer("version"))
            .col(string("state"))
            .col(boolean("is_shown"))
            .col(integer("rank"))
            .col(text("name"))
            .col(text("search_text"))
            .col(text("main_item"))
            .col(string("area_code"))
            .col(string("dept_name"))
            .col(string("dept_code"))
            .col(string("task_type"))
            .col(text("link"))
            .col(text("user_topics"))
            .col(text("corp_topics"))
            .col(text_null("document"))
            .col(integer("lacks"))
            .col(integer("row_version"))
            .col(big_integer("updated_at"))
            .primary_key(Index::create().col("task_code").col("version"))
            .to_owned()
    }
}
