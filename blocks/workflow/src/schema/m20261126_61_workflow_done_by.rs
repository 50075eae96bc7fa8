//! Officers look up what they completed, the last first.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261126_61_workflow_done_by"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let index = "CREATE INDEX workflow_task_done_by ON workflow_task (done_by, done_at, id) WHERE state = 'done'";
        db.execute_unprepared(index).await.map(drop)
    }
}
