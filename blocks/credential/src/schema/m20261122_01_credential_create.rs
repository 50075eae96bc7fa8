use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Text, `!` in front for required; `#` for required numbers, `?#` for optional ones; `=` for the
/// primary key.
fn table(name: &'static str, columns: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    for column in columns {
        let plain = column.trim_start_matches(['!', '#', '?', '=']);
        let mut definition = ColumnDef::new(Alias::new(plain));
        if column.contains('#') {
            definition.big_integer();
        } else {
            definition.text();
        }
        if column.starts_with('=') {
            definition.not_null().primary_key();
        } else if column.starts_with('!') || column.starts_with('#') {
            definition.not_null();
        }
        table.col(definition);
    }
    table
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let kind = [
            "=code",
            "!name_zh",
            "!name_en",
            "!definition",
            "#updated_at",
        ];
        manager
            .create_table(table("credential_type", &kind))
            .await?;
        manager
            .create_table(table("credential_definition", &["=id", "!content"]))
            .await?;
        manager
            .create_table(table("credential_expiry", &["=last_day"]))
            .await?;
        manager
            .create_table(table("credential_certificate", &CERTIFICATE))
            .await?;
        let usage = [
            "=id",
            "!certificate_id",
            "#at",
            "!act",
            "!actor",
            "!actor_name",
            "!purpose",
            "case_no",
        ];
        manager
            .create_table(table("credential_use", &usage))
            .await?;
        for (name, of, columns, is_unique) in INDEXES {
            let mut index = Index::create();
            index.name(*name).table(Alias::new(*of));
            if *is_unique {
                index.unique();
            }
            for column in *columns {
                index.col(Alias::new(*column));
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

const CERTIFICATE: [&str; 31] = [
    "=id",
    "!zzbs",
    "!type_code",
    "!type_name_zh",
    "!type_name_en",
    "!definition_id",
    "!number",
    "!holder_party",
    "!holder_kind",
    "!holder_name",
    "!holder_code",
    "!issuer_code",
    "!issuer_name",
    "!face",
    "!issued_on",
    "!valid_from",
    "!valid_to",
    "!status",
    "#status_since",
    "!status_reason",
    "associated_zzbs",
    "case_no",
    "!metadata",
    "!signature",
    "!key_id",
    "blob",
    "?#size",
    "digest",
    "?#rendered_at",
    "#version",
    "#created_at",
];

type Indexed = (&'static str, &'static str, &'static [&'static str], bool);

const INDEXES: &[Indexed] = &[
    (
        "credential_certificate_zzbs",
        "credential_certificate",
        &["zzbs"],
        true,
    ),
    (
        "credential_certificate_holder",
        "credential_certificate",
        &["holder_party", "id"],
        false,
    ),
    (
        "credential_certificate_code",
        "credential_certificate",
        &["holder_code", "type_code"],
        false,
    ),
    (
        "credential_certificate_number",
        "credential_certificate",
        &["number"],
        false,
    ),
    (
        "credential_certificate_case",
        "credential_certificate",
        &["case_no", "type_code"],
        false,
    ),
    (
        "credential_certificate_valid_to",
        "credential_certificate",
        &["valid_to", "id"],
        false,
    ),
    (
        "credential_certificate_digest",
        "credential_certificate",
        &["digest"],
        false,
    ),
    (
        "credential_use_certificate",
        "credential_use",
        &["certificate_id", "id"],
        false,
    ),
];
