//! The signers of a task share its clock: whether it stands and was extended is kept at the task
//! itself, where a signer's own row kept it before.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261126_31_workflow_shared_clock"
    }
}

const SIGNERS: &str = "workflow_part JOIN workflow_task AS signer \
    ON signer.id = workflow_part.task WHERE workflow_part.parent = workflow_task.id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared(&format!(
            "UPDATE workflow_task SET suspended_at = (SELECT MIN(signer.suspended_at) FROM {SIGNERS}) \
             WHERE parts > 0 AND suspended_at IS NULL"
        ))
        .await?;
        db.execute_unprepared(&format!(
            "UPDATE workflow_task SET extended = (SELECT MAX(signer.extended) FROM {SIGNERS}) \
             WHERE parts > 0 AND extended = 0 AND EXISTS (SELECT 1 FROM {SIGNERS})"
        ))
        .await?;
        db.execute_unprepared(
            "UPDATE workflow_suspension SET task = (SELECT parent FROM workflow_part \
             WHERE workflow_part.task = workflow_suspension.task) \
             WHERE until_at IS NULL AND task IN (SELECT task FROM workflow_part)",
        )
        .await?;
        Ok(())
    }
}
