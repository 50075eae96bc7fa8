//! What the pages of processes need: who deployed what and why, and indexes that keep their
//! questions bounded however much history there is.

use sea_orm_migration::prelude::*;

pub(super) struct Seeing;

impl MigrationName for Seeing {
    fn name(&self) -> &'static str {
        "m20261125_11_workflow_seeing"
    }
}

/// Open tasks and stopped instances are few beside those that ended, so their indexes are partial.
const INDEXES: &[&str] = &[
    "CREATE INDEX workflow_task_standing ON workflow_task (definition, element, state, due_at) \
     WHERE state IN ('open', 'claimed')",
    "CREATE INDEX workflow_task_ended ON workflow_task (definition, done_at) \
     WHERE done_at IS NOT NULL",
    "CREATE INDEX workflow_instance_by_status ON workflow_instance (status, definition, id)",
    "CREATE INDEX workflow_instance_stopped ON workflow_instance (definition, id) WHERE incidents > 0",
];

#[async_trait::async_trait]
impl MigrationTrait for Seeing {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["deployed_by", "comment"] {
            let mut table = Table::alter();
            table
                .table("workflow_definition")
                .add_column(ColumnDef::new(name).text().not_null().default("").take());
            manager.alter_table(table.take()).await?;
        }
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}
