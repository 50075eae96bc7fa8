//! Tables and columns of the verbs.

use sea_orm_migration::prelude::*;

use super::migration::{id, maybe, number, table, text};

pub(super) struct Verbs;

impl MigrationName for Verbs {
    fn name(&self) -> &'static str {
        "m20261125_01_workflow_verbs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Verbs {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for mut column in columns() {
            let table = Table::alter()
                .table("workflow_task")
                .add_column(&mut column)
                .take();
            manager.alter_table(table).await?;
        }
        for table in [part(), saved(), deed(), copy(), suspension(), substitute()] {
            manager.create_table(table).await?;
        }
        for (table, column) in INDEXES {
            let mut index = Index::create();
            index
                .name(format!("{table}_by_{column}"))
                .table(*table)
                .col(*column);
            manager.create_index(index).await?;
        }
        // A work list asks for the open tasks of one officer among all that he ever did.
        let lists = "CREATE INDEX workflow_task_open_by_assignee ON workflow_task (assignee, id) WHERE state IN ('open', 'claimed')";
        manager.get_connection().execute_unprepared(lists).await?;
        Ok(())
    }
}

const INDEXES: &[(&str, &str)] = &[
    ("workflow_part", "parent"),
    ("workflow_deed", "instance"),
    ("workflow_deed", "task"),
    ("workflow_copy", "reader"),
    ("workflow_copy", "task"),
    ("workflow_suspension", "task"),
    ("workflow_substitute", "officer"),
    ("workflow_substitute", "substitute"),
];

fn columns() -> Vec<ColumnDef> {
    let words = |name: &'static str| ColumnDef::new(name).text().not_null().default("").take();
    let count = |name: &'static str| {
        ColumnDef::new(name)
            .big_integer()
            .not_null()
            .default(0)
            .take()
    };
    vec![
        ColumnDef::new("parent").text().take(),
        count("parts"),
        words("back_to"),
        words("followed"),
        maybe("acted_at"),
        maybe("saved_at"),
        maybe("suspended_at"),
        maybe("urged_at"),
        count("extended"),
    ]
}

fn part() -> TableCreateStatement {
    let columns = vec![
        ColumnDef::new("task")
            .text()
            .not_null()
            .primary_key()
            .take(),
        text("parent"),
        text("role"),
        number("weight"),
        ColumnDef::new("vote").text().take(),
        text("vars"),
        ColumnDef::new("answered_by").text().take(),
        maybe("answered_at"),
        text("added_by"),
        number("added_at"),
    ];
    table("workflow_part", columns)
}

fn saved() -> TableCreateStatement {
    let columns = vec![
        ColumnDef::new("task")
            .text()
            .not_null()
            .primary_key()
            .take(),
        text("vars"),
        ColumnDef::new("next").text().take(),
        text("by"),
        number("at"),
    ];
    table("workflow_saved", columns)
}

fn deed() -> TableCreateStatement {
    let columns = vec![
        id(),
        text("instance"),
        text("task"),
        text("verb"),
        text("by"),
        ColumnDef::new("on_behalf").text().take(),
        text("other"),
        text("reason"),
        number("at"),
    ];
    table("workflow_deed", columns)
}

fn copy() -> TableCreateStatement {
    let columns = vec![
        id(),
        text("task"),
        text("instance"),
        text("subject"),
        text("name"),
        text("reader"),
        text("sent_by"),
        number("sent_at"),
        text("note"),
        maybe("read_at"),
    ];
    table("workflow_copy", columns)
}

fn suspension() -> TableCreateStatement {
    let columns = vec![
        id(),
        text("task"),
        text("instance"),
        text("ground"),
        text("reason"),
        text("by"),
        number("from_at"),
        maybe("until_at"),
    ];
    table("workflow_suspension", columns)
}

fn substitute() -> TableCreateStatement {
    let day = |name: &'static str| ColumnDef::new(name).date().not_null().take();
    let columns = vec![
        id(),
        text("officer"),
        text("substitute"),
        text("posts"),
        day("from_day"),
        day("until_day"),
        text("reason"),
        text("created_by"),
        number("created_at"),
        maybe("ended_at"),
    ];
    table("workflow_substitute", columns)
}
