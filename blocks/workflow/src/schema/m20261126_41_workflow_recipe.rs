//! How messages carry the keys of the conversations that instances wait in (BPMN 2.0.2, 8.4.2).

use sea_orm_migration::prelude::*;

use super::UNKNOWN;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261126_41_workflow_recipe"
    }
}

const WAIT: &str = "workflow_wait";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::alter();
        let recipe = ColumnDef::new("recipe")
            .text()
            .not_null()
            .default("")
            .take();
        table.table(WAIT).add_column(recipe);
        manager.alter_table(table).await?;
        let db = manager.get_connection();
        // Few places have one, and a message asks for the few ways in which it may carry a key.
        for column in ["name", "element"] {
            db.execute_unprepared(&format!(
                "CREATE INDEX {WAIT}_by_recipe_of_{column} ON {WAIT} (heard, {column}, recipe) WHERE recipe <> ''"
            ))
            .await?;
        }
        // Until now nobody looked at the keys of the standard: the engine finds out what those
        // instances wait for before it first looks.
        db.execute_unprepared(&format!(
            "INSERT INTO {WAIT} (instance, heard, name, element, key) \
             SELECT i.id, '{UNKNOWN}', '', '', '' FROM workflow_instance i \
             JOIN workflow_definition d ON d.id = i.definition \
             WHERE i.status = 'running' AND d.xml LIKE '%orrelationProperty%' \
             AND NOT EXISTS (SELECT 1 FROM {WAIT} w WHERE w.instance = i.id AND w.heard = '{UNKNOWN}')"
        ))
        .await?;
        Ok(())
    }
}
