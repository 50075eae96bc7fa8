use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Text, `!` in front for required; `#` for required numbers, `?#` for optional ones; `@` for
/// days, `?@` for optional ones; `&` for flags; `=` for parts of the primary key.
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

#[rustfmt::skip]
const TABLES: [(&str, &[&str]); 9] = [
    ("catalog_setting", &["=id", "!document"]),
    ("catalog_class", &["=code", "!name_zh", "!name_en"]),
    ("catalog_number", &["=front", "#last"]),
    ("catalog_resource",
        &["=id", "code", "!class", "!name", "!provider", "!provider_name", "!format_class",
            "!share_type", "&is_open", "!cycle", "!state", "#number", "?@published_on",
            "!document", "draft", "!words", "!fingerprint", "#errors", "#warnings", "#rate",
            "?#data_at", "?#due_at", "&is_overdue", "instance", "!origin", "#updated_at",
            "!updated_by", "#version"]),
    ("catalog_version",
        &["=resource", "=#number", "!document", "!actor", "!reason", "#published_at"]),
    ("catalog_move",
        &["=id", "!resource", "#at", "!actor", "!act", "!words"]),
    ("catalog_list",
        &["=id", "!kind", "!org", "!org_name", "!name", "!basis", "!resource_code", "!note",
            "!state", "#created_at", "!created_by", "#version"]),
    ("catalog_peer", &["=id", "!name", "!public_key", "#last_number"]),
    ("catalog_request",
        &["=id", "!resource", "!resource_code", "!resource_name", "!provider", "!provider_name",
            "!applicant", "!applicant_name", "!document", "!state", "instance", "@starts_on",
            "@ends_on", "!reason", "#created_at", "!created_by", "#updated_at", "?#decided_at",
            "#version"]),
];

const INDEXES: [(&str, &str, &[&str], bool); 9] = [
    ("catalog_resource_code", "catalog_resource", &["code"], true),
    (
        "catalog_resource_name",
        "catalog_resource",
        &["provider", "name"],
        false,
    ),
    (
        "catalog_resource_twin",
        "catalog_resource",
        &["fingerprint"],
        false,
    ),
    (
        "catalog_resource_state",
        "catalog_resource",
        &["state", "id"],
        false,
    ),
    (
        "catalog_resource_due",
        "catalog_resource",
        &["due_at"],
        false,
    ),
    (
        "catalog_move_of",
        "catalog_move",
        &["resource", "id"],
        false,
    ),
    ("catalog_list_of", "catalog_list", &["kind", "id"], false),
    (
        "catalog_request_of",
        "catalog_request",
        &["resource", "applicant"],
        false,
    ),
    (
        "catalog_request_state",
        "catalog_request",
        &["state", "id"],
        false,
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, columns) in TABLES {
            manager.create_table(table(name, columns)).await?;
        }
        for (name, of, columns, is_unique) in INDEXES {
            let mut index = Index::create();
            index.name(name).table(Alias::new(of));
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
