use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Text, `!` in front for required; `#` for required numbers, `?#` for optional ones; `?@` for
/// optional days; `&` for flags; `=` for parts of the primary key.
fn table(name: &'static str, columns: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    let mut key = Index::create();
    for described in columns {
        let plain = described.trim_start_matches(['!', '#', '?', '=', '@', '&']);
        let mut definition = ColumnDef::new(Alias::new(plain));
        if described.contains('#') {
            definition.big_integer();
        } else if described.contains('@') {
            definition.date();
        } else if described.contains('&') {
            definition.boolean();
        } else {
            definition.text();
        }
        if described.starts_with(['!', '#', '&', '=']) {
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
const TABLES: [(&str, &[&str]); 9] = [
    ("exchange_node",
        &["=code", "!title", "!org", "!state", "!signing_key", "#enrolled_at", "#expires_at",
            "?#seen_at", "?#revoked_at", "!revoked_reason"]),
    ("exchange_certificate", &["=fingerprint", "!node", "#issued_at", "#expires_at"]),
    ("exchange_enrolment",
        &["=digest", "!node", "!title", "!org", "!created_by", "#created_at", "#expires_at",
            "?#used_at"]),
    ("exchange_publication",
        &["=code", "!node", "!org", "!resource", "!title", "!shape", "announced", "!state",
            "#next_sequence", "&wants_full", "#announced_at"]),
    ("exchange_subscription",
        &["=id", "!publication", "!node", "!org", "!purpose", "!basis", "!columns", "!filter",
            "!state", "&is_started", "?@expires_on", "!created_by", "#created_at"]),
    ("exchange_batch",
        &["=id", "!publication", "!node", "!org", "#sequence", "!kind", "!state", "!manifest",
            "!manifest_signature", "receipt", "receipt_signature", "#row_count",
            "#delete_count", "#refused_count", "#byte_count", "#chunk_count", "!checksum",
            "#read_at", "#offered_at", "?#accepted_at", "?#pruned_at"]),
    ("exchange_chunk",
        &["=batch", "=#place", "!kind", "#row_count", "#byte_count", "!digest", "checksum",
            "?#arrived_at"]),
    ("exchange_delivery",
        &["=id", "!batch", "!publication", "!subscription", "!node", "!org", "#sequence",
            "!state", "note", "note_signature", "receipt", "receipt_signature", "?#row_count",
            "?#delete_count", "checksum", "!problem", "#created_at", "?#pulled_at",
            "?#applied_at"]),
    ("exchange_refused_row", &["=batch", "=#row_number", "=field", "!reason", "!content"]),
];

#[rustfmt::skip]
const INDEXES: [(&str, &str, &[&str]); 5] = [
    ("exchange_batch_newest", "exchange_batch", &["offered_at", "id"]),
    ("exchange_batch_sequence", "exchange_batch", &["publication", "sequence"]),
    ("exchange_delivery_node", "exchange_delivery", &["node", "state", "sequence"]),
    ("exchange_delivery_batch", "exchange_delivery", &["batch"]),
    ("exchange_subscription_publication", "exchange_subscription", &["publication"]),
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
