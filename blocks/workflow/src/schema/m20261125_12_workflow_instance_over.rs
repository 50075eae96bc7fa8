//! Instances that are over are found by their end, to be removed when their time has come.

use sea_orm_migration::prelude::*;

pub(super) struct InstanceOver;

impl MigrationName for InstanceOver {
    fn name(&self) -> &'static str {
        "m20261125_12_workflow_instance_over"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for InstanceOver {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "CREATE INDEX workflow_instance_over ON workflow_instance (ended_at) \
                   WHERE ended_at IS NOT NULL";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
