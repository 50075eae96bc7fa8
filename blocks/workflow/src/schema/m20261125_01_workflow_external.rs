//! Tasks that outside workers fetch.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261125_01_workflow_external"
    }
}

const TABLE: &str = "workflow_external";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table(TABLE)
            .col(ColumnDef::new("id").text().not_null().primary_key());
        for name in [
            "instance",
            "definition",
            "key",
            "subject",
            "element",
            "topic",
            "state",
            "error_message",
            "error_details",
            "inputs",
        ] {
            table.col(ColumnDef::new(name).text().not_null());
        }
        table.col(ColumnDef::new("worker").text());
        for name in ["token", "priority", "available_at", "created_at"] {
            table.col(ColumnDef::new(name).big_integer().not_null());
        }
        for name in ["retries", "ended_at"] {
            table.col(ColumnDef::new(name).big_integer());
        }
        manager.create_table(table).await?;
        // The order in which workers fetch.
        let mut by_topic = Index::create();
        by_topic
            .name("workflow_external_by_topic")
            .table(TABLE)
            .col("topic")
            .col("state")
            .col(("priority", IndexOrder::Desc))
            .col("id");
        manager.create_index(by_topic).await?;
        let mut by_instance = Index::create();
        by_instance
            .name("workflow_external_by_instance")
            .table(TABLE)
            .col("instance");
        manager.create_index(by_instance).await
    }
}
