use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

fn required_text(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.text().not_null();
    column
}

fn optional_text(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.text();
    column
}

fn number(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    column.big_integer().not_null();
    column
}

fn key() -> ColumnDef {
    let mut column = required_text("id");
    column.primary_key();
    column
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut form = Table::create();
        form.table(Alias::new("forms_form"))
            .col(key())
            .col(required_text("content"));
        manager.create_table(form).await?;
        manager.create_table(draft()).await?;
        manager.create_table(file()).await?;
        for (name, table, columns) in [
            (
                "forms_draft_owner_user",
                "forms_draft",
                &["owner_user", "updated_at", "id"][..],
            ),
            (
                "forms_draft_owner_party",
                "forms_draft",
                &["owner_party", "updated_at", "id"],
            ),
            ("forms_draft_expires", "forms_draft", &["expires_at"]),
            ("forms_file_draft", "forms_file", &["draft_id"]),
            ("forms_file_subject", "forms_file", &["subject"]),
        ] {
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

fn draft() -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table(Alias::new("forms_draft"))
        .col(key())
        .col(required_text("owner_user"))
        .col(optional_text("owner_party"))
        .col(required_text("subject"))
        .col(required_text("form_id"))
        .col(required_text("answers"))
        .col(required_text("answered"))
        .col(required_text("provenances"))
        .col(required_text("step"))
        .col(number("version"))
        .col(optional_text("submitted_as"))
        .col(number("created_at"))
        .col(number("updated_at"))
        .col(number("expires_at"));
    table
}

fn file() -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table(Alias::new("forms_file"))
        .col(key())
        .col(optional_text("draft_id"))
        .col(required_text("owner_user"))
        .col(optional_text("owner_party"))
        .col(optional_text("subject"))
        .col(required_text("readers"))
        .col(required_text("field"))
        .col(required_text("name"))
        .col(required_text("media_type"))
        .col(number("size"))
        .col(required_text("digest"))
        .col(required_text("blob"))
        .col(number("created_at"));
    table
}
