//! Officers look up what they started, the last first.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261127_71_workflow_started_by"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let index = "CREATE INDEX workflow_instance_started_by ON workflow_instance (started_by, id) WHERE subject LIKE 'business:%'";
        db.execute_unprepared(index).await.map(drop)
    }
}
