use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = |column: &'static str| Alias::new(column);
        let text = |column| ColumnDef::new(name(column)).text().not_null().take();
        let moment = |column| ColumnDef::new(name(column)).big_integer().take();
        let table = Table::create()
            .table(name("cascade_inferior"))
            .col(text("node").primary_key().take())
            .col(text("org"))
            .col(text("title"))
            .col(text("state"))
            .col(moment("joined_at").not_null().take())
            .col(moment("ended_at"))
            .col(text("reason"))
            .take();
        manager.create_table(table).await
    }
}
