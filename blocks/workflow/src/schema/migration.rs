//! Migrations, forward only.

use sea_orm_migration::prelude::*;

/// All migrations of this crate, oldest first.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(Tables),
        Box::new(super::m20261125_01_workflow_external::Migration),
        Box::new(super::m20261125_02_workflow_instance_by_definition::Migration),
        Box::new(super::m20261125_11_seeing::Seeing),
        Box::new(super::verb_migration::Verbs),
        Box::new(super::m20261125_11_workflow_clock::Clocks),
        Box::new(super::m20261125_12_workflow_instance_over::InstanceOver),
        Box::new(super::m20261125_13_workflow_post::Migration),
        Box::new(super::m20261125_14_workflow_signal::Migration),
        Box::new(super::m20261126_31_workflow_shared_clock::Migration),
        Box::new(super::m20261126_41_workflow_recipe::Migration),
        Box::new(super::m20261126_42_workflow_imports::Migration),
        Box::new(super::m20261126_51_workflow_state::Migration),
        Box::new(super::m20261126_61_workflow_done_by::Migration),
        Box::new(super::m20261127_71_workflow_started_by::Migration),
    ]
}

struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &'static str {
        "m20261122_01_workflow_tables"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            definition(),
            instance(),
            task(),
            candidate(),
            call(),
            trail(),
        ] {
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
        Ok(())
    }
}

const INDEXES: &[(&str, &str)] = &[
    ("workflow_definition", "key"),
    ("workflow_instance", "subject"),
    ("workflow_task", "instance"),
    ("workflow_task", "subject"),
    ("workflow_task", "assignee"),
    ("workflow_candidate", "task"),
    ("workflow_call", "instance"),
    ("workflow_trail", "subject"),
];

pub(super) fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

pub(super) fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

pub(super) fn maybe(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

pub(super) fn table(name: &'static str, columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for mut column in columns {
        table.col(&mut column);
    }
    table
}

pub(super) fn id() -> ColumnDef {
    ColumnDef::new("id").text().not_null().primary_key().take()
}

fn definition() -> TableCreateStatement {
    table(
        "workflow_definition",
        vec![
            id(),
            text("key"),
            number("version"),
            text("kind"),
            text("names"),
            text("links"),
            text("xml"),
            number("deployed_at"),
        ],
    )
}

fn instance() -> TableCreateStatement {
    table(
        "workflow_instance",
        vec![
            id(),
            text("definition"),
            text("process"),
            text("subject"),
            text("status"),
            text("state"),
            number("version"),
            number("trail_length"),
            number("incidents"),
            text("started_by"),
            number("started_at"),
            maybe("ended_at"),
        ],
    )
}

fn task() -> TableCreateStatement {
    table(
        "workflow_task",
        vec![
            id(),
            text("instance"),
            text("definition"),
            text("subject"),
            number("token"),
            text("element"),
            text("name"),
            text("kind"),
            text("state"),
            text("candidates"),
            text("org"),
            ColumnDef::new("assignee").text().take(),
            text("form"),
            text("outcomes"),
            text("suspends"),
            number("officers"),
            maybe("days"),
            maybe("due_at"),
            text("attributes"),
            number("created_at"),
            maybe("claimed_at"),
            maybe("done_at"),
            ColumnDef::new("done_by").text().take(),
            number("version"),
        ],
    )
}

fn candidate() -> TableCreateStatement {
    let mut table = table("workflow_candidate", vec![text("group_key"), text("task")]);
    table.primary_key(Index::create().col("group_key").col("task"));
    table
}

fn call() -> TableCreateStatement {
    table(
        "workflow_call",
        vec![
            id(),
            text("instance"),
            number("token"),
            text("element"),
            text("name"),
            text("state"),
            number("created_at"),
            maybe("done_at"),
        ],
    )
}

fn trail() -> TableCreateStatement {
    let mut table = table(
        "workflow_trail",
        vec![
            text("instance"),
            number("seq"),
            text("subject"),
            text("element"),
            text("what"),
            number("at"),
            text("by"),
            text("note"),
        ],
    );
    table.primary_key(Index::create().col("instance").col("seq"));
    table
}
