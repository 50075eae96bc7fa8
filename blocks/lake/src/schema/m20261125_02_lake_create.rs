use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Text; `#` in front for numbers, `?` for what may be absent, `=` for parts of the primary key,
/// `&` for flags.
fn table(name: &'static str, columns: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    let mut key = Index::create();
    for described in columns {
        let plain = described.trim_start_matches(['#', '?', '=', '&']);
        let mut column = ColumnDef::new(Alias::new(plain));
        if described.contains('#') {
            column.big_integer();
        } else if described.contains('&') {
            column.boolean();
        } else {
            column.text();
        }
        if !described.starts_with('?') {
            column.not_null();
        }
        if described.starts_with('=') {
            key.col(Alias::new(plain));
        }
        table.col(column);
    }
    table.primary_key(&mut key);
    table
}

#[rustfmt::skip]
const TABLES: [(&str, &[&str]); 6] = [
    ("lake_table", &["=id", "title_zh", "title_en", "org", "digest", "document", "#updated_at"]),
    ("lake_source", &["=lake", "=field", "resource", "source_column"]),
    ("lake_batch",
        &["=lake", "=id", "mode", "on_bad", "state", "source", "#rows", "#good", "#bad", "#warned",
            "#version", "actor", "#started_at", "?#finished_at"]),
    ("lake_finding", &["=lake", "=batch", "=rule", "=field", "#rows"]),
    ("lake_query",
        &["=id", "#at", "who", "who_org", "who_org_name", "purpose", "sql", "door", "?#as_of",
            "state", "#rows", "?#finished_at"]),
    ("lake_query_use", &["=query", "=lake", "=field", "&is_masked"]),
];

const INDEXES: [(&str, &str, &[&str]); 3] = [
    (
        "lake_batch_finished",
        "lake_batch",
        &["lake", "finished_at"],
    ),
    ("lake_query_use_lake", "lake_query_use", &["lake", "query"]),
    ("lake_source_resource", "lake_source", &["resource"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, columns) in TABLES {
            manager.create_table(table(name, columns)).await?;
        }
        for (name, of, columns) in INDEXES {
            let mut index = Index::create();
            index.name(name).table(Alias::new(of));
            for column in columns {
                index.col(Alias::new(*column));
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
