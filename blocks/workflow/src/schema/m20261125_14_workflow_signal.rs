//! Thrown signals that others have not heard yet.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261125_14_workflow_signal"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("workflow_signal")
            .col(ColumnDef::new("id").text().not_null().primary_key());
        manager.create_table(table).await
    }
}
