use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Text; `#` in front for numbers, `?` for what may be absent, `=` for parts of the primary key.
fn table(name: &'static str, columns: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    let mut key = Index::create();
    for described in columns {
        let plain = described.trim_start_matches(['#', '?', '=']);
        let mut column = ColumnDef::new(Alias::new(plain));
        if described.contains('#') {
            column.big_integer();
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
const TABLES: [(&str, &[&str]); 5] = [
    ("flow_binding",
        &["=publication", "entry", "code", "#number", "lake", "findings", "#checked_at"]),
    ("flow_batch",
        &["=id", "publication", "#sequence", "kind", "lake", "state", "problem", "#rows", "#good",
            "#bad", "#version", "#accepted_at", "?#finished_at"]),
    ("flow_feed", &["=registry", "=publication", "source", "document", "#updated_at"]),
    ("flow_feeding",
        &["=registry", "=batch", "publication", "#sequence", "state", "problem", "#version",
            "?#finished_at"]),
    ("flow_refusal", &["=registry", "=batch", "=#row", "=field", "key", "reason"]),
];

#[rustfmt::skip]
const INDEXES: [(&str, &str, &[&str]); 4] = [
    ("flow_binding_entry", "flow_binding", &["entry"]),
    ("flow_batch_sequence", "flow_batch", &["publication", "sequence"]),
    ("flow_batch_state", "flow_batch", &["state"]),
    ("flow_feeding_sequence", "flow_feeding", &["publication", "registry", "sequence"]),
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
