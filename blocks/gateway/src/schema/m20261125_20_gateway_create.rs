use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Text, `!` in front for required; `#` for required numbers; `?@` for optional days and `=@` for
/// days of the primary key; `=` for parts of the primary key.
fn table(name: &'static str, columns: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    let mut key = Index::create();
    for described in columns {
        let plain = described.trim_start_matches(['!', '#', '?', '=', '@']);
        let mut definition = ColumnDef::new(Alias::new(plain));
        if described.contains('#') {
            definition.big_integer();
        } else if described.contains('@') {
            definition.date();
        } else {
            definition.text();
        }
        if described.starts_with(['!', '#', '=']) {
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

#[rustfmt::skip]
const TABLES: [(&str, &[&str]); 5] = [
    ("gateway_resource",
        &["=code", "!title", "!org", "!node", "!catalog", "!operations", "query",
            "#request_limit", "#answer_limit", "#timeout_seconds", "!state", "!registered_by",
            "#registered_at"]),
    ("gateway_grant",
        &["=id", "!resource", "!org", "!purpose", "!basis", "!operations", "!masks",
            "#quota_per_day", "#rate_per_second", "?@expires_on", "!state", "!created_by",
            "#created_at"]),
    ("gateway_used", &["=grant_id", "=@day", "#calls"]),
    ("gateway_call",
        &["=id", "#at", "!resource", "!operation", "!grant_id", "!consumer", "!provider", "!node",
            "!actor", "!outcome", "#status", "#request_bytes", "#answer_bytes", "!request_head",
            "request", "answer_head", "answer", "delivery", "!hub_signer", "!node_signer",
            "#hub_us", "#line_us", "#node_us", "#api_us", "#total_us", "!batch"]),
    ("gateway_signer", &["=id", "!owner", "!pem", "#seen_at"]),
];

#[rustfmt::skip]
const INDEXES: [(&str, &str, &[&str]); 4] = [
    ("gateway_grant_resource", "gateway_grant", &["resource", "org"]),
    ("gateway_call_newest", "gateway_call", &["at", "id"]),
    ("gateway_call_resource", "gateway_call", &["resource", "at"]),
    ("gateway_call_batch", "gateway_call", &["batch"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, columns) in TABLES {
            manager.create_table(table(name, columns)).await?;
        }
        for (name, table, columns) in INDEXES {
            let mut index = Index::create();
            index.name(name).table(Alias::new(table));
            for column in columns {
                index.col(Alias::new(*column));
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
