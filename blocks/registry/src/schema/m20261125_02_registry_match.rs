use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

fn text(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.text().not_null();
    column
}

fn number(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.big_integer().not_null();
    column
}

fn flag(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.boolean().not_null();
    column
}

fn optional(mut column: ColumnDef) -> ColumnDef {
    column.null();
    column
}

fn table(name: &'static str, columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    table.col(text("id").primary_key());
    for column in columns {
        table.col(column);
    }
    table
}

fn runs() -> TableCreateStatement {
    let columns = vec![
        text("registry"),
        text("other"),
        text("purpose"),
        text("state"),
        number("link_from"),
        number("review_from"),
        flag("links_itself"),
        number("done"),
        number("total"),
        number("records"),
        number("candidates"),
        number("skipped"),
        number("linked"),
        number("to_review"),
        text("model"),
        text("actor"),
        number("started_at"),
        optional(number("finished_at")),
    ];
    table("registry_match_run", columns)
}

fn pairs() -> TableCreateStatement {
    let columns = vec![
        text("run"),
        text("registry"),
        text("left_record"),
        text("other"),
        text("right_record"),
        number("weight"),
        flag("is_key"),
        text("explanation"),
        text("state"),
        text("decided_by"),
        optional(number("decided_at")),
        text("reason"),
        optional(text("merge")),
        number("version"),
    ];
    table("registry_match_pair", columns)
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(runs()).await?;
        manager.create_table(pairs()).await?;
        let indexes: [(&str, &[&'static str], bool); 3] = [
            // One row for two records, however often they are compared.
            (
                "registry_match_pair_records",
                &["left_record", "right_record"],
                true,
            ),
            (
                "registry_match_pair_state",
                &["registry", "state", "weight", "id"],
                false,
            ),
            ("registry_match_pair_merge", &["merge"], false),
        ];
        for (name, columns, is_unique) in indexes {
            let mut index = Index::create();
            index.name(name).table(Alias::new("registry_match_pair"));
            for column in columns {
                index.col(Alias::new(*column));
            }
            if is_unique {
                index.unique();
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
