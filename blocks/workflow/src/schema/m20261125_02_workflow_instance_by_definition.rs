//! Instances are listed by definition.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261125_02_workflow_instance_by_definition"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut index = Index::create();
        index
            .name("workflow_instance_by_definition")
            .table("workflow_instance")
            .col("definition")
            .col("id");
        manager.create_index(index).await
    }
}
