use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

fn column(name: &'static str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

/// Text, `!` in front for required; `#` for required numbers, `?#` for optional ones; `@` for
/// days, `?@` for optional ones; `&` for flags; `=` for parts of the primary key.
fn table(name: &'static str, columns: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    let mut key = Index::create();
    for described in columns {
        let plain = described.trim_start_matches(['!', '#', '?', '=', '@', '&']);
        let mut definition = column(plain);
        if described.contains('#') {
            definition.big_integer();
        } else if described.contains('@') {
            definition.date();
        } else if described.contains('&') {
            definition.boolean();
        } else {
            definition.text();
        }
        if described.starts_with(['!', '#', '@', '&', '=']) {
            definition.not_null();
        }
        if described.starts_with('=') {
            key.col(Alias::new(plain));
        }
        table.col(definition);
    }
    table.primary_key(&mut key);
    table
}

async fn index(
    manager: &SchemaManager<'_>,
    name: &'static str,
    table: &'static str,
    columns: &[&'static str],
) -> Result<(), DbErr> {
    let mut index = Index::create();
    index.name(name).table(Alias::new(table));
    for column in columns {
        index.col(Alias::new(*column));
    }
    manager.create_index(index).await
}

#[rustfmt::skip]
const TABLES: [(&str, &[&str]); 7] = [
    ("registry_declaration",
        &["=id", "!title_zh", "!title_en", "!digest", "!document", "#updated_at"]),
    ("registry_source", &["=id", "!title_zh", "!title_en", "!org"]),
    ("registry_batch",
        &["=registry", "=id", "!source", "!digest", "!mode", "!state", "@valid_from", "#rows_done",
            "#inserted", "#updated", "#unchanged", "#refused", "!actor", "#started_at",
            "?#finished_at"]),
    ("registry_refusal", &["=registry", "=batch", "=#row", "=field", "!reason"]),
    ("registry_merge",
        &["=id", "!registry", "!from_record", "!into_record", "!reason", "!actor", "#merged_at",
            "?#undone_at", "undone_by", "undone_reason"]),
    ("registry_read",
        &["=id", "!registry", "!record", "#at", "!reader", "!reader_org", "!reader_org_name",
            "!purpose", "&is_unmasked"]),
    ("registry_objection",
        &["=id", "!registry", "!record", "!field", "!source", "!source_org", "!current_value",
            "!expected_value", "!reason", "!raised_by", "!raised_org", "raised_party",
            "#raised_at", "!state", "?@due_on", "&is_overdue", "!answer", "proposed_value",
            "?@valid_from", "!answered_by", "!decided_by", "statement", "?#closed_at",
            "#version"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, columns) in TABLES {
            manager.create_table(table(name, columns)).await?;
        }
        index(
            manager,
            "registry_merge_into",
            "registry_merge",
            &["into_record"],
        )
        .await?;
        index(
            manager,
            "registry_merge_from",
            "registry_merge",
            &["from_record"],
        )
        .await?;
        index(
            manager,
            "registry_read_record",
            "registry_read",
            &["record", "id"],
        )
        .await?;
        let due = ["source_org", "state", "id"];
        index(
            manager,
            "registry_objection_org",
            "registry_objection",
            &due,
        )
        .await?;
        index(
            manager,
            "registry_objection_record",
            "registry_objection",
            &["record", "id"],
        )
        .await?;
        index(
            manager,
            "registry_objection_state",
            "registry_objection",
            &["state", "id"],
        )
        .await
    }
}
