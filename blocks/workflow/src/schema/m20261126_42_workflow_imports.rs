//! A version keeps the files that it imports.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261126_42_workflow_imports"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::alter();
        let imports = ColumnDef::new("imports")
            .text()
            .not_null()
            .default("")
            .take();
        table.table("workflow_definition").add_column(imports);
        manager.alter_table(table).await
    }
}
