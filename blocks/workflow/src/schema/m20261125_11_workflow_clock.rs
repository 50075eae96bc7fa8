//! Deadlines get a table of their own.

use sea_orm_migration::prelude::*;

pub(super) struct Clocks;

impl MigrationName for Clocks {
    fn name(&self) -> &'static str {
        "m20261125_11_workflow_clock"
    }
}

/// Tasks that are open when this version comes get the clock that they would have had.
const OPEN_TASKS: &str = "INSERT INTO workflow_clock (id, instance, kind, number, subject, element, \
    region, unit, amount, extended, started_at, due_at, pauses, remind, escalate, fired, epoch, state) \
    SELECT instance || ':' || token, instance, 'task', token, subject, element, \
    '', 'days', days, 0, created_at, due_at, '[]', '', '', '', 0, 'running' \
    FROM workflow_task WHERE days IS NOT NULL AND due_at IS NOT NULL AND state IN ('open', 'claimed')";

#[async_trait::async_trait]
impl MigrationTrait for Clocks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = |name: &'static str| ColumnDef::new(name).text().not_null().take();
        let number = |name: &'static str| ColumnDef::new(name).big_integer().not_null().take();
        let mut table = Table::create();
        table
            .table("workflow_clock")
            .col(ColumnDef::new("id").text().not_null().primary_key())
            .col(ColumnDef::new("due_at").big_integer());
        for name in [
            "instance", "kind", "subject", "element", "region", "unit", "pauses", "remind",
            "escalate", "fired", "state",
        ] {
            table.col(text(name));
        }
        for name in ["number", "amount", "extended", "started_at", "epoch"] {
            table.col(number(name));
        }
        manager.create_table(table.take()).await?;
        for columns in [&["instance"][..], &["state", "id"]] {
            let mut index = Index::create();
            index
                .name(format!("workflow_clock_by_{}", columns.join("_")))
                .table("workflow_clock");
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index.take()).await?;
        }
        manager
            .get_connection()
            .execute_unprepared(OPEN_TASKS)
            .await?;
        Ok(())
    }
}
