//! Large instances are kept in parts.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, string, text},
};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261126_51_workflow_state"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("workflow_state")
            .col(string("instance"))
            .col(big_integer("part"))
            .col(text("state"))
            .primary_key(Index::create().col("instance").col("part"));
        manager.create_table(table).await
    }
}
