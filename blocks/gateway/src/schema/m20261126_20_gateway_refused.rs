use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |column: &'static str| Alias::new(column);
        let text = |column| ColumnDef::new(name(column)).text().not_null().take();
        let number = |column| ColumnDef::new(name(column)).big_integer().not_null().take();
        let key = Index::create()
            .col(name("resource"))
            .col(name("day"))
            .col(name("consumer"))
            .col(name("rule"))
            .take();
        let table = Table::create()
            .table(name("gateway_refused"))
            .col(text("resource"))
            .col(ColumnDef::new(name("day")).date().not_null())
            .col(text("consumer"))
            .col(text("rule"))
            .col(number("calls"))
            .col(number("first_at"))
            .col(number("last_at"))
            .primary_key(&mut key.clone())
            .take();
        manager.create_table(table).await
    }
}
