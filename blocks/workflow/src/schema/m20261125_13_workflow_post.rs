//! Places that wait for messages and signals, and messages that nobody has taken yet.

use sea_orm_migration::prelude::*;

use super::UNKNOWN;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261125_13_workflow_post"
    }
}

const WAIT: &str = "workflow_wait";
const MAIL: &str = "workflow_mail";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table(WAIT);
        let key = ["instance", "heard", "name", "element", "key"];
        let mut primary = Index::create();
        for name in key {
            table.col(ColumnDef::new(name).text().not_null());
            primary.col(name);
        }
        table.primary_key(&mut primary);
        manager.create_table(table).await?;
        for (name, columns) in [
            ("name", ["heard", "name", "key"]),
            ("element", ["heard", "element", "key"]),
        ] {
            let mut index = Index::create();
            index.name(format!("{WAIT}_by_{name}")).table(WAIT);
            for column in columns {
                index.col(column);
            }
            manager.create_index(index).await?;
        }
        let mut table = Table::create();
        table
            .table(MAIL)
            .col(ColumnDef::new("id").text().not_null().primary_key());
        for name in [
            "name",
            "target",
            "key",
            "vars",
            "instance",
            "definition",
            "element",
            "subject",
            "problem",
        ] {
            table.col(ColumnDef::new(name).text().not_null());
        }
        table.col(ColumnDef::new("sent_at").big_integer().not_null());
        manager.create_table(table).await?;
        for column in ["name", "target"] {
            let mut index = Index::create();
            index
                .name(format!("{MAIL}_by_{column}"))
                .table(MAIL)
                .col(column);
            manager.create_index(index).await?;
        }
        // Only the engine can read what instances wait for; it does so before it first looks.
        let sql = format!(
            "INSERT INTO {WAIT} (instance, heard, name, element, key) \
             SELECT id, '{UNKNOWN}', '', '', '' FROM workflow_instance WHERE status = 'running'"
        );
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }
}
